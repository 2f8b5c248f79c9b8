"""QONNX's quantizers against the `qonnx` package: every rounding mode, ties included."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import constant, read_threshold, read_weight
from n2uqc.frontend.recognize.rounding import rise, rises
from n2uqc.frontend.reference import evaluate
from n2uqc.passes import compile_graph
from n2uqc.passes.options import Options
from n2uqc.passes.program.interpreter import run_real
from tests.frontend.networks import images, node, ops, refused
from tests.frontend.qonnx_models import qonnx_model, quant, quant_parameters, run_qonnx

pytest.importorskip("qonnx")

MODES = ["ROUND", "HALF_EVEN", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN"]
SHAPE = (2, 2, 4, 4)
OPTIONS = Options(residual_bits=16, input_range=(-32, 32))  # holds every multiple of 1/16
SCALES = st.sampled_from([0.25, 0.5, 1.0, 2.0])  # powers of two: x/scale has exact ties in float32


def grid(seed: int, shape: tuple[int, ...] = SHAPE) -> Any:
    """Multiples of 1/16: most are ties or grid points of some scale."""
    return (np.random.default_rng(seed).integers(-100, 100, shape) / 16).astype(np.float32)


def same_as_qonnx(model: Any, x: Any) -> Any:
    """Frontend and integer program give what QONNX gives; returns the canonical graph."""
    want = run_qonnx(model, x)
    graph = load_graph(model)
    np.testing.assert_array_equal(evaluate(graph, x), want)
    program = compile_graph(graph, OPTIONS)
    np.testing.assert_allclose(run_real(program, x), want, rtol=0, atol=1e-3)
    return graph


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(MODES), st.booleans(), st.booleans(), st.integers(1, 5), st.integers(-3, 3),
    SCALES, st.integers(0, 99),
)  # fmt: skip
def test_quant(
    mode: str, signed: bool, narrow: bool, bits: int, zero: int, scale: float, seed: int
) -> None:
    narrow = narrow and bits > 1  # 1 bit has no level to spare
    body = quant("q", "x", "y", mode, int(signed), int(narrow))
    same_as_qonnx(qonnx_model(body, quant_parameters("q", scale, zero, bits)), grid(seed))


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(MODES), st.floats(0.015625, 3, width=32), st.floats(0.015625, 3, width=32),
    st.integers(0, 99),
)  # fmt: skip
def test_quant_per_channel_at_any_scale(mode: str, first: float, second: float, seed: int) -> None:
    scale = np.float32([first, second]).reshape(1, 2, 1, 1)
    model = qonnx_model(quant("q", "x", "y", mode), quant_parameters("q", scale, 0, 4))
    x = np.random.default_rng(seed).normal(0, 2, SHAPE).astype(np.float32)
    exact = x.astype(np.float64) / scale * 2
    x = np.where(np.abs(exact - np.round(exact)) < 1e-5, x + np.float32(0.01) * scale, x)
    np.testing.assert_allclose(
        evaluate(load_graph(model), x), run_qonnx(model, x), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("mode", MODES)
@given(st.fractions(-9, 9, max_denominator=8))
@settings(max_examples=60, deadline=None)
def test_rises_define_the_rounding(mode: str, value: Any) -> None:
    from qonnx.custom_op.general.intquant import resolve_rounding_mode

    positions, strict = rises(-10, 10, mode)
    x = float(value)
    count = sum(x > p if s else x >= p for p, s in zip(positions, strict, strict=True))
    want = resolve_rounding_mode(mode)(np.float64(x))
    assert count - 10 == want or float(value) * 8 % 1  # thirds may round in float64


def test_half_even_alternates() -> None:
    assert [rise(n, "ROUND") for n in (-1, 0, 1)] == [(-0.5, False), (0.5, True), (1.5, False)]


def test_thresholds_are_real_products() -> None:
    """(k + 1/2) * 0.1f needs more than float32: the thresholds are float64, and exact."""
    model = qonnx_model(quant("q", "x", "y", signed=0), quant_parameters("q", 0.1, 0, 3))
    params = read_threshold(node(load_graph(model), "Threshold"))
    assert params.thresholds.dtype == np.float64
    expected = (np.arange(7) + 0.5) * float(np.float32(0.1))
    np.testing.assert_array_equal(params.thresholds, expected[None])
    assert params.rules[0] == (True, False) * 3 + (True,)


@settings(max_examples=10, deadline=None)
@given(SCALES, st.integers(0, 99))
def test_bipolar(scale: float, seed: int) -> None:
    model = qonnx_model("[q] y = q.BipolarQuant (x, s)", {"s": np.float32(scale)})
    graph = same_as_qonnx(model, grid(seed) * (np.arange(32).reshape(1, 2, 4, 4) % 3))
    assert ops(graph) == ["Threshold", "Add"]


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(MODES), st.booleans(), st.booleans(), st.integers(2, 5), st.integers(0, 3),
    st.integers(0, 2), st.integers(0, 99),
)  # fmt: skip
def test_trunc(
    mode: str, signed: bool, narrow: bool, bits: int, shift: int, zero: int, seed: int
) -> None:
    body = (
        f"[q] y = q.Trunc <signed = {int(signed)}, narrow = {int(narrow)}, "
        f'rounding_mode = "{mode}"> (x, s, z, ib, os, ob)'
    )
    values = {"s": 0.25, "z": zero, "ib": 8, "os": 0.25 * 2**shift, "ob": bits}
    parameters = {k: np.float32(v) for k, v in values.items()}
    same_as_qonnx(qonnx_model(body, parameters, version=2), grid(seed))


@pytest.mark.parametrize("mode", ["FLOOR", "ROUND", "CEIL"])
def test_trunc_of_version_1(mode: str) -> None:
    body = f'[q] y = q.Trunc <rounding_mode = "{mode}"> (x, s, z, ib, ob)'
    parameters = {k: np.float32(v) for k, v in (("s", 0.25), ("z", 0), ("ib", 6), ("ob", 4))}
    model = qonnx_model(body, parameters)
    x = (np.random.default_rng(0).integers(-32, 64, SHAPE) / 4).astype(np.float32)
    same_as_qonnx(model, x)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 7), st.booleans(), st.sampled_from([1.0, 0.5, -0.25, 3.0]),
    st.sampled_from([0.0, -4.0, 0.5]), st.sampled_from(["NCHW", "", "NHWC"]), st.integers(0, 999),
)  # fmt: skip
def test_multi_threshold(
    count: int, per_channel: bool, scale: float, bias: float, layout: str, seed: int
) -> None:
    """Thresholds are per tensor or per channel and unsorted; inputs lie exactly on each of them."""
    rng = np.random.default_rng(seed)
    table = (rng.integers(-40, 40, (2 if per_channel else 1, count)) / 16).astype(np.float32)
    around = "t", "u"
    body = (
        f'[q] {{1}} = q.MultiThreshold <out_dtype = "INT8", out_scale = {scale:f}, '
        f'out_bias = {bias:f}, data_layout = "{layout}"> ({{0}}, T)\n'
    )
    if layout == "NHWC":
        body = (
            "t = Transpose <perm = [0, 2, 3, 1]> (x)\n" + body.format(*around)
            + "y = Transpose <perm = [0, 3, 1, 2]> (u)"
        )  # fmt: skip
    else:
        body = body.format("x", "y")
    x = rng.choice(table.ravel(), SHAPE) + rng.integers(-1, 2, SHAPE) / 16
    graph = same_as_qonnx(qonnx_model(body, {"T": table}), x.astype(np.float32))
    assert set(ops(graph)) <= {"Threshold", "Add"} and ops(graph)[0] == "Threshold"


@pytest.mark.parametrize("domain", ["finn.custom_op.general", "onnx.brevitas"])
def test_domains_of_the_same_operators(domain: str) -> None:
    parameters = quant_parameters("q", 0.5, 0, 3)
    graph = load_graph(qonnx_model(quant("q", "x", "y"), parameters, domain=domain))
    assert ops(graph) == ["Threshold", "Add"]


@pytest.mark.parametrize("alias", ["Quant", "IntQuant"])
def test_aliases(alias: str) -> None:
    body = quant("q", "x", "y", signed=0).replace("q.Quant", f"q.{alias}")
    assert ops(load_graph(qonnx_model(body, quant_parameters("q", 0.5, 0, 3)))) == ["Threshold"]


NETWORK = (
    quant("qi", "x", "a0")
    + quant("qw", "W", "w0", narrow=1)
    + "[conv0] c0 = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (a0, w0)\n"
    + "[bn] b0 = BatchNormalization (c0, gamma, beta, mean, var)\n"
    + quant("q1", "b0", "a1")
    + "p1 = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (a1)\n"
    + "[qw1] w1 = q.BipolarQuant (W1, qw1_s)\n"
    + "[conv1] c1 = Conv <kernel_shape = [3, 3], pads = [1, 0, 1, 2]> (p1, w1)\n"
    + quant("q2", "c1", "a2", signed=0)
    + "f = Flatten (a2)\n"
    + quant("qw2", "W2", "w2", narrow=1)
    + quant("qb", "B", "b2")
    + "[fc] m = MatMul (f, w2)\n[bias] y = Add (m, b2)"
)


def network(seed: int) -> Any:
    rng = np.random.default_rng(seed)
    parameters: dict[str, Any] = {}
    for name, values in {
        "qi": (0.125, 0, 4), "qw": (rng.uniform(0.05, 0.1, (3, 1, 1, 1)), 0, 4),
        "q1": (0.3, 1, 3), "q2": (0.11, 0, 4), "qw2": (rng.uniform(0.04, 0.06, (1, 5)), 0, 4),
        "qb": (0.001, 0, 16),
    }.items():  # fmt: skip
        parameters |= quant_parameters(name, *values)
    parameters |= {
        "qw1_s": np.float32(0.2), "W": rng.normal(0, 0.3, (3, 2, 3, 3)),
        "W1": rng.normal(0, 0.3, (4, 3, 3, 3)), "W2": rng.normal(0, 0.2, (16, 5)),
        "B": rng.normal(size=5), "gamma": rng.normal(size=3), "beta": rng.normal(size=3),
        "mean": rng.normal(size=3), "var": rng.uniform(0.5, 2, 3),
    }  # fmt: skip
    return qonnx_model(NETWORK, parameters, out=(2, 5))


@pytest.mark.parametrize("seed", range(4))
def test_network(seed: int) -> None:
    """Signed codes behind a pool into a padded convolution, odd, int4 and float parameters."""
    model = network(seed)
    x = np.random.default_rng(seed + 100).normal(size=SHAPE).astype(np.float32)
    want = run_qonnx(model, x)
    graph = load_graph(model)
    np.testing.assert_allclose(evaluate(graph, x), want, atol=1e-5)
    program = compile_graph(graph)
    np.testing.assert_allclose(run_real(program, x), want, atol=1e-4)
    assert [op.mnemonic for op in program.ops].count("conv") == 3
    assert not [op for op in program.ops if op.mnemonic == "add"]
    codes = [read_weight(n) for n in graph.graph if n.op_type == "Weight"]
    assert [(w.odd, w.bits) for w in codes] == [(False, 4), (True, 1), (False, 4)]
    assert codes[2].codes.shape == (5, 16)


def test_quantized_bias_is_a_float_constant() -> None:
    graph = load_graph(network(0))
    bias = next(n for n in graph.graph if n.name == "bias")
    values = constant(bias.inputs[1])
    assert values is not None and np.allclose(values * 1000, np.round(values * 1000), atol=1e-3)


def one_quant(**changes: Any) -> Any:
    values = quant_parameters("q", 0.5, 0, 3) | {k: np.float32(v) for k, v in changes.items()}
    return qonnx_model(quant("q", "x", "y"), values)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"q_s": 0}, ["scale of 0", "positive"]),
        ({"q_s": -1}, ["scale of -1"]),
        ({"q_s": np.inf}, ["NaN or infinite"]),
        ({"q_s": np.ones((1, 1, 4, 1)) + np.arange(4).reshape(1, 1, 4, 1)}, ["one per channel"]),
        ({"q_z": 0.5}, ["zero point", "one integer"]),
        ({"q_z": [0, 1]}, ["zero point", "one per channel"]),
        ({"q_b": 2.5}, ["bit width", "one integer"]),
        ({"q_b": 0}, ["bit width of 0"]),
        ({"q_b": 12}, ["activation of 12 bits", "1 to 8 bits"]),
    ],
)
def test_refused_parameters(changes: dict[str, Any], words: list[str]) -> None:
    problems = refused(one_quant(**changes), *words)
    assert problems[0].node == "q"


def test_refused_mode() -> None:
    body = quant("q", "x", "y", "SOMEHOW")
    refused(qonnx_model(body, quant_parameters("q", 0.5, 0, 3)), "rounding_mode SOMEHOW", "HALF_UP")


def test_refused_single_level() -> None:
    body = quant("q", "x", "y", signed=0, narrow=1)
    refused(qonnx_model(body, quant_parameters("q", 0.5, 0, 1)), "1 levels", "2 to 256")


def test_refused_computed_scale() -> None:
    body = "s = ReduceMax <keepdims = 0> (x)\n" + quant("q", "x", "y").replace("q_s", "s")
    refused(qonnx_model(body, quant_parameters("q", 0.5, 0, 3)), "computed or missing scale")


def test_refused_other_operators_of_the_domain() -> None:
    body = "[f] y = q.XnorMatMul (x, s)"
    problems = refused(qonnx_model(body, {"s": 1.0}), "operator of the domain")
    assert problems[0].node == "f"


@pytest.mark.parametrize(
    ("table", "attributes", "words"),
    [
        (np.zeros((3, 2)), "", ["3 rows of thresholds"]),
        (np.zeros((1, 256)), "", ["thresholds of shape (1, 256)"]),
        (np.zeros(3), "", ["thresholds of shape (3,)"]),
        (np.zeros((1, 2)), ", out_scale = 0.0", ["out_scale 0"]),
        (np.full((1, 2), np.nan), "", ["NaN"]),
    ],
)
def test_refused_multi_thresholds(table: Any, attributes: str, words: list[str]) -> None:
    body = f'[q] y = q.MultiThreshold <out_dtype = "INT8"{attributes}> (x, T)'
    refused(qonnx_model(body, {"T": table.astype(np.float32)}), *words)


def test_refused_trunc_to_more_bits() -> None:
    parameters = {k: np.float32(v) for k, v in (("s", 0.25), ("z", 0), ("ib", 4), ("ob", 6))}
    body = "[q] y = q.Trunc (x, s, z, ib, ob)"
    refused(qonnx_model(body, parameters), "truncation from 4 to 6 bits")


@pytest.mark.parametrize("mode", ["ROUND", "CEIL", "DOWN"])
def test_a_scalar_constant(mode: str) -> None:
    """The constant has no axes: a scale or shift that is quantized in the same way as weights."""
    body = quant("q", "c", "k", mode) + "y = Mul (x, k)"
    parameters = quant_parameters("q", 0.25, 0.0, 4) | {"c": np.float32(1.3)}
    model = qonnx_model(body, parameters)
    x = images(model)
    np.testing.assert_allclose(evaluate(load_graph(model), x), run_qonnx(model, x), rtol=1e-6)


def test_a_weight_beyond_float32_in_steps_is_the_largest_code() -> None:
    """Its quotient overflows, and saturates, without a word."""
    weights = np.array([[3e38, -3e38, 0.07, -0.14]], np.float32)
    parameters = quant_parameters("q", 0.07, 0, 4) | {"W": weights}
    body = quant("q", "W", "w") + "\nt = Transpose <perm = [1, 0]> (w)\ny = MatMul (x, t)"
    model = qonnx_model(body, parameters, (2, 4), (2, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        graph = load_graph(model)
    assert read_weight(node(graph, "Weight")).codes.ravel().tolist() == [7, -8, 1, -2]


@pytest.mark.parametrize("op", ["Resize", "Slice"])
def test_shapes_behind_quantizers_that_onnx_does_not_know(op: str) -> None:
    """ONNX infers no shape behind Quant; scales and int32 places say what follows."""
    more = {
        "scales": np.array([1, 1, 3, 0.5], np.float32),
        "begin": np.array([1, 0], np.int32),
        "end": np.array([2, 3], np.int32),
        "axes": np.array([1, 3], np.int32),
    }
    given = {"Resize": "(q, , scales)", "Slice": "(q, begin, end, axes)"}[op]
    body = quant("a", "x", "q") + f"m = {op} {given} y = ArgMax <axis = 1> (m)"
    model = qonnx_model(body, quant_parameters("a", 0.25, 0, 3) | more)
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.INT64, None))
    program = compile_graph(load_graph(model))
    (port,) = program.interface.outputs
    assert port.indices and program.host is None  # ArgMax is part of the program
