"""Activations rounded between bounds, against onnxruntime: every form, ties, refusals."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import is_op, read_threshold
from n2uqc.frontend.reference import evaluate
from n2uqc.passes import compile_graph
from tests.frontend.networks import build, check_same, images, ops, refused, run_onnx

BOUNDED = "a = Div (x, s) q = Clip (a, low, high)"
ROUND = "[round] k = Round (q)"
SCALED = "y = Mul (k, s)"
AWAY = "i = Sign (q) j = Abs (q) t = Add (j, half) [round] u = Floor (t) k = Mul (i, u)"
LSQ = f"{BOUNDED} {ROUND} d = Sub (k, q) e = Add (d, q) y = Mul (e, s)"


def parameters(low: float, high: float, step: float = 0.25, **more: float) -> dict[str, Any]:
    values = {"s": step, "low": low, "high": high, "half": 0.5, "b": 0.125, "one": 1.0, **more}
    return {name: np.float32(value) for name, value in values.items()}


@pytest.mark.parametrize(
    "body",
    [
        f"{BOUNDED} {ROUND} {SCALED}",
        LSQ,
        LSQ.replace("Add (d, q)", "Add (q, d)"),
        f"{BOUNDED} {ROUND} v = Mul (k, s) d = Sub (v, x) y = Add (x, d)",
        f"a = Mul (x, s) q = Clip (a, low, high) {ROUND} y = Div (k, s)",
        f"c = Sub (x, b) a = Div (c, s) q = Clip (a, low, high) {ROUND} d = Sub (k, q)"
        " e = Add (d, q) f = Mul (e, s) y = Add (f, b)",
        f"a = Div (x, s) p = Max (a, low) q = Min (high, p) {ROUND} {SCALED}",
        "a = Div (x, s) p = Round (a) k = Clip (p, low, high) y = Mul (k, s)",
        "a = Div (x, s) p = Round (a) o = Add (p, one) k = Clip (o, low, high)"
        " m = Sub (k, one) y = Mul (m, s)",
        "a = Div (x, s) q = Clip (a, low, high) h = Add (q, half) k = Floor (h) y = Mul (k, s)",
        f"{BOUNDED} k = Ceil (q) {SCALED}",
        f"{BOUNDED} {AWAY} {SCALED}",
        f"{BOUNDED} {AWAY} d = Sub (k, q) e = Add (d, q) y = Mul (e, s)",
        f"q = Div (x, s) {AWAY.replace('k =', 'p =')} k = Clip (p, low, high) {SCALED}",
        "a = Div (x, s) p = Ceil (a) k = Clip (p, low, high) y = Mul (k, s)",
        "a = Div (x, s) q = Clip (a, low, high) h = Sub (q, half) k = Ceil (h) y = Mul (k, s)",
        f"r = Relu (x) a = Div (r, s) l = Less (a, high) q = Where (l, a, high) {ROUND} {SCALED}",
        f"i = Abs (x) d = Sub (x, high) j = Abs (d) t = Sub (i, j) u = Add (t, high)"
        f" w = Mul (u, half) q = Mul (w, one) {ROUND} y = Mul (k, one)",
    ],
)
@pytest.mark.parametrize(("low", "high"), [(0, 3), (-4, 3), (0, 15), (-1, 0), (-128, 127)])
def test_forms(body: str, low: int, high: int) -> None:
    if high == 0 and ("Relu" in body or "Sub (i, j)" in body):
        high = 1
    model = build(body, parameters(low, high))
    graph = load_graph(model)
    (quantizer,) = (n for n in graph.graph if is_op(n, "Threshold"))
    x = (np.random.default_rng(0).integers(-99, 99, (2, 2, 4, 4)) / 32).astype(np.float32)
    np.testing.assert_array_equal(evaluate(graph, x), run_onnx(model, x))  # ties included
    if "Sub (i, j)" in body or "Relu" in body:
        low = 0
    assert read_threshold(quantizer).bits == (high - low).bit_length()
    want = run_onnx(model, x)
    np.testing.assert_allclose(compile_graph(graph)(x), want, atol=1e-6 * np.abs(want).max())


@settings(max_examples=50, deadline=None)
@given(st.floats(2**-7, 3, width=32), st.floats(-1, 1, width=32), st.integers(1, 8),
       st.integers(0, 99))  # fmt: skip
def test_thresholds_are_exact(step: float, offset: float, bits: int, seed: int) -> None:
    """(x - b)/s > k + 1/2 where x > (k + 1/2)s + b, in rationals."""
    low = -int(np.random.default_rng(seed).integers(0, 2**bits))
    body = f"c = Sub (x, b) a = Div (c, s) q = Clip (a, low, high) {ROUND} {SCALED}"
    if offset and abs(offset) < 2.0**-18:  # the sum may need more than 53 bits
        offset = 0.0
    model = build(body, parameters(low, low + 2**bits - 1, step, b=offset))
    graph = load_graph(model)
    (quantizer,) = (n for n in graph.graph if is_op(n, "Threshold"))
    params = read_threshold(quantizer)
    assert params.input_scale == 1 and params.levels == 2**bits - 1
    wanted = [
        (Fraction(2 * k + 1, 2) * Fraction(step) + Fraction(offset)) for k in range(low, low + 3)
    ]
    got = [Fraction(float(t)) for t in params.thresholds[0][:3]]
    assert got == wanted[: len(got)]


def test_the_operators_before_are_not_the_quantizers() -> None:
    """A bias, or another clip, in front of a bounded quantizer stays what it is."""
    body = f"r = Clip (x, low, high) v = Add (r, b) {BOUNDED.replace('(x', '(v')} {ROUND} {SCALED}"
    graph = check_same(build(body, parameters(-2, 2)))
    assert ops(graph)[:3] == ["Clip", "Add", "Threshold"]


def test_codes_stay_codes_before_a_convolution() -> None:
    """A signed quantizer's offset and step are one with it: the convolution reads integers."""
    rng = np.random.default_rng(1)
    body = f"{LSQ.replace('y =', 'z =')} [conv] y = Conv (z, W)"
    weights = {"W": rng.choice([-3, -1, 1, 3], (3, 2, 3, 3)) * 0.1}
    model = build(body, parameters(-4, 3) | weights)
    graph = load_graph(model)
    assert ops(graph) == ["Threshold", "Add", "Weight", "Conv"]
    x = images(model)
    want = run_onnx(model, x)
    np.testing.assert_allclose(compile_graph(graph)(x), want, atol=1e-4 * np.abs(want).max())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (f"q = Div (x, s) {ROUND} {SCALED}", "without two constant bounds"),
        (f"a = Relu (x) q = Div (a, s) {ROUND} {SCALED}", "without two constant bounds"),
        (f"q = Div (x, s) {AWAY} {SCALED}", "without two constant bounds"),
        (f"{BOUNDED.replace('low, high', 'low')} {ROUND} {SCALED}", "without two constant bounds"),
        (f"{BOUNDED.replace('high)', 'big)')} {ROUND} {SCALED}", "from 0 to 300"),
        (f"{BOUNDED.replace('high)', 'low)')} {ROUND} {SCALED}", "from 0 to 0"),
    ],
)  # fmt: skip
def test_refusals(body: str, words: str) -> None:
    values = parameters(0, 3, 0.3, big=300)
    problems = refused(build(body, values), words)
    assert [p.node for p in problems] == ["round"]


@pytest.mark.parametrize("groups", [1, 2])
def test_a_step_for_each_channel(groups: int) -> None:
    """LSQ with a step per channel: thresholds per channel, and a multiplication behind them."""
    body = f"a = Div (x, s) q = Clip (a, low, high) {ROUND} v = Mul (k, s)"
    weights = np.where(np.random.default_rng(0).random((2, 2 // groups, 3, 3)) < 0.5, -1, 1)
    values = parameters(0, 7) | {"s": np.float32([[[0.5]], [[0.3]]]), "W": weights * 1.0}
    model = build(f"{body} y = Conv <group = {groups}> (v, W)", values)
    graph = check_same(model)
    assert ops(graph) == ["Threshold", "Mul", "Weight", "Conv"]
    x = images(model, 4)
    np.testing.assert_allclose(compile_graph(graph)(x), run_onnx(model, x), rtol=1e-4, atol=1e-4)


def test_thresholds_that_no_float64_holds_stay_behind_their_scale() -> None:
    """The map stays in front of the quantizer, and keeps the exact numbers of the file."""
    body = f"c = Sub (x, tiny) {BOUNDED.replace('(x', '(c')} {ROUND} {SCALED}"
    graph = check_same(build(body, parameters(0, 3, 0.3, tiny=1e-30)))
    assert ops(graph) == ["Sub", "Div", "Threshold"]


STE = "d = Sub (k, a) e = Add (d, a)"


@pytest.mark.parametrize(
    "body",
    [
        f"a = Div (x, s) k = Round (a) {STE} q = Clip (e, low, high) y = Mul (q, s)",
        f"a = Div (x, s) k = Round (a) {STE} m = Max (e, low) q = Min (m, high) y = Mul (q, s)",
        "a = Div (x, s) k = Round (a) m = Min (k, high) q = Max (low, m) y = Mul (q, s)",
        "a = Div (x, s) c = Clip (a, low, high) d = Sub (c, a) q = Add (a, d) k = Round (q)"
        " y = Mul (k, s)",
    ],
)
def test_clips_around_straight_through_pairs(body: str) -> None:
    assert ops(check_same(build(body, parameters(-4, 3)))) == ["Threshold", "Add"]


def test_grid_weights_behind_any_form_of_the_scale() -> None:
    """Codes stay codes behind Div and Sub too: the convolution reads integers."""
    body = f"{BOUNDED} {ROUND} v = Div (k, s) w = Sub (v, b) y = Conv (w, W)"
    weights = {"W": np.random.default_rng(0).choice([-0.25, 0.25], (3, 2, 3, 3))}
    graph = check_same(build(body, parameters(-4, 3) | weights))
    assert ops(graph)[-2:] == ["Weight", "Conv"]
