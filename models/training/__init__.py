"""Training of one's own networks from a recipe, the room behind `n2uqc train`.

This file imports nothing. `recipe`, `read_recipe`, `example` and `arrays` need no torch:

* `recipe`, `data_formats`: what a recipe states, as frozen dataclasses; `read_recipe`: a TOML
  file becomes one
* `example`: a complete recipe to start from
* `arrays`, `image_folder`, `datasets`: data of each format, its checks, and the held-out part
* `augment`: shifts, flips, crops and noise for any number of channels
* `network`: the float network of a recipe; `low_bit`: its low-bit twin
* `compilable`: whether the compiler takes that
* `teacher`: whose outputs are learned; `optimize`: loss, optimizer, rates
* `state`: what a checkpoint keeps; `metrics`: the curve, as JSON lines and for TensorBoard
* `loop`: epochs of one network; `session`: the whole training, from recipe to ONNX file
"""
