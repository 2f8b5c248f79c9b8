"""Bounds of functions over intervals: they hold every value, and end where values end."""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.frontend.expression import parse
from n2uqc.frontend.load import load_graph
from n2uqc.passes import compile_graph
from n2uqc.passes.program.ops.real.enclosure import Enclosure, EnclosureArithmetic
from tests.frontend.networks import build


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [("abs(x)", 0.0, 3.0), ("pow(x,2)", 0.0, 9.0), ("sqrt(abs(x))", 0.0, 3**0.5)],
)
def test_ends_around_zero(text: str, least: float, most: float) -> None:
    x = Enclosure(np.array([-3.0]), np.array([2.0]))
    found = parse(text).evaluate(EnclosureArithmetic(slopes=False), x, [])
    np.testing.assert_allclose([found.lo[0], found.hi[0]], [least, most], atol=1e-12)


@pytest.mark.parametrize("function", ["y = Sqrt (b)", "y = Log (b)", "y = Reciprocal (b)"])
def test_functions_that_a_distance_keeps_defined(function: str) -> None:
    """`sqrt(|x - m| + c)`, with another m for each channel, has a range for any x."""
    body = f"d = Sub (x, m) a = Abs (d) b = Add (a, c) {function}"
    parameters = {"m": np.array([0.3, 0.5], np.float32).reshape(2, 1, 1), "c": np.float32(0.05)}
    compile_graph(load_graph(build(body, parameters)))
