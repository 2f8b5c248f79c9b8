"""Small ONNX models in text form, and the comparison with onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

from n2uqc.frontend.diagnostics import CompileError, Problem
from n2uqc.frontend.load import load_graph
from n2uqc.frontend.reference import evaluate

Array = npt.NDArray[Any]


def build(
    body: str,
    parameters: dict[str, Any] | None = None,
    x: str = "float[N,2,4,4] x",
    y: str = "float[] y",
    opset: int = 17,
) -> onnx.ModelProto:
    """Return a model of nodes in ONNX's text syntax, `[name] y = Op <attribute = 1> (x, p)`."""
    opsets = f'"" : {opset}' + (', "other" : 1' if "other." in body else "")
    text = f"<ir_version: 8, opset_import: [{opsets}]> g ({x}) => ({y}) {{{body}}}"
    model = onnx.parser.parse_model(text)
    for name, array in (parameters or {}).items():
        array = np.asarray(array)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    return model


def run_onnx(model: onnx.ModelProto, x: Array) -> Array:
    """Return the model's output with every graph rewrite switched off."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    output: Array = session.run(None, {session.get_inputs()[0].name: x})[0]
    return output


def ops(graph: ir.Model) -> list[str]:
    """Operator types in order."""
    return [node.op_type for node in graph.graph]


def node(graph: ir.Model, op_type: str) -> ir.Node:
    """Return the only node of a type."""
    (found,) = (n for n in graph.graph if n.op_type == op_type)
    return found


def images(model: onnx.ModelProto, count: int = 2, seed: int = 0) -> Array:
    """Standard normal float32 images of the model's size."""
    dims = model.graph.input[0].type.tensor_type.shape.dim
    shape = [dims[0].dim_value or count, *(d.dim_value for d in dims[1:])]
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def check_same(model: onnx.ModelProto, tolerance: float = 1e-5) -> ir.Model:
    """Load a model; its canonical graph must compute what onnxruntime computes."""
    before = model.SerializeToString()
    graph = load_graph(model)
    assert model.SerializeToString() == before, "the caller's model was changed"
    x = images(model)
    want = run_onnx(model, x)
    got = evaluate(graph, x)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)
    return graph


def refused(source: Any, *words: str) -> tuple[Problem, ...]:
    """Loading must fail with one CompileError that says all `words`; returns its problems."""
    with pytest.raises(CompileError) as caught:
        load_graph(source)
    for word in words:
        assert word in str(caught.value), str(caught.value)
    return caught.value.problems


def ladder(
    count: int, compare: str = "Greater", prefix: str = "", x: str = "x", top: str = "f"
) -> str:
    """Where(x > T_count, v_count, … Where(x > T_1, v_1, v_0)) over parameters T1.., v0.. ."""
    lines = []
    for k in range(1, count + 1):
        low = f"{prefix}w{k - 1}" if k > 1 else "v0"
        out = f"{prefix}w{k}" if k < count else top
        lines.append(f"[{prefix}compare{k}] {prefix}c{k} = {compare} ({x}, T{k})")
        lines.append(f"[{prefix}where{k}] {out} = Where ({prefix}c{k}, v{k}, {low})")
    return "\n".join(lines)


def rungs(thresholds: list[Any], levels: list[float]) -> dict[str, Any]:
    """Return the parameters of `ladder`."""
    values = {f"T{k}": np.float32(t) for k, t in enumerate(thresholds, start=1)}
    return values | {f"v{k}": np.float32([v]) for k, v in enumerate(levels)}


def weight_quantizer(bits: int, name: str = "q", straight_through: bool = True) -> str:
    """Return the N2UQ weight quantizer over parameters W, s (its scale), h, minus_h, m."""
    lines = """
        [div] u = Div (W, s)
        [less] l = Less (u, h)
        [upper] a = Where (l, u, h)
        [greater] g = Greater (a, minus_h)
        [lower] c = Where (g, a, minus_h)
        [shift] d = Add (c, h)
        [stretch] e = Mul (d, m)
        [round] k = Round (e)
        [back] r = Div (k, m)
        [center] t = Sub (r, h)
        [scale] q0 = Mul (s, t)
    """
    if straight_through:
        return lines + f"[minus] z = Sub (q0, c)\n[plus] {name} = Add (z, c)"
    return lines + f"{name} = Identity (q0)"


def quantizer_parameters(
    weights: Array, bits: int, clip: float = 2.0, scale: Array | None = None
) -> dict[str, Any]:
    """Return parameters of `weight_quantizer`, with the scale N2UQ trains with."""
    n = 2**bits - 1
    weights = weights.astype(np.float32)
    mean = np.abs(weights).mean(axis=(1, 2, 3), keepdims=True, dtype=np.float32)
    half = np.float32(clip) / np.float32(2)
    return {
        "W": weights,
        "s": np.float32(n / 2 ** (bits - 1)) * mean if scale is None else scale,
        "h": half,
        "minus_h": -half,
        "m": np.float32(n) * (np.float32(1) / np.float32(clip)),
    }
