"""Exact clean-up: identities, expands, folded constants."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import constant
from tests.frontend.networks import build, check_same, node, ops, refused

RELUS = "a = Relu (x) {} y = Relu (b)"
W = np.random.default_rng(0).standard_normal((3, 2, 3, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("body", "parameters"),
    [
        ("b = Identity (a)", {}),
        ("c = Identity (a) b = Identity (c)", {}),
        ("b = Dropout (a)", {}),
        ("b = Dropout (a, ratio)", {"ratio": np.float32(0.5)}),
        ("b = Dropout (a, ratio, off)", {"ratio": np.float32(0.5), "off": np.bool_(False)}),
        ("b = Cast <to = 1> (a)", {}),
        ("b = Transpose <perm = [0, 1, 2, 3]> (a)", {}),
        ("b = Reshape (a, t)", {"t": np.int64([0, 2, 4, 4])}),
        ("b = Expand (a, t)", {"t": np.int64([1, 2, 1, 1])}),
        ("b = Pad (a, p)", {"p": np.zeros(8, np.int64)}),
        ("s = Shape (a) b = Reshape (a, s)", {}),
        ("b = CastLike (a, x)", {}),
    ],
)
def test_what_changes_nothing_vanishes(body: str, parameters: Any) -> None:
    graph = check_same(build(RELUS.format(body), parameters))
    assert ops(graph) == ["Relu", "Relu"]


def test_a_constant_cast_to_the_type_of_a_tensor() -> None:
    """The dynamo-based exporter with optimize=False writes missing biases in this form."""
    body = """z = Constant <value = double {0.5}> () o = Constant <value_ints = [1]> ()
        s = Shape (W) n = Gather (s, i) e = Expand (n, o) c = CastLike (z, x) b = Expand (c, e)
        y = Conv (x, W, b)"""
    graph = check_same(build(body, {"W": W, "i": np.int64([0])}))
    assert ops(graph) == ["Conv"]
    bias = constant(node(graph, "Conv").inputs[2])
    assert bias is not None and bias.dtype == np.float32
    np.testing.assert_array_equal(bias, [0.5] * 3)


@pytest.mark.parametrize("body", ["a = Relu (x) y = Identity (a)", "a = Relu (x) y = Dropout (a)"])
def test_the_output_keeps_its_name(body: str) -> None:
    graph = check_same(build(body))
    assert ops(graph) == ["Relu"]
    assert graph.graph.outputs[0].name == "y"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("[op] b = Cast <to = 11> (a) c = Cast <to = 1> (b) y = Relu (c)", "unsupported operator"),
        ("[op] b = Dropout (a, r, on) y = Relu (b)", "model.eval()"),
        ("[op] b, m = Dropout (a) c = Cast <to = 1> (m) y = Add (b, c)", "its mask is read"),
    ],
)
def test_what_changes_something_is_refused(body: str, words: str) -> None:
    parameters = {"r": np.float32(0.5), "on": np.bool_(True)}
    problems = refused(build(f"a = Relu (x) {body}", parameters), words)
    assert "op" in {problem.node for problem in problems}


def test_constant_arithmetic_is_float32_as_written() -> None:
    """(0.1 + 0.2) + 0.3 in float32, not in float64 and not reassociated."""
    body = "[s] s = Add (p, q) [t] t = Add (s, r) y = Mul (x, t)"
    p, q, r = np.float32(0.1), np.float32(0.2), np.float32(0.3)
    graph = check_same(build(body, {"p": p, "q": q, "r": r}))
    assert constant(node(graph, "Mul").inputs[1]) == (p + q) + r
    assert ops(graph) == ["Mul"]


def test_constant_nodes_become_parameters() -> None:
    body = "c = Constant <value_floats = [0.5]> () [mul] y = Mul (x, c)"
    graph = check_same(build(body))
    assert ops(graph) == ["Mul"]
    assert all(v.producer() is None for v in node(graph, "Mul").inputs[1:] if v is not None)


def test_a_folded_constant_is_shared() -> None:
    body = "c = Mul (W, h) a = Conv (x, c) b = Conv (x, c) y = Add (a, b)"
    graph = check_same(build(body, {"W": W, "h": np.float32(0.5)}))
    first, second = (n for n in graph.graph if n.op_type == "Conv")
    assert first.inputs[1] is second.inputs[1]
    assert len(graph.graph.initializers) == 1


def test_unused_parameters_are_dropped() -> None:
    graph = load_graph(build("y = Relu (x)", {"left_over": W}))
    assert not graph.graph.initializers


def test_random_numbers_are_not_constants() -> None:
    body = "[random] r = RandomNormal <shape = [1, 2, 1, 1]> () y = Add (x, r)"
    assert "random" in {p.node for p in refused(build(body))}


def test_batch_norm_is_not_fused() -> None:
    body = "a = Conv (x, W) y = BatchNormalization (a, g, b, m, v)"
    parameters = {"W": W, "g": [1.0, 2, 3], "b": [1.0, 2, 3], "m": [1.0, 2, 3], "v": [1.0, 2, 3]}
    graph = check_same(build(body, parameters))
    np.testing.assert_array_equal(constant(node(graph, "Conv").inputs[1]), W)
    assert ops(graph) == ["Conv", "BatchNormalization"]


def test_an_output_that_does_not_read_the_input() -> None:
    refused(build("y = PRelu (s, s)", {"s": [0.3]}), "does not read the input")
