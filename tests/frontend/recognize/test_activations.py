"""PRelu slopes and clamps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from n2uqc.frontend.opset import constant
from tests.frontend.networks import build, check_same, node, ops, refused

SLOPE = np.float32([0.25, -0.4])


@pytest.mark.parametrize(
    "slope",
    [
        SLOPE.reshape(2, 1, 1),
        SLOPE.reshape(1, 2, 1, 1),
        np.ascontiguousarray(np.broadcast_to(SLOPE.reshape(2, 1, 1), (2, 4, 4))),
        np.float32([0.3]),
        np.float32(1.3),
    ],
)
def test_prelu_has_one_slope_a_channel(slope: Any) -> None:
    graph = check_same(build("y = PRelu (x, slope)", {"slope": slope}))
    array = constant(node(graph, "PRelu").inputs[1])
    assert array is not None and array.shape == (2, 1, 1)


def test_prelu_after_flatten() -> None:
    graph = check_same(build("f = Flatten (x) y = PRelu (f, slope)", {"slope": np.ones(32)}))
    array = constant(node(graph, "PRelu").inputs[1])
    assert array is not None and array.shape == (32,)


def test_prelu_refusals() -> None:
    slope = np.zeros((2, 4, 4), np.float32)
    slope[0, 0, 1] = 1
    refused(build("[p] y = PRelu (x, slope)", {"slope": slope}), "'p'", "differs between positions")
    refused(build("s = Relu (x) [p] y = PRelu (x, s)"), "'p'", "a computed slope")


@pytest.mark.parametrize("op", ["y = Relu (x)", "y = LeakyRelu <alpha = 0.1> (x)"])
def test_canonical_already(op: str) -> None:
    assert len(ops(check_same(build(op)))) == 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("y = Clip (x, zero, six)", ["Clip"]),
        ("y = Clip (x, zero)", ["Relu"]),
        ("y = Clip (x, , six)", ["Clip"]),
        ("y = Clip (x, half)", ["Clip"]),
        ("a = Clip (x) y = Relu (a)", ["Relu"]),
        ("y = Max (x, zero)", ["Relu"]),
        ("y = Max (zero, x)", ["Relu"]),
        ("y = Min (x, six)", ["Clip"]),
        ("y = Max (x, half)", ["Clip"]),
        ("a = Max (x, zero) y = Min (a, six)", ["Relu", "Clip"]),
    ],
)
def test_clamps(body: str, expected: list[str]) -> None:
    parameters = {"zero": np.float32(0), "six": np.float32(0.6), "half": np.float32(0.5)}
    graph = check_same(build(body, parameters))
    assert ops(graph) == expected
    for clip in graph.graph:
        for bound in clip.inputs[1:]:
            array = constant(bound)
            assert bound is None or (array is not None and array.shape == ())


def test_bounds_of_one_element_become_scalars() -> None:
    parameters = {"low": np.float32([-0.5]), "high": np.float32([0.5])}
    assert ops(check_same(build("m = Max (x, low) y = Min (m, high)", parameters))) == ["Clip"] * 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("a = ReduceMax <keepdims = 0> (x) [c] y = Clip (x, a)", "a computed bound"),
        ("[c] y = Clip (x, six, zero)", "bounds 6 to 0"),
        ("[c] y = Clip (x, inf)", "a lower bound of inf"),
        ("[c] y = Clip (x, nan)", "NaN"),
    ],
)
def test_refusals(body: str, words: str) -> None:
    values = {"zero": 0.0, "six": 6.0, "inf": np.inf, "nan": np.nan}
    refused(build(body, {k: np.float32(v) for k, v in values.items()}), "'c'", words)
