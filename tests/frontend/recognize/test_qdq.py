"""QuantizeLinear, Clip, DequantizeLinear against onnxruntime: 2 to 32 bits, ties to even."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import read_threshold, read_weight
from n2uqc.frontend.reference import evaluate
from n2uqc.frontend.summary import INTEGER, summarize
from n2uqc.passes import compile_graph
from n2uqc.passes.checks.prove import prove_tables
from n2uqc.passes.importing.from_graph import import_graph
from n2uqc.passes.options import Options
from n2uqc.passes.program.interpreter import run_real
from n2uqc.passes.program.text import dump, parse
from tests.frontend.networks import build, images, node, ops, refused, run_onnx

TYPES = {
    "INT8": (-128, 127), "UINT8": (0, 255), "INT4": (-8, 7), "UINT4": (0, 15),
    "INT2": (-2, 1), "UINT2": (0, 3),
}  # fmt: skip
OPTIONS = Options(residual_bits=16, input_range=(-64, 64))
SHAPE = "float[2,2,4,4] x"


def tensor(name: str, values: Any, kind: str) -> onnx.TensorProto:
    array = np.asarray(values)
    return helper.make_tensor(name, getattr(TensorProto, kind), array.shape, array.ravel().tolist())


def model_of(
    body: str, parameters: dict[str, Any], codes: dict[str, tuple[Any, str]] | None = None,
    opset: int = 21, y: str = "float[] y",
) -> onnx.ModelProto:  # fmt: skip
    """Build a model with ``build``; ``codes`` are integer parameters with their type."""
    model = build(body, parameters, x=SHAPE, y=y, opset=opset)
    model.graph.initializer.extend(
        tensor(name, values, kind) for name, (values, kind) in (codes or {}).items()
    )
    return model


PAIR = "[quantize] q = QuantizeLinear (x, s, z) [pair] y = DequantizeLinear (q, s, z)"


def meaning(x: Any, scale: Any, zero: int, low: int, high: int) -> Any:
    """ONNX's definition, in float64."""
    codes = np.clip(np.round(x.astype(np.float64) / scale) + zero, low, high)
    return (codes - zero) * scale


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(TYPES)), st.integers(0, 999))
def test_pair(kind: str, seed: int) -> None:
    """Scales that are powers of two make exact ties; zero points odd and even."""
    rng = np.random.default_rng(seed)
    low, high = TYPES[kind]
    zero, scale = int(rng.integers(low, high + 1)), float(2.0 ** rng.integers(-3, 1))
    opset = 25 if kind.endswith("2") else 21
    model = model_of(PAIR, {"s": np.float32(scale)}, {"z": (zero, kind)}, opset)
    graph = load_graph(model)
    x = (rng.integers(-100, 100, (2, 2, 4, 4)) / 16).astype(np.float32)
    want = meaning(x, scale, zero, low, high)
    np.testing.assert_array_equal(evaluate(graph, x), want)
    if opset == 21:  # onnxruntime knows no 2-bit types yet
        np.testing.assert_array_equal(run_onnx(model, x), want)
    np.testing.assert_allclose(run_real(compile_graph(graph, OPTIONS), x), want, atol=1e-2)
    params = read_threshold(node(graph, "Threshold"))
    assert (params.levels, params.bits) == (high - low, int(kind[-1]))


@pytest.mark.parametrize("opset", [13, 19, 21])
def test_zero_point_left_out_is_uint8(opset: int) -> None:
    body = "q = QuantizeLinear (x, s) y = DequantizeLinear (q, s)"
    graph = load_graph(model_of(body, {"s": np.float32(0.25)}, opset=opset))
    assert ops(graph) == ["Threshold"]
    assert read_threshold(node(graph, "Threshold")).levels == 255


@pytest.mark.parametrize("kind", ["INT4", "UINT4", "INT8"])
def test_operators_of_onnxruntimes_domain(kind: str) -> None:
    """Its quantization tool writes 4 bits there below opset 21."""
    codes = {"z": (1, kind), "wq": (np.arange(6).reshape(3, 2, 1, 1), kind), "wz": (2, kind)}
    body = f"""{PAIR.replace("y =", "a =")} w = DequantizeLinear (wq, s, wz)
        [conv] y = Conv (a, w)"""
    models = [model_of(body, {"s": np.float32(0.25)}, codes, opset) for opset in (13, 21)]
    models[0].opset_import.append(helper.make_opsetid("com.microsoft", 1))
    for quantizer in models[0].graph.node:
        quantizer.domain = "com.microsoft" if quantizer.op_type != "Conv" else ""
    graph = load_graph(models[0])
    assert ops(graph) == ops(load_graph(models[1]))
    x = images(models[0])
    np.testing.assert_array_equal(evaluate(graph, x), run_onnx(models[0], x))


def test_scales_by_channel() -> None:
    body = PAIR.replace("Linear (", "Linear <axis = 1> (")
    model = model_of(body, {"s": np.float32([0.25, 0.5])}, {"z": ([0, 0], "INT8")})
    graph = load_graph(model)
    x = images(model)
    np.testing.assert_array_equal(evaluate(graph, x), run_onnx(model, x))
    assert read_threshold(node(graph, "Threshold")).thresholds.shape == (2, 255)


def test_clip_between_narrows() -> None:
    """QCDQ: int8 codes clipped to 3 bits."""
    body = "q = QuantizeLinear (x, s, z) c = Clip (q, lo, hi) [pair] y = DequantizeLinear (c, s, z)"
    codes = {"z": (0, "INT8"), "lo": (-4, "INT8"), "hi": (3, "INT8")}
    model = model_of(body, {"s": np.float32(0.5)}, codes)
    graph, x = load_graph(model), images(model) * 2
    np.testing.assert_array_equal(evaluate(graph, x), run_onnx(model, x))
    assert read_threshold(node(graph, "Threshold")).bits == 3


def network(seed: int) -> onnx.ModelProto:
    """int8 activations and weights, an int32 bias, uint4 activations, int4 weights of the head."""
    rng = np.random.default_rng(seed)
    body = """
        q = QuantizeLinear (x, s, z) d = DequantizeLinear (q, s, z)
        w = DequantizeLinear <axis = 0> (wq, ws)
        b = DequantizeLinear <axis = 0> (bq, bs)
        [conv] c = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (d, w, b)
        q1 = QuantizeLinear (c, s1, z1) d1 = DequantizeLinear (q1, s1, z1)
        r = Relu (d1)
        q2 = QuantizeLinear (r, s2, z2) d2 = DequantizeLinear (q2, s2, z2)
        f = Flatten (d2)
        v = DequantizeLinear <axis = 1> (vq, vs)
        t = Transpose <perm = [1, 0]> (v)
        [fc] y = Gemm <transB = 1> (f, t, b2)"""
    parameters = {
        "s": 0.0203, "ws": rng.uniform(0.01, 0.02, 3), "bs": rng.uniform(2e-4, 3e-4, 3),
        "s1": 0.0517, "s2": 0.313, "vs": rng.uniform(0.01, 0.02, 5), "b2": rng.normal(size=5),
    }  # fmt: skip
    codes = {
        "z": (3, "INT8"), "wq": (rng.integers(-128, 128, (3, 2, 3, 3)), "INT8"),
        "bq": (rng.integers(-999, 999, 3), "INT32"), "z1": (128, "UINT8"), "z2": (0, "UINT4"),
        "vq": (rng.integers(-8, 8, (48, 5)), "INT4"),
    }  # fmt: skip
    return model_of(body, {k: np.float32(v) for k, v in parameters.items()}, codes)


@pytest.mark.parametrize("seed", range(4))
def test_network(seed: int) -> None:
    model = network(seed)
    x = images(model, seed=seed)
    want, graph = run_onnx(model, x), load_graph(model)
    # float32 decides a code otherwise than real arithmetic in a few of a million cases
    np.testing.assert_allclose(evaluate(graph, x), want, atol=1e-5)
    program = compile_graph(graph)
    np.testing.assert_allclose(run_real(program, x), want, atol=1e-4)
    weights = [read_weight(n) for n in graph.graph if n.op_type == "Weight"]
    assert [(w.bits, w.odd, w.codes.shape) for w in weights] == [
        (8, False, (3, 2, 3, 3)), (4, False, (5, 48)),
    ]  # fmt: skip
    summary = summarize(graph)
    assert {q.kind for q in summary.quantizers} == {"uniform"}
    assert [layer.becomes for layer in summary.layers if layer.weights] == [INTEGER, INTEGER]


def test_float_weights_quantized_in_the_graph() -> None:
    """PyTorch writes QuantizeLinear on float weights; the codes are those it gives."""
    rng = np.random.default_rng(0)
    body = """q = QuantizeLinear (x, s, z) d = DequantizeLinear (q, s, z)
        wq = QuantizeLinear <axis = 0> (W, ws, wz) w = DequantizeLinear <axis = 0> (wq, ws, wz)
        [conv] y = Conv (d, w)"""
    parameters = {"s": 0.1, "ws": [0.05, 0.07, 0.03], "W": rng.normal(0, 3, (3, 2, 3, 3))}
    model = model_of(
        body, {k: np.float32(v) for k, v in parameters.items()},
        {"z": (0, "INT8"), "wz": ([0, 0, 0], "INT8")},
    )  # fmt: skip
    graph, x = load_graph(model), images(model)
    params = read_weight(node(graph, "Weight"))
    steps = np.float32(parameters["ws"]).reshape(-1, 1, 1, 1)
    weights = np.float32(parameters["W"])
    np.testing.assert_array_equal(params.codes, np.clip(np.round(weights / steps), -128, 127))
    np.testing.assert_allclose(evaluate(graph, x), run_onnx(model, x), atol=1e-4)


def test_asymmetric_weights_need_more_than_int8() -> None:
    rng = np.random.default_rng(0)
    body = "w = DequantizeLinear (wq, ws, wz) [conv] y = Conv (x, w)"
    codes = {"wq": (rng.integers(0, 256, (3, 2, 3, 3)), "UINT8"), "wz": (10, "UINT8")}
    model = model_of(body, {"ws": np.float32(0.01)}, codes)
    graph, x = load_graph(model), images(model)
    params = read_weight(node(graph, "Weight"))
    assert (params.codes.dtype, params.bits) == (np.int16, 9)
    np.testing.assert_allclose(evaluate(graph, x), run_onnx(model, x), atol=1e-4)


def test_wide_weights_stay_float_with_a_note() -> None:
    rng = np.random.default_rng(0)
    body = "w = DequantizeLinear (wq, ws) [conv] y = Conv (x, w)"
    codes = {"wq": (rng.integers(-9999, 9999, (3, 2, 1, 1)), "INT32")}
    summary = summarize(load_graph(model_of(body, {"ws": np.float32(1e-4)}, codes)))
    assert "wider than 8 bits" in summary.notes[0].text
    assert "wider than 8 bits" in summary.layers[0].why


@pytest.mark.parametrize(
    ("body", "codes", "words"),
    [
        (PAIR, {"z": (0, "INT16")}, ["activation of 16 bits", "1 to 8 bits"]),
        (PAIR.replace("(q, s, z)", "(q, s)"), {"z": (0, "FLOAT8E4M3FN")}, ["FLOAT8E4M3FN"]),
        (PAIR.replace("(q, s", "(q, t"), {"z": (0, "INT8")}, ["scale of -1"]),
        (PAIR.replace("(x, s", "(x, u"), {"z": (0, "INT8")}, ["1", "2 zero points"]),
        (PAIR.replace("Linear (", "Linear <axis = 2> ("), {"z": ([0] * 4, "INT8")}, ["axis"]),
        (PAIR.replace("x, s", "x, m").replace("[q", "m = ReduceMax <keepdims = 0> (x) [q", 1),
         {"z": (0, "INT8")}, ["computed scale"]),
        ("[quantize] y = QuantizeLinear (x, s, z)", {"z": (0, "INT8")}, ["DequantizeLinear"]),
    ],
)  # fmt: skip
def test_refused(body: str, codes: dict[str, Any], words: list[str]) -> None:
    size = np.size(codes["z"][0])
    parameters: dict[str, Any] = {
        "s": np.arange(1, size + 1, dtype=np.float32) if size > 1 else np.float32(1)
    }
    parameters["t"] = np.float32(-1)
    if "u" in body.split("(x, ")[1][:2]:
        codes = {"z": ([0, 0], "INT8")}
        parameters["u"] = np.float32(1)
    model = model_of(body, parameters, codes, y="float[] y" if "Deq" in body else "int8[] y")
    refused(model, *words)


@pytest.mark.parametrize("size", [2, 5])
def test_weights_of_another_shape_than_their_scales(size: int) -> None:
    body = """[q] w = DequantizeLinear <axis = 0> (wq, s)
        y = Conv (x, w)"""
    codes = {"wq": (np.ones((3, 2, 1, 1)), "INT8")}
    model = model_of(body, {"s": np.ones(size, np.float32)}, codes, y="float[] y")
    (problem,) = refused(model, "shape")
    assert problem.node == "q"


@pytest.mark.parametrize("zeros", [([3, 5], [3, 5]), ([2, 5], [2, 5]), ([4, 4], [1, 2])])
@pytest.mark.parametrize("scales", [([0.5, 0.25], [0.5, 0.25]), ([0.5, 0.5], [0.3, 0.3])])
def test_zero_points_of_channels(
    zeros: tuple[list[int], list[int]], scales: tuple[list[float], list[float]]
) -> None:
    """Ties go to even integers before the zero point: its parity decides the rules of a channel."""
    body = "q = QuantizeLinear (x, s, z) y = DequantizeLinear (q, s2, z2)"
    values = {"s": np.float32(scales[0]), "s2": np.float32(scales[1])}
    codes = {"z": (zeros[0], "UINT4"), "z2": (zeros[1], "UINT4")}
    model = model_of(body, values, codes)
    x = (np.arange(-32, 32).reshape(2, 2, 4, 4) / 8).astype(np.float32)
    graph, want = load_graph(model), run_onnx(model, x)
    np.testing.assert_allclose(evaluate(graph, x), want, atol=1e-7)
    program = compile_graph(graph, OPTIONS)
    np.testing.assert_allclose(run_real(program, x), want, atol=1e-2)
    assert not any(proof.mismatches for proof in prove_tables(graph, program))
    again = import_graph(graph)
    assert parse(dump(again)) == again
