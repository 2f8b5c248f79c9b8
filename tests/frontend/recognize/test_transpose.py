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


PARTS = {
    "rounded": ("d = Div (t, s) c = Clip (d, zero, top) r = Round (c) y = Mul (r, s)", "Threshold"),
    "gelu": (
        "d = Div (t, s) e = Erf (d) a = Add (e, k) m = Mul (t, a) y = Mul (m, half)", "Function",
    ),
    "softplus": (
        "e = Exp (t) a = Add (e, k) l = Log (a) g = Greater (t, top) y = Where (g, t, l)",
        "Function",
    ),
    "silu": ("g = Sigmoid (t) y = Mul (t, g)", "Function"),
    "sum of comparisons": (
        "a = Greater (t, half) b = Cast <to = 1> (a) c = GreaterOrEqual (t, k) "
        "d = Cast <to = 1> (c) e = Add (b, d) y = Mul (e, s)",
        "Threshold",
    ),
    "ladder": (
        "a = Greater (t, half) b = Where (a, s, zero) c = Greater (t, k) y = Where (c, top, b)",
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("around", ["tokens", "map"])
@pytest.mark.parametrize("part", PARTS)
def test_no_transpose_comes_between_the_parts_of_one(part: str, around: str) -> None:
    inside, becomes = PARTS[part]
    inside = inside.replace("y = ", "q = ")
    numbers = {"s": 1.4142135, "k": 1.0, "half": 0.5, "zero": 0.0, "top": 3.0}
    parameters = {name: np.float32(v) for name, v in numbers.items()}
    if around == "tokens":
        parameters["w"] = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
        parameters["u"] = np.array([0, 3, -1])
        before = "v = Reshape (x, u) t = Transpose <perm = [0, 2, 1]> (v) "
        after = " p = MatMul (q, w) y = Transpose <perm = [0, 2, 1]> (p)"
    else:
        parameters["w"] = np.random.default_rng(0).normal(size=(2, 3, 1, 1)).astype(np.float32)
        before = f"v = Relu (x) t = Transpose {LAST} (v) "
        after = f" p = Transpose {FIRST} (q) y = Conv (p, w)"
    found = ops(check_same(build(before + inside + after, parameters, x=X)))
    assert not {"Exp", "Erf", "Round", "Greater", "Transpose"} & {*found}
    assert becomes is None or found.count(becomes) == 1
