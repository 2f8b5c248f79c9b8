"""Training for n2uqc: N2UQ networks in torch, their ONNX export, and the shipped networks.

This file imports nothing, so that `n2uqc.models.data` and `n2uqc.models.shipped` work without
torch:

* `data`: the handwritten digits and their fixed split (numpy, scikit-learn)
* `shipped`: paths of the trained ONNX files in the package (standard library only)
* `architectures`: the published networks by name; torch is needed to build one
* `quantizers`, `pact`: the quantizers (torch); `ladder`: N2UQ's thresholds as one function
* `lsq`, `lsq_plus`, `nulsq`, `lcq`, `lq_nets`, `dorefa`, `apot`: rival quantizers (torch)
* `quantized`: layers whose weights take any of them (torch); `freezing`: oscillating weights
* `choice`: networks whose quantizers are replaced by others of `registry` (torch)
* `by_layer`: the one rule by which patterns of names choose for a layer
* `blocks`, `networks`: blocks built of them, and residual networks of blocks (torch)
* `checkpoint`: published checkpoints, read safely and checked key by key (torch)
* `calibrate`: initial parameters of a quantized network from its float twin (torch)
* `randomize`: random parameters that resemble trained ones, for tests and measurements (torch)
* `export`: ONNX export, and running the file with onnxruntime (torch)
* `registry`: quantizers by name, for activations and for weights (torch only to build one)
* `training`: own networks on own data, from a recipe, the room behind `n2uqc train`
* `nearest`: quantizers that begin near a float network's values (torch)
* `conversion`: trained float networks, the room behind `n2uqc convert`
* `train`: the shipped networks, `python -m n2uqc.models.train` (torch)
"""
