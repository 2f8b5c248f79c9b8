"""Conversion of trained float networks, the room behind `n2uqc convert`.

This file imports nothing. `settings` needs no torch:

* `settings`: what is chosen, beside what a recipe of `training` chooses
* `trace`: a network as a graph of `torch.fx`, and what cannot be one
* `layers`: each use of a layer as a module of its own; which ones are first and last
* `samples`: samples without labels
* `statistics`: running statistics of BatchNorm for what quantizers make of its inputs
* `agreement`: how far a network gives what the float one gives
* `session`: the whole conversion, from float network to ONNX file
"""
