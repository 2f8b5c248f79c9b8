"""Codes of a negative step: what fixed point computes of them stays within its stated error."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.frontend.load import load_graph
from n2uqc.passes import Options, compile_graph
from n2uqc.passes.checks.evaluate import reference
from n2uqc.passes.checks.network import hold
from n2uqc.passes.fixed_point.elementwise import fixed_point
from n2uqc.passes.program import Interface, Op, Program
from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.interface import Port
from n2uqc.passes.program.interpreter import steps
from n2uqc.passes.program.operation import ConstRef
from n2uqc.passes.program.ops.real import (
    Affine,
    RealAdd,
    RealAvgPool,
    RealClip,
    RealConcat,
    RealConv,
    RealFunction,
    RealMaxPool,
    RealMultiply,
    RealPRelu,
)
from n2uqc.passes.program.types import Constant, IntType, RealType

from ...frontend.networks import build

SHAPE = (2, 2, 2)
WEIGHT = np.array([[0.3, -1.7], [1.1, 0.05], [-2.3, -0.9]]).reshape(3, 1, 1, 2)


def row(*values: str) -> tuple[Surd, ...]:
    return tuple(Surd.of(Fraction(v)) for v in values)


ONE: dict[str, Any] = {"output": "y", "inputs": ("a",), "origin": ("n",)}
TWO: dict[str, Any] = {**ONE, "inputs": ("a", "b")}
OPERATIONS: dict[str, Op] = {
    "affine": Affine(**ONE, slope=row("1/3", "-7/5"), offset=row("2", "1/7")),
    "convolution": RealConv(**ONE, weight=ConstRef("w")),
    "sigmoid": RealFunction(**ONE, expression="mul(x,sigmoid(x))", parameters=()),
    "exponential": RealFunction(**ONE, expression="exp(div(x,8))", parameters=()),
    "prelu": RealPRelu(**ONE, slope=row("1/7", "-1/3")),
    "clip": RealClip(**ONE, lo=Surd.of(Fraction(-1, 3)), hi=Surd.of(2)),
    "maximum": RealMaxPool(**ONE, kernel=(2, 2)),
    "mean": RealAvgPool(**ONE, kernel=(2, 2)),
    "sum": RealAdd(**TWO),
    "product": RealMultiply(**TWO),
    "joined": RealConcat(**TWO),
}
SHAPES = {"convolution": (2, 2, 3), "maximum": (1, 1, 2), "mean": (1, 1, 2), "joined": (2, 2, 4)}


def network(kind: str, ends: dict[str, tuple[int, int]], scales: dict[str, Fraction]) -> Program:
    op = OPERATIONS[kind]
    names, shape = op.inputs, SHAPES.get(kind, SHAPE)
    types = {n: IntType.ranged(SHAPE, *ends[n], scales[n]) for n in names}
    ports = tuple(Port(n, (2, 2, 2)) for n in names), (Port("y", (shape[2], *shape[:2])),)
    constants = {"w": Constant.real(WEIGHT)} if kind == "convolution" else {}
    result = {"y": RealType(shape)}
    return Program("signs", Interface(*ports), names, ("y",), types | result, (op,), constants)


SCALES = st.builds(
    lambda sign, n, d: sign * Fraction(n, d),
    st.sampled_from([-1, 1]),
    st.integers(1, 40),
    st.integers(40, 4000),
)
ENDS = st.tuples(st.integers(-20, 5), st.integers(6, 255))


@pytest.mark.parametrize("kind", OPERATIONS)
def test_within_the_stated_error(kind: str) -> None:
    @settings(max_examples=25)
    @given(
        st.fixed_dictionaries({"a": ENDS, "b": ENDS}),
        st.fixed_dictionaries({"a": SCALES, "b": SCALES}),
        st.integers(0, 99),
    )
    def check(ends: dict[str, tuple[int, int]], scales: dict[str, Fraction], seed: int) -> None:
        real = network(kind, ends, scales)
        rng = np.random.default_rng(seed)
        x = {n: rng.integers(ends[n][0], ends[n][1] + 1, (200, *SHAPE)) for n in real.inputs}
        for n in x:
            x[n][:50] = rng.choice(ends[n], (50, *SHAPE))
        made = fixed_point(real, Options())
        kept = made.int_type("y")
        assert kept.scale is not None and kept.error >= 0
        want = dict(steps(real, x))["y"]
        got = dict(steps(made, x))["y"] * float(kept.scale)
        miss = np.abs(want - got).max()
        assert miss <= float(kept.error) + 1e-12 * np.abs(want).max()

    check()


CODES = "e = Div (x, s) r = Round (e) c = Clip (r, lo, hi) d = Mul (c, k) "
BODIES = {
    "convolution": "y = MatMul (d, W)",
    "gate": "g = Sigmoid (d) p = Mul (g, d) y = MatMul (p, W)",
    "skip": "m = MatMul (d, W) t = Add (m, d) y = Relu (t)",
    "maximum": "m = MatMul (x, W) y = Max (d, m)",
    "exponential": "h = Mul (d, eighth) f = Exp (h) m = MatMul (f, W) y = Add (m, d)",
    "quantizer": """m = MatMul (d, W) a = Sub (d, m) l = LeakyRelu (a)
        i = Clip (l, lo, hi) f = Round (i) y = Mul (f, k)""",
}


@pytest.mark.parametrize("body", BODIES)
@given(k=st.sampled_from([-0.25, -3.0, -0.07, 0.3]), seed=st.integers(0, 99))
@settings(max_examples=8)
def test_a_network_of_negative_steps(body: str, k: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    numbers = {"s": 0.5, "lo": -3.0, "hi": 4.0, "k": k, "eighth": 0.125}
    values = {name: np.float32(v) for name, v in numbers.items()}
    values["W"] = rng.standard_normal((4, 4)).astype(np.float32)
    graph = load_graph(build(CODES + BODIES[body], values, x="float[N,4] x"))
    options = Options(input_range=(-4.0, 4.0))
    program = compile_graph(graph, options)
    images = rng.uniform(-4, 4, (40, 4)).astype(np.float32)
    rows = hold(reference(graph, options), program, images).rows
    assert all(row.values > 0 and row.wrong == 0 and row.bound >= 0 for row in rows)
    assert rows[-1].bound < 1e-3 * rows[-1].spread
