"""ONNX file in, canonical graph (`onnx_ir.Model` plus the `n2uq` domain) out."""
