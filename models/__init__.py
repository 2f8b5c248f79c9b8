"""Training side of n2uqc: N2UQ networks in torch, their ONNX export, and the networks that ship.

Nothing here is imported eagerly, so that `n2uqc.models.data` and `n2uqc.models.shipped` work where
torch is not installed:

* `data`: the handwritten digits and their fixed split (numpy, scikit-learn)
* `shipped`: paths of the trained ONNX files in the package (standard library only)
* `quantizers`, `networks`: the N2UQ quantizers and residual networks built of them (torch)
* `calibrate`: from a float network to the starting point of its quantized twin (torch)
* `export`: ONNX export, its check against onnxruntime, randomised parameters for tests (torch)
* `train`: `python -m n2uqc.models.train` (torch)
"""
