"""Converts a trained float network of torch into a low-bit one, without labels.

torch.fx traces the network, and each convolution and linear layer gets a quantizer for its input
and one for its weights: N2UQ's, or any other that recipes of `train` name. Levels begin where they
are nearest to the values that your samples give, and to the weights; BatchNorm, biases and
activation functions stay, for the compiler folds them into thresholds. Then the low-bit network
learns the float network's outputs on your samples, of which a part is held out to measure how far
they agree. The ONNX file is what `compile` takes. The first and the last layer stay real, as in
N2UQ: those in front of which, or behind which, there is no other; --real names others, and --layer
gives one of them bits all the same.

The network is a function that returns a torch Module of one input and one output tensor. Where
torch.fx cannot follow it (a choice by a tensor's values or sizes) the message names the line. A
layer that is called several times gets a range for each call. Needs the extra `train`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from n2uqc.console.files import map_array, require_writable
from n2uqc.console.input_options import add_pixels, raw_pixels
from n2uqc.console.output import show
from n2uqc.console.progress import TERMINAL
from n2uqc.models.registry import activation_names, weight_names

HELP = "convert a trained float network of torch into a low-bit one, without labels"
EXAMPLES = """\
examples:
  n2uqc convert mine.py:build --weights float.pt --data x.npy --bits 4 -o net.onnx
  n2uqc convert mine.py:build --data x.npy --bits 2 --layer 'layer1.*=4' --layer fc=8 -o net.onnx
  n2uqc convert torchvision.models:resnet18 --with weights='"DEFAULT"' --data images.npy \\
      --pixels 1/255 --mean .485,.456,.406 --std .229,.224,.225 --epochs 20 -o resnet18.onnx
  n2uqc convert mine.py:build --data x.npy --activation lsq+ --weight lsq --epochs 0 -o net.onnx

mine.py:
  def build():
      return MyNetwork()          # its weights, or those of the state dict --weights

samples without labels, .npy: np.save("x.npy", images)    # (N, C, H, W), (N, C, L) or (N, F)
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "network",
        metavar="FILE.py:NAME",
        help="function that returns the torch Module: file.py:name or package.module:name",
    )
    parser.add_argument(
        "--weights",
        metavar="W.pt",
        type=Path,
        help="state dict of the network (torch.save); nothing in it is executed",
    )
    parser.add_argument(
        "--with",
        metavar="NAME=VALUE",
        dest="arguments",
        type=_argument,
        action="append",
        default=[],
        help="argument of the function, the value as JSON; may be repeated",
    )
    parser.add_argument(
        "--data",
        metavar="X.npy",
        type=Path,
        required=True,
        help="samples as the network takes them, without labels, such as it will see: .npy or .npz "
        "(its only array, or the one named x)",
    )
    parser.add_argument(
        "--output", "-o", metavar="MODEL.onnx", type=Path, required=True, help="file to write"
    )
    add_pixels(parser.add_argument_group("raw pixels"))
    group = parser.add_argument_group("quantizers")
    for name, names, what in (
        ("activation", activation_names(), "layers' inputs"),
        ("weight", weight_names(), "weights"),
    ):
        group.add_argument(
            f"--{name}", choices=names, default="n2uq", metavar="Q",
            help=f"quantizer of {what}: {', '.join(names)} (default n2uq)",
        )  # fmt: skip
    group.add_argument(
        "--bits",
        metavar="B|A,W",
        type=_bits,
        default=4,
        help="bits of inputs and weights alike, or of each (default 4)",
    )
    group.add_argument(
        "--layer",
        metavar="NAME=B|A,W",
        type=_layer,
        action="append",
        default=[],
        help="bits of a layer by its name in the network; * stands for any text; may be repeated, "
        "the last that fits counts",
    )
    group.add_argument(
        "--real",
        metavar="NAME",
        action="append",
        help="layer that stays real, likewise, instead of the first and the last",
    )
    group = parser.add_argument_group("fine-tuning")
    group.add_argument(
        "--epochs",
        metavar="N",
        type=int,
        default=10,
        help="passes over the samples; 0: calibrated only (default 10)",
    )
    group.add_argument("--batch", metavar="N", type=int, default=32, help="samples of a step (32)")
    group.add_argument(
        "--rate",
        metavar="R",
        type=float,
        default=3e-4,
        help="first learning rate, which falls to 0; a tenth of it for thresholds (0.0003)",
    )
    group.add_argument(
        "--goal",
        choices=("auto", "scores", "values"),
        default="auto",
        help="scores: the greatest output along axis 1 counts, as of classes; values: each does; "
        "auto: scores if outputs are (N, C)",
    )
    group.add_argument(
        "--held-out",
        metavar="SHARE",
        type=float,
        default=0.2,
        help="share of the samples that is measured on, not learned from (0.2)",
    )
    group.add_argument("--seed", metavar="N", type=int, default=0, help="of order and split (0)")
    group.add_argument(
        "--device", metavar="D", default="cpu", help="cpu, cuda or cuda:N (default cpu)"
    )


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    from n2uqc.api.convert import convert
    from n2uqc.console.input_options import one_of_input

    require_writable(options.output)
    found = convert(
        options.network,
        options.output,
        data=map_array(options.data),
        weights=options.weights,
        arguments=dict(options.arguments),
        activation=options.activation,
        weight=options.weight,
        bits=options.bits,
        layers=dict(options.layer),
        real=options.real,
        epochs=options.epochs,
        batch=options.batch,
        rate=options.rate,
        goal=options.goal,
        held_out=options.held_out,
        pixels=one_of_input("--pixels", raw_pixels(options)),
        seed=options.seed,
        device=options.device,
        progress=TERMINAL,
    )
    show(found, options)
    return 0


def _bits(text: str) -> int | tuple[int, int]:
    parts = text.split(",")
    if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of bits, nor two: 4 or 4,2")
    numbers = [int(part) for part in parts]
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def _layer(text: str) -> tuple[str, int | tuple[int, int]]:
    name, equals, bits = text.rpartition("=")
    if not (equals and name):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=BITS, as in layer1.*=4")
    return name, _bits(bits)


def _argument(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    try:
        return name, json.loads(value if equals else "")
    except json.JSONDecodeError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not NAME=VALUE with a JSON value, as in classes=10 or name='\"x\"'"
        ) from None
