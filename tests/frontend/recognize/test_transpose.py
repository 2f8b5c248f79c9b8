"""Channels-last islands disappear; a Transpose that has no inverse is refused."""

from __future__ import annotations

import numpy as np
import pytest

from tests.frontend.networks import build, check_same, ops

LAST, FIRST = "<perm = [0, 2, 3, 1]>", "<perm = [0, 3, 1, 2]>"
X = "float[2,3,4,5] x"


@pytest.mark.parametrize(
    "inside", ["r = Relu (t)", "r = Mul (t, k)", "a = Add (t, k) r = Relu (a)"]
)
def test_elementwise_operators_are_passed(inside: str) -> None:
    body = f"t = Transpose {LAST} (x) {inside} y = Transpose {FIRST} (r)"
    graph = check_same(build(body, {"k": 2.0}, x=X))
    assert "Transpose" not in ops(graph)


def test_two_branches_of_one_layout() -> None:
    body = f"""t = Transpose {LAST} (x) u = Transpose {LAST} (x) r = Relu (t) a = Add (r, u)
        y = Transpose {FIRST} (a)"""
    assert ops(check_same(build(body, x=X))) == ["Relu", "Add"]


def test_transposes_join() -> None:
    """Three turns of the same kind are none."""
    turns = " ".join(f"{b} = Transpose {LAST} ({a})" for a, b in ("xt", "tu", "uv"))
    graph = check_same(build(f"{turns} y = Relu (v)", x="float[2,4,4,4] x"))
    assert ops(graph) == ["Relu"]


def test_kept_for_other_readers() -> None:
    body = f"t = Transpose {LAST} (x) r = Relu (t) u = Transpose {FIRST} (r) y = Add (u, x)"
    assert ops(check_same(build(body, x=X))) == ["Relu", "Add"]


def test_without_inverse_elements_move() -> None:
    body = f"r = Relu (x) t = Transpose {LAST} (r) y = MaxPool <kernel_shape = [1, 1]> (t)"
    assert ops(check_same(build(body, x=X))) == ["Relu", "Rearrange", "MaxPool"]


def test_channel_constant_is_turned() -> None:
    body = f"[t] t = Transpose {LAST} (x) a = Add (t, k) y = Transpose {FIRST} (a)"
    assert ops(check_same(build(body, {"k": np.arange(3.0)}, x=X))) == ["Add"]
