"""Constants that ask for more than their file brings along."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from n2uqc.frontend import arithmetic
from n2uqc.frontend.constants import GraphConstants
from tests.frontend.networks import build, check_same, refused

HUGE = {
    "ConstantOfShape": ("c = ConstantOfShape (s)", {"s": np.int64([1, 2, 2**20, 2**20])}),
    "computed shape": (
        "s = Concat <axis = 0> (a, b) c = ConstantOfShape (s)",
        {"a": np.int64([1, 2]), "b": np.int64([2**20, 2**20])},
    ),
    "Expand": ("c = Expand (one, s)", {"one": [1], "s": np.int64([1, 2, 2**20, 2**20])}),
    "Tile": ("c = Tile (one, s)", {"one": [[[[1]]]], "s": np.int64([1, 2, 2**20, 2**20])}),
    "Range": ("c = Range (a, b, d)", {"a": 0.0, "b": 1e12, "d": 1.0}),
    "Range of integers": (
        "c = Range (a, b, d)",
        {"a": np.int64(0), "b": np.int64(2**62), "d": np.int64(1)},
    ),
    "Pad": (
        "c = Pad (one, s)",
        {"one": [[[[1]]]], "s": np.int64([0, 0, 0, 0, 0, 0, 2**20, 2**20])},
    ),
    "outer product": ("c = MatMul (a, b)", {"a": np.ones((2**14, 1)), "b": np.ones((1, 2**14))}),
    "broadcast": ("c = Add (a, b)", {"a": np.ones((2**14, 1)), "b": np.ones((1, 2**14))}),
    "Gather": ("c = Gather (a, i)", {"a": np.ones((2, 4096)), "i": np.zeros(4096, np.int64)}),
    "OneHot": (
        "c = OneHot (i, n, v)",
        {"i": np.zeros(4096, np.int64), "n": np.int64(2**40), "v": [0, 1]},
    ),
}


@pytest.mark.parametrize("case", HUGE)
def test_constants_that_explode(case: str) -> None:
    """Refused before the memory is asked for."""
    body, parameters = HUGE[case]
    model = build(f"{body} m = ReduceMax <keepdims = 0> (c) y = Mul (x, m)", parameters)
    tracemalloc.start()
    refused(model, "elements")
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


def test_many_constants_that_explode_together() -> None:
    """Each is as large as one may be, and there are a thousand of them."""
    lines = [f"c{k} = Add (c{k - 1}, c{k - 1})" for k in range(1, 1000)]
    body = f"c0 = ConstantOfShape (s) {' '.join(lines)} m = ReduceMax <keepdims = 0> (c999)"
    model = build(f"{body} y = Mul (x, m)", {"s": np.int64([2**21, 2])})
    refused(model, "more arithmetic on constants")


def test_what_a_file_may_ask_for_grows_with_its_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arithmetic, "_LARGEST", 10)
    body = "c = Add (a, b) m = ReduceMax <keepdims = 0> (c) y = Mul (x, m)"
    check_same(build(body, {"a": np.ones((10, 1)), "b": np.ones((1, 10))}))
    refused(build(body, {"a": np.ones((1000, 1)), "b": np.ones((1, 1000))}), "1000000 elements")


def test_operators_without_a_known_extent_are_no_constants() -> None:
    import onnx_ir as ir

    model = ir.from_proto(build("c = Det (a) y = Mul (x, c)", {"a": np.eye(3)}))
    assert not GraphConstants(model, None).known(model.graph[0].outputs[0])


@pytest.mark.parametrize("op", sorted(arithmetic.FOLDED & {"Abs", "Erf", "Exp", "Round", "Sign"}))
def test_one_evaluator_serves_all_nodes_of_a_kind(op: str) -> None:
    check_same(
        build(f"a = {op} (p) b = {op} (q) c = Add (a, b) y = Mul (x, c)", {"p": 0.3, "q": 1.6})
    )
