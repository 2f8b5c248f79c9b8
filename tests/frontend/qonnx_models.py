"""Models with QONNX operators, and QONNX's own execution of them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from tests.frontend.networks import build

Array = npt.NDArray[Any]

GENERAL = "qonnx.custom_op.general"


def qonnx_model(
    body: str,
    parameters: dict[str, Any],
    shape: tuple[int, ...] = (2, 2, 4, 4),
    out: tuple[int, ...] | None = None,
    domain: str = GENERAL,
    version: int = 1,
) -> onnx.ModelProto:
    """Return a model of static shape;
    operators of the QONNX domain are written `q.Quant <…> (x, s)`.
    """
    text = [",".join(map(str, s)) for s in (shape, shape if out is None else out)]
    model = build(
        body.replace("q.", "other."), parameters, x=f"float[{text[0]}] x", y=f"float[{text[1]}] y"
    )
    for node in model.graph.node:
        if node.domain == "other":
            node.domain = domain
    for entry in model.opset_import:
        if entry.domain == "other":
            entry.domain, entry.version = domain, version
    return model


def quant(name: str, x: str, y: str, mode: str = "ROUND", signed: int = 1, narrow: int = 0) -> str:
    """Return a Quant over the parameters of `quant_parameters`."""
    return (
        f"[{name}] {y} = q.Quant <signed = {signed}, narrow = {narrow}, "
        f'rounding_mode = "{mode}"> ({x}, {name}_s, {name}_z, {name}_b)\n'
    )


def quant_parameters(name: str, scale: Any, zero: float, bits: float) -> dict[str, Any]:
    values = {"s": scale, "z": zero, "b": bits}
    return {f"{name}_{key}": np.asarray(value, np.float32) for key, value in values.items()}


def run_qonnx(model: onnx.ModelProto, x: Array) -> Array:
    """Return the model's output, computed by the `qonnx` package."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.core.onnx_exec import execute_onnx
        from qonnx.transformation.infer_shapes import InferShapes

        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        wrapped = ModelWrapper(copy).transform(InferShapes())
        result: Array = execute_onnx(wrapped, {"x": x})["y"]
    return result
