"""A complete recipe, which `n2uqc train --example` prints."""

EXAMPLE = """\
# A recipe of `n2uqc train`.  What begins with # is a default or another choice.
# Paths are relative to this file.
output = "out/digits"          # network.onnx, its accuracies, the curve, the checkpoint
# tensorboard = true           # write the curve for TensorBoard too

[data]                         # labeled samples to train with
format = "npz"
path = "digits.npz"            # arrays (N, C, H, W), (N, C, L) or (N, F), and classes (N,)
images = "images"
labels = "labels"
# channels = "first"           # "last": (N, H, W, C); "none": (N, H, W)
#   format = "folder"          # path: a folder of images for each class; size = [H, W], gray
#   format = "idx"             # images, labels: files as those of MNIST, .gz too
#   format = "csv"             # path; label: its column; shape = [channels, length] of the others
#   format = "dataset"         # dataset = "package.module:name", a torch Dataset; arguments = {}

# [test]                       # what accuracy is measured on, keys as of [data]; without it on
                               # the part of [data] that is held out
[split]
validation = 0.2
seed = 0

[normalize]                    # the network gets (value * scale - mean) / std
scale = 0.0625
# mean = [0.0]                 # one number, or one a channel
# std = [1.0]

[network]
name = "residual"              # or resnet18, resnet34, resnet50, mobilenetv2
arguments = { widths = [8, 16], blocks = [1, 1] }
#   factory = "mine:build"     # instead of a name: what returns your torch Module (file mine.py)
#   weights = "float.pt"       # a state dict to begin with

[quantizers]
activation = "n2uq"            # or n2uq-equal, lsq, lsq+, nulsq, lcq, lq-nets, pact, dorefa, apot
weight = "n2uq"                # or lsq, lsq+, nulsq, lcq, lq-nets, dorefa, apot
bits = 2                       # or { activation = 4, weight = 2 }
# real = ["conv1", "fc"]       # layers that stay real; without it the first and the last
# [quantizers.layers]
# "layer2.*" = 4               # bits of single layers

[float_schedule]               # the float network is trained first
epochs = 20
rate = 0.004
# decay = "cosine"

[schedule]                     # then the low-bit network
epochs = 40
batch = 64
rate = 0.002
threshold_rate = 0.1           # factor of the rate for thresholds, steps and clipping levels
decay = "linear"               # or cosine, constant
# optimizer = "adam"           # or adamw, sgd
seed = 0

[teacher]                      # learn the outputs of the float network alone, as N2UQ's authors do;
share = 1.0                    # less than 1: labels too; without this table: labels alone
# file = "teacher.onnx"        # another teacher; or a state dict (.pt) with network = "mine:build"
# temperature = 1.0

[augment]                      # any number of channels
shift = 1
# flip = true
# crop = [28, 28]
# noise = 0.05
"""
