"""Each import rule against ONNX Runtime, at attributes that the usual networks leave alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.load import load_graph
from n2uqc.frontend.reference import evaluate
from n2uqc.passes import Options
from n2uqc.passes.checks.evaluate import reference
from n2uqc.passes.checks.relation import outward
from n2uqc.passes.importing.from_graph import import_graph
from n2uqc.passes.program.interpreter import steps
from n2uqc.passes.program.ops.real import RealLookup

from ...frontend.networks import build, images, run_onnx
from ...properties.builder import NetworkBuilder

RNG = np.random.default_rng(7)
F32 = np.float32


def numbers(*shape: int) -> np.ndarray:
    return RNG.uniform(-1.5, 1.5, shape).astype(F32)


WINDOW = "kernel_shape = [3, 2], strides = [2, 1], pads = [1, 0, 2, 1]"
RULES: dict[str, tuple[str, dict[str, np.ndarray]]] = {
    "convolution": (
        "y = Conv <pads = [1, 0, 2, 1], strides = [2, 1], dilations = [1, 2], group = 2> (x, w, b)",
        {"w": numbers(4, 1, 3, 2), "b": numbers(4)},
    ),
    "product": ("f = Flatten (x) y = Gemm (f, w, b)", {"w": numbers(60, 3), "b": numbers(3)}),
    "scaled product": (
        "f = Flatten (x) y = Gemm <alpha = 0.5, beta = -2.0, transB = 1> (f, w, b)",
        {"w": numbers(3, 60), "b": numbers(3)},
    ),
    "product without bias": (
        "f = Flatten (x) y = Gemm <alpha = -3.0, beta = 5.0> (f, w)", {"w": numbers(60, 3)}
    ),
    "statistics": (
        "y = BatchNormalization <epsilon = 0.25> (x, g, b, m, v)",
        {"g": numbers(2), "b": numbers(2), "m": numbers(2), "v": np.abs(numbers(2))},
    ),
    "statistics, usual epsilon": (
        "y = BatchNormalization (x, g, b, m, v)",
        {"g": numbers(2), "b": numbers(2), "m": numbers(2), "v": np.full(2, 3e-4, F32)},
    ),
    "sums": ("a = Add (x, k) b = Add (k, a) y = Add (b, x)", {"k": numbers(1, 2, 1, 1)}),
    "differences": (
        "a = Sub (x, k) b = Sub (h, a) r = Relu (b) y = Sub (r, h)",
        {"k": numbers(1, 2, 1, 1), "h": numbers(2, 1, 1)},
    ),
    "products": (
        "a = Mul (x, k) r = Relu (a) b = Div (r, k) y = Mul (b, x)", {"k": numbers(2, 1, 1)}
    ),
    "slopes": ("a = PRelu (x, k) y = PRelu (a, h)", {"k": numbers(2, 1, 1), "h": numbers(1)}),
    "leaks": ("a = LeakyRelu (x) b = Add (a, k) y = LeakyRelu <alpha = 0.3> (b)", {
        "k": numbers(2, 1, 1)}),
    "clips": (
        "a = Clip (x, l) b = Add (a, k) c = Clip (b, , h) d = Add (c, k) y = Clip (d, l, h)",
        {"l": np.array(-0.7, F32), "h": np.array(0.6, F32), "k": numbers(2, 1, 1)},
    ),
    "greatest": (f"y = MaxPool <{WINDOW}> (x)", {}),
    "means": (f"y = AveragePool <{WINDOW}> (x)", {}),
    "means, padding counted": (f"y = AveragePool <{WINDOW}, count_include_pad = 1> (x)", {}),
    "means, rounded up": (
        "y = AveragePool <kernel_shape = [2, 3], strides = [3, 4], ceil_mode = 1> (x)", {}
    ),
    "means, rounded up and counted": (
        "y = AveragePool <kernel_shape = [3, 3], strides = [3, 3], pads = [0, 1, 1, 0], "
        "ceil_mode = 1, count_include_pad = 1> (x)", {}
    ),
    "one mean": ("y = GlobalAveragePool (x)", {}),
    "joined": ("a = Relu (x) b = Mul (x, k) y = Concat <axis = 1> (x, b, a)", {
        "k": numbers(2, 1, 1)}),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_equal_to_onnx_runtime(name: str) -> None:
    body, parameters = RULES[name]
    model = build(body, parameters, x="float[N,2,5,6] x")
    x = images(model)
    want = run_onnx(model, x)
    real = reference(load_graph(model), Options())
    got = dict(steps(real, x.transpose(0, 2, 3, 1).astype(np.float64)))[real.output]
    shaped = outward(real.interface.outputs[0], got).reshape(want.shape)
    np.testing.assert_allclose(shaped, want, rtol=1e-5, atol=2e-6)


def weight(b: NetworkBuilder, codes: np.ndarray, book: np.ndarray | None = None) -> str:
    """A quantized weight, with levels of a codebook if they are given."""
    step = b.array(np.array([0.25, 0.5, 0.125]))
    if book is None:
        return b.node("Weight", [b.array(codes), step], codes.shape, divisor=3, bits=2)
    return b.node(
        "Weight", [b.array(codes), step, b.array(book)], codes.shape, divisor=1, bits=2, odd=0
    )


@pytest.mark.parametrize("leveled", [False, True])
def test_products_of_quantized_weights(leveled: bool) -> None:
    """Factors of Gemm meet codes and levels as they meet any weight."""
    b = NetworkBuilder(1, 2, 3)
    codes = RNG.integers(0, 4, (3, 2)).astype(np.int8)
    book = np.array([[-0.75, -0.1, 0.3, 1.0]]) if leveled else None
    w = weight(b, codes if leveled else (2 * codes - 3).astype(np.int8), book)
    pooled = b.node("GlobalAveragePool", [b.quantize("x", 2)], (2, 1, 1))
    flat = b.node("Flatten", [pooled], (2,))
    bias = b.array(numbers(3))
    y = b.node("Gemm", [flat, w, bias], (3,), transB=1, alpha=0.5, beta=-3.0)
    model = b.model(y)
    x = RNG.normal(0, 1, (4, 2, 3, 3)).astype(F32)
    real = import_graph(model, "net")
    got = dict(steps(real, x.transpose(0, 2, 3, 1).astype(np.float64)))[real.output]
    np.testing.assert_allclose(got.reshape(4, 3), evaluate(model, x), rtol=1e-6, atol=1e-6)


def test_a_codebook_with_fewer_levels_than_codes() -> None:
    """Five levels take three bits; codes that do not occur stand for the last level."""
    b = NetworkBuilder(2, 2, 3)
    table, levels = np.array([[-0.5, 0.0, 0.25, 1.0]], F32), np.array([-1.0, -0.2, 0.0, 0.4, 2.0])
    y = b.node(
        "Codebook", ["x", b.array(table), b.array(np.array(F32(1))), b.array(levels)],
        (2, 3, 3), strict=1, bits=3,
    )  # fmt: skip
    model = b.model(y)
    real = import_graph(model, "net")
    (lookup,) = (op for op in real.ops if isinstance(op, RealLookup))
    assert [float(v) for v in lookup.levels] == pytest.approx([*levels, 2.0, 2.0, 2.0])
    x = RNG.normal(0, 1, (4, 2, 3, 3)).astype(F32)
    got = dict(steps(real, x.transpose(0, 2, 3, 1).astype(np.float64)))[real.output]
    np.testing.assert_allclose(got.transpose(0, 3, 1, 2), evaluate(model, x), rtol=1e-6)


def refused(b: NetworkBuilder) -> dict[str, Callable[[], str]]:
    """Nodes that no rule takes, by what is said of them."""
    scalar = b.array(np.array(F32(2)))
    rows = [b.array(np.full(2, v, F32)) for v in (1, 0, 0, -1)]
    flat = b.node("Flatten", ["x"], (18,))
    square = b.array(numbers(18, 18))
    return {
        "a dilated window": lambda: b.node(
            "MaxPool", ["x"], (2, 2, 3), kernel_shape=[2, 1], dilations=[1, 2]),
        "ceil_mode 1": lambda: b.node(
            "MaxPool", ["x"], (2, 2, 2), kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        "axis 2": lambda: b.node("Concat", ["x", "x"], (2, 6, 3), axis=2),
        "division by a tensor": lambda: b.node("Div", [scalar, "x"], (2, 3, 3)),
        r"variance \+ epsilon = -0.9": lambda: b.node(
            "BatchNormalization", ["x", *rows], (2, 3, 3), epsilon=1e-6),
        "a product of two tensors": lambda: b.node("Gemm", [flat, square], (18,), transA=1),
        "computed weights": lambda: b.node(
            "Conv", ["x", b.node("Relu", ["x"], (2, 3, 3))], (2, 3, 3)),
        "an output step of 0": lambda: b.node(
            "Threshold", ["x", b.array(np.zeros((1, 1), F32)), scalar, b.array(np.array(0.0))],
            (2, 3, 3), divisor=1, strict=1, bits=1),
        "an operator without integer form": lambda: b.node("Hardmax", ["x"], (2, 3, 3)),
    }  # fmt: skip


@pytest.mark.parametrize("message", list(refused(NetworkBuilder(3, 2, 3))))
def test_refusals(message: str) -> None:
    """The message names the node and its operator."""
    b = NetworkBuilder(3, 2, 3)
    model = b.model(refused(b)[message]())
    with pytest.raises(CompileError, match=message) as caught:
        import_graph(model, "net")
    (problem,) = caught.value.problems
    last = list(model.graph)[-1]
    assert (problem.node, problem.op) == (last.name, last.op_type)


@pytest.mark.parametrize("axis", [1, -3])
def test_channels_are_joined_at_an_axis_counted_from_either_end(axis: int) -> None:
    b = NetworkBuilder(4, 2, 3)
    joined = b.node("Concat", ["x", b.node("Relu", ["x"], (2, 3, 3))], (4, 3, 3), axis=axis)
    model = b.model(joined)
    real = import_graph(model, "net")
    x = RNG.normal(0, 1, (4, 2, 3, 3)).astype(F32)
    got = dict(steps(real, x.transpose(0, 2, 3, 1).astype(np.float64)))[real.output]
    want = np.concatenate([x, np.maximum(x, 0)], axis=1)
    np.testing.assert_allclose(got.transpose(0, 3, 1, 2), want, rtol=1e-6)


@pytest.mark.parametrize("axis", [0, 2, 3, -1, -2, -4])
def test_other_axes_are_refused(axis: int) -> None:
    b = NetworkBuilder(4, 2, 3)
    model = b.model(b.node("Concat", ["x", "x"], (2, 6, 3), axis=axis))
    with pytest.raises(CompileError, match=f"axis {axis}"):
        import_graph(model, "net")
