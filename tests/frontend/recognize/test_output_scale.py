"""scale2 becomes part of the step, exactly; what is not exact or shared stays a Mul."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import read_threshold
from tests.frontend.networks import build, check_same, ladder, node, ops, rungs

PARAMETERS = rungs([-0.5, 0.1, 0.9], [0, 2 / 3, 4 / 3, 2.0])


@settings(max_examples=30, deadline=None)
@given(st.floats(-8, 8, width=32))
def test_step_is_twice_scale2(scale: float) -> None:
    graph = load_graph(build(ladder(3) + "y = Mul (f, s)", PARAMETERS | {"s": np.float32([scale])}))
    assert ops(graph) == ["Threshold"]
    assert read_threshold(node(graph, "Threshold")).step == 2 * scale


@pytest.mark.parametrize("product", ["y = Mul (f, s)", "y = Mul (s, f)"])
def test_named_after_the_product(product: str) -> None:
    graph = check_same(build(ladder(3) + "[scale] " + product, PARAMETERS | {"s": np.float32(3)}))
    assert node(graph, "Threshold").name == "scale"
    assert node(graph, "Threshold").outputs[0].name == "y"


def test_shared_quantizer_keeps_its_step() -> None:
    body = ladder(3) + "m = Mul (f, s) y = Add (m, f)"
    graph = check_same(build(body, PARAMETERS | {"s": np.float32(0.3)}))
    assert ops(graph) == ["Threshold", "Threshold", "Add"]  # both are step functions of the input
    steps = [read_threshold(n).step for n in graph.graph if n.op_type == "Threshold"]
    assert steps == [2, float(np.float32(0.3)) * 2]


def test_channel_scale_stays() -> None:
    body = ladder(3) + "y = Mul (f, s)"
    graph = check_same(build(body, PARAMETERS | {"s": np.float32([[[0.5]], [[2]]])}))
    assert ops(graph) == ["Threshold", "Mul"]


def test_inexact_product_stays() -> None:
    """Three float32 factors need 72 bits of mantissa, float64 has 53."""
    body = ladder(3) + "m = Mul (f, a) k = Mul (m, b) y = Mul (k, c)"
    odd = {name: np.float32(1 + 2**-23 * k) for name, k in (("a", 1), ("b", 3), ("c", 5))}
    graph = check_same(build(body, PARAMETERS | odd))
    assert ops(graph) == ["Threshold", "Mul"]
