"""The frontend: reads an ONNX file and makes the canonical graph,
an `onnx_ir.Model` of few operators.
"""
