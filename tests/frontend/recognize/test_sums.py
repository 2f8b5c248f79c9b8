"""Sums, norms and minima over axes, held against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from ..networks import build, check_same, ops

KINDS = ("ReduceSum", "ReduceSumSquare", "ReduceL1", "ReduceL2", "ReduceMin")


@pytest.mark.parametrize("axes", [(1,), (2, 3), (3,), (1, 2, 3)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_as_the_operator(kind: str, axes: tuple[int, ...]) -> None:
    """A layer follows: behind the last one the host computes norms."""
    stated = ("r = ReduceSum (x, axes)" if kind == "ReduceSum"
              else f"r = {kind} <axes = {list(axes)}> (x)")  # fmt: skip
    numbers = {"v": np.random.default_rng(0).normal(size=(3, 2, 1, 1))}
    if kind == "ReduceSum":
        numbers["axes"] = np.array(axes)
    graph = check_same(build(f"{stated} m = Mul (x, r) y = Conv (m, v)", numbers), 1e-4)
    assert kind not in ops(graph) and "Conv" in ops(graph)
