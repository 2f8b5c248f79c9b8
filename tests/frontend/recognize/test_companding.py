"""Quantizers that round a curve: LCQ's companding as code writes it, logarithms, lookalikes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import read_codebook
from n2uqc.frontend.reference import evaluate
from n2uqc.passes import compile_graph
from tests.frontend.networks import build, check_same, ladder, node, ops, refused, run_onnx, rungs

PIECES = 8
COMPRESS = """
    u0 = Div (x, alpha) u = Clip (u0, zero, one)
    i0 = Div (u, width) i1 = Floor (i0) i2 = Clip (i1, zero, last) i = Cast <to = 7> (i2)
    g = Gather (slopes, i) b = Gather (starts, i)
    start = Mul (i2, width) within = Sub (u, start) rise = Mul (g, within) f = Add (rise, b)
    fine = Mul (f, n)
"""
ROUND = "k = Round (fine) "
STRAIGHT = "k0 = Round (fine) d = Sub (k0, fine) k = Add (d, fine) "
EXPAND = """
    q = Div (k, n) column = Unsqueeze (q, minus)
    beyond = GreaterOrEqual (column, ends) counted = Cast <to = 7> (beyond)
    j0 = ReduceSum <keepdims = 0> (counted, minus) j = Min (j0, last_piece)
    h = Gather (slopes, j) c = Gather (starts, j) t = Sub (q, c) w = Div (t, h)
    jf = Cast <to = 1> (j) place = Mul (jf, width) v = Add (w, place) y = Mul (v, alpha)
"""


def parameters(bits: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    heights = rng.dirichlet(np.full(PIECES, 3.0)).astype(np.float32)
    ends = np.cumsum(heights).astype(np.float32)
    return {
        "alpha": rng.uniform(0.8, 2), "zero": 0.0, "one": 1.0, "width": 1 / PIECES,
        "last": PIECES - 1.0, "last_piece": np.int64(PIECES - 1), "n": 2.0**bits - 1,
        "slopes": heights * PIECES, "starts": np.append(np.float32(0), ends[:-1]),
        "ends": ends, "minus": np.array([-1]),
    }  # fmt: skip


def levels(made: dict[str, Any], bits: int) -> np.ndarray:
    """Return the inverse of the function at even steps, by interpolation."""
    ends = np.append(0.0, made["ends"].astype(np.float64))
    even = np.arange(2**bits) / (2**bits - 1)
    return np.interp(even, ends, np.arange(PIECES + 1) / PIECES) * float(np.float32(made["alpha"]))


@pytest.mark.parametrize("rounding", [ROUND, STRAIGHT])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_companding(bits: int, rounding: str) -> None:
    made = parameters(bits, bits)
    graph = check_same(build(COMPRESS + rounding + EXPAND, made))
    assert ops(graph) == ["Codebook"]
    book = read_codebook(node(graph, "Codebook"))
    np.testing.assert_allclose(book.levels, levels(made, bits), atol=1e-6)
    ends = np.append(0.0, made["ends"].astype(np.float64))
    half = (np.arange(2**bits - 1) + 0.5) / (2**bits - 1)
    want = np.interp(half, ends, np.arange(PIECES + 1) / PIECES) * float(np.float32(made["alpha"]))
    np.testing.assert_allclose(book.thresholds[0], want, rtol=1e-6)


def test_many_activations() -> None:
    """Values agree, except where float32 rounds differently at a jump."""
    made = parameters(3, 5)
    model = build(COMPRESS + ROUND + EXPAND, made, "float[N,2,64,64] x")
    graph = load_graph(model)
    x = np.random.default_rng(0).uniform(-1, 3, (1, 2, 64, 64)).astype(np.float32)
    jumps = read_codebook(node(graph, "Codebook")).thresholds[0]
    clear = (np.abs(x[..., None] - jumps) > 1e-5).all(axis=-1)
    np.testing.assert_allclose(evaluate(graph, x)[clear], run_onnx(model, x)[clear], atol=2e-6)
    want = run_onnx(model, x)[clear]
    np.testing.assert_allclose(compile_graph(graph)(x)[clear], want, atol=1e-5)


def test_logarithm() -> None:
    """Values are rounded to the power of two that is nearest in the logarithm."""
    body = """
        u = Clip (x, low, high) l = Log (u) s = Mul (l, per) k = Round (s) m = Div (k, per)
        e = Exp (m) y = Conv (e, W)
    """
    weights = np.random.default_rng(0).normal(size=(3, 2, 1, 1))
    made = {"low": 0.125, "high": 2.0, "per": 1 / np.log(2), "W": weights}
    graph = check_same(build(body, made))
    book = read_codebook(node(graph, "Codebook"))
    np.testing.assert_allclose(book.levels, [0.125, 0.25, 0.5, 1, 2], rtol=1e-6)
    np.testing.assert_allclose(book.thresholds[0], 2.0 ** (np.arange(-3, 1) + 0.5), rtol=1e-6)


def test_a_curve_that_is_not_rounded_is_refused() -> None:
    refused(build("t = Tan (x) y = Mul (t, t)"))


def test_a_rounding_without_bounds_is_refused() -> None:
    refused(build("t = Exp (x) k = Round (t) y = Mul (k, k)"))


def test_ladders_are_left_alone() -> None:
    graph = check_same(build(ladder(3) + "y = Mul (f, s)", rungs([0, 1, 2], [0, 1, 2, 3]) | {
        "s": np.float32(0.3)}))  # fmt: skip
    assert ops(graph) == ["Threshold"]
