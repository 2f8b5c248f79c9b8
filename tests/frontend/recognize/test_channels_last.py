"""Graphs as FINN and QONNX lower them: Im2Col and MatMul on [N,H,W,C], thresholds between."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import onnx
import pytest

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import read_weight
from n2uqc.frontend.reference import evaluate
from n2uqc.passes.pipeline import compile_graph
from tests.frontend.networks import build, check_same, images, node, ops, refused
from tests.frontend.qonnx_models import qonnx_model, quant, quant_parameters, run_qonnx

rng = np.random.default_rng(0)
TABLE = '<out_scale = 0.5, out_dtype = "UINT2">'


def network(depthwise: bool, quantized: bool) -> onnx.ModelProto:
    """Float stem, thresholds, convolution with integer or quantized weights, pooling, head."""
    shape = (4, 1, 3, 3) if depthwise else (6, 4, 3, 3)
    channels = shape[0]
    parameters: dict[str, Any] = {
        "S": rng.standard_normal((4, 3, 3, 3)), "T": np.sort(rng.standard_normal((4, 3))),
        "W": rng.integers(-1, 2, shape).astype(np.float32), "U": np.float32([[0.5, 1, 2]]),
        "V": rng.standard_normal((5, channels)), "B": rng.standard_normal((1, channels, 1, 1)),
        "t": np.int64([2, channels]),
    }  # fmt: skip
    weight = "W"
    if quantized:
        weight = "wq"
        parameters |= quant_parameters("w", 0.25, 0, 4)
        parameters["W"] = rng.standard_normal(shape)
    group = f"group = {shape[0] if depthwise else 1}"
    window = "kernel_shape = [3, 3], dilations = [1, 1]"
    body = f"""s = Conv <{window}, strides = [1, 1], pads = [1, 1, 1, 1], group = 1> (x, S)
        [first] a = q.MultiThreshold {TABLE} (s, T)
        {quant("w", "W", "wq") if quantized else ""}
        c = Conv <{window}, strides = [2, 2], pads = [1, 1, 1, 1], {group}> (a, {weight})
        d = Add (c, B) [second] e = q.MultiThreshold {TABLE} (d, U)
        m = MaxPool <kernel_shape = [2, 2], strides = [2, 2], pads = [0, 0, 0, 0]> (e)
        g = GlobalAveragePool (m) f = Reshape (g, t) y = Gemm <transB = 1> (f, V)"""
    return qonnx_model(body, parameters, (2, 3, 8, 8), (2, 5))


def streamlined(model: onnx.ModelProto, *passes: str) -> onnx.ModelProto:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.transformation import infer_datatypes, infer_shapes, lower_convs_to_matmul

        wrapper = ModelWrapper(model).transform(infer_shapes.InferShapes())
        wrapper = wrapper.transform(lower_convs_to_matmul.LowerConvsToMatMul())
        wrapper = wrapper.transform(infer_shapes.InferShapes())
        result: onnx.ModelProto = wrapper.transform(infer_datatypes.InferDataTypes()).model
        return result


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("quantized", [False, True])
def test_lowered_convolutions(depthwise: bool, quantized: bool) -> None:
    model = network(depthwise, quantized)
    x = rng.standard_normal((2, 3, 8, 8)).astype(np.float32)
    want = run_qonnx(model, x)
    lowered = streamlined(model)
    assert "Im2Col" in {n.op_type for n in lowered.graph.node}
    graph = load_graph(lowered)
    assert {"Im2Col", "Transpose", "MatMul"}.isdisjoint(ops(graph))
    np.testing.assert_allclose(evaluate(graph, x), want, atol=1e-4)
    held = read_weight(node(graph, "Weight"))
    assert held.codes.shape == ((4, 1, 3, 3) if depthwise else (6, 4, 3, 3))
    np.testing.assert_allclose(compile_graph(graph)(x), want, atol=1e-3)


def test_thresholds_bias_and_pool_stay_channels_last() -> None:
    """Nothing after an [N,H,W,C] input is transposed; the program takes the user's layout."""
    body = """[mt] a = q.MultiThreshold <data_layout = "NHWC"> (x, T)
        [cut] b = q.Im2Col <stride = [1, 1], kernel_size = [2, 2], input_shape = "(2,6,5,3)"> (a)
        [mm] c = MatMul (b, W) d = Add (c, B) e = Relu (d)
        [p] f = q.MaxPoolNHWC <kernel_shape = [2, 2], strides = [1, 1], pads = [0, 0, 0, 0]> (e)
        y = ReduceMean <axes = [1, 2], keepdims = 0> (f)"""
    parameters = {
        "T": np.sort(rng.standard_normal((3, 3))), "B": rng.standard_normal(4),
        "W": rng.choice([-3.0, -1.0, 1.0, 3.0], (12, 4)),
    }  # fmt: skip
    model = qonnx_model(body, parameters, (2, 6, 5, 3), (2, 4))
    graph = load_graph(model)
    x = images(model)
    codes = (np.asarray(x)[..., None] >= np.float32(parameters["T"])).sum(-1)
    cut = np.stack([codes[:, i : i + 5, j : j + 4] for i in (0, 1) for j in (0, 1)], axis=3)
    y = np.maximum(cut.reshape(2, 5, 4, 12) @ parameters["W"] + parameters["B"], 0)
    y = np.maximum.reduce([y[:, i : i + 4, j : j + 3] for i in (0, 1) for j in (0, 1)])
    want = y.mean(axis=(1, 2))
    np.testing.assert_allclose(evaluate(graph, x), want, atol=1e-5)
    program = compile_graph(graph)
    assert program.interface.input.channels_last and program.interface.input.shape == (6, 5, 3)
    np.testing.assert_allclose(program(x), want, atol=1e-3)


def test_product_on_sequences() -> None:
    model = build("y = MatMul (x, W)", {"W": rng.standard_normal((5, 3))}, x="float[N,7,5] x")
    program = compile_graph(check_same(model))
    assert program.interface.input.channels_last and program.interface.output.channels_last


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ("kernel_size = [2, 2], stride = [1], input_shape = \"\"", "2 entries"),
        ("kernel_size = [2, 2], stride = [0, 1], input_shape = \"\"", "entries of 1 or more"),
        ("kernel_size = [0, 2], stride = [1, 1], input_shape = \"\"", "entries of 1 or more"),
        ("kernel_size = [2, 2], stride = [1, 1], dilations = [0, 1], input_shape = \"\"",
         "entries of 1 or more"),
        ("kernel_size = [9, 9], stride = [1, 1], input_shape = \"\"", "a window that fits"),
        ("kernel_size = [2, 2], stride = [1, 1], pad_amount = [1, 1, 1, 1], pad_value = 1",
         "padding value 1"),
    ],
)  # fmt: skip
def test_refused(attributes: str, words: str) -> None:
    padded = 9 * 9 * 3 if "9, 9" in attributes else 12
    body = f"[cut] b = q.Im2Col <{attributes}> (x) [mm] y = MatMul (b, W)"
    refused(qonnx_model(body, {"W": np.ones((padded, 2))}, (2, 6, 5, 3), (2, 5, 4, 2)), words)


def test_a_pool_of_stride_0_is_refused() -> None:
    """It ended in a division by zero."""
    window = "kernel_shape = [2, 2], strides = [0, 1], pads = [0, 0, 0, 0]"
    body = f"""[p] f = q.MaxPoolNHWC <{window}> (x)
        y = ReduceMean <axes = [1, 2], keepdims = 0> (f)"""
    refused(qonnx_model(body, {}, (2, 6, 5, 3), (2, 3)), "strides (0, 1)", "2 entries of 1 or more")
