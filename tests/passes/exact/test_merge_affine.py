"""Chains of affine maps become one; the bias behind a sum joins the map before it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from n2uqc.passes.exact.merge_affine import hoist_bias, merge_affine
from n2uqc.passes.program import Interface, Op, Program, RealType
from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.interpreter import steps
from n2uqc.passes.program.ops.real import Affine, RealAdd, RealClip


def row(*values: Fraction | int) -> tuple[Surd, ...]:
    return tuple(Surd.of(Fraction(v)) for v in values)


def affine(output: str, x: str, slope: tuple[int, int], offset: tuple[int, int]) -> Affine:
    return Affine(
        output=output, inputs=(x,), origin=(f"n_{output}",), slope=row(*slope), offset=row(*offset)
    )


def program(*ops: Op, outputs: tuple[str, ...] = ("y",)) -> Program:
    types = {name: RealType((1, 1, 2)) for name in ("x", *(op.output for op in ops))}
    face = Interface.single("x", (2, 1, 1), "y", (2, 1, 1))
    return Program("p", face, ("x",), outputs, types, tuple(ops), {})


def kinds(made: Program) -> list[str]:
    return [op.mnemonic for op in made.ops]


def check_same(before: Program, after: Program) -> None:
    x = np.arange(-6.0, 6.0).reshape(6, 1, 1, 2)
    want, got = dict(steps(before, x)), dict(steps(after, x))
    for name in before.outputs:
        np.testing.assert_array_equal(got[name], want[name])


def test_three_maps_are_one() -> None:
    before = program(
        affine("a", "x", (2, -3), (1, 5)),
        affine("b", "a", (-1, 4), (7, 0)),
        affine("y", "b", (3, 2), (-2, 9)),
    )
    after = merge_affine(before)
    (op,) = after.ops
    assert isinstance(op, Affine)
    assert (op.slope, op.offset) == (row(-6, -24), row(16, 49))
    assert op.origin == ("n_a", "n_b", "n_y")
    check_same(before, after)


def test_a_map_that_others_read_stays() -> None:
    before = program(
        affine("a", "x", (2, -3), (1, 5)),
        affine("b", "a", (-1, 4), (7, 0)),
        RealAdd(output="y", inputs=("a", "b")),
    )
    after = merge_affine(before)
    assert kinds(after) == ["affine", "affine", "real_add"]
    check_same(before, after)


def test_long_numbers_cut_the_chain() -> None:
    """Each slope has 3001 bits more than the one before: the third would have more than 8192."""
    long = 2**3000 + 1
    before = program(
        *(affine(f"a{k}", f"a{k - 1}" if k else "x", (long, 1), (0, 0)) for k in range(5)),
        affine("y", "a4", (1, 1), (0, 0)),
    )
    assert kinds(merge_affine(before)) == ["affine"] * 3


SKIP = RealClip(output="v", inputs=("x",), lo=Surd.of(0), hi=None)
SUM = RealAdd(output="s", inputs=("u", "v"))


@pytest.mark.parametrize("order", [("u", "v"), ("v", "u")])
def test_a_bias_behind_a_sum_moves(order: tuple[str, str]) -> None:
    before = program(
        affine("u", "x", (2, 3), (1, 5)),
        SKIP,
        RealAdd(output="s", inputs=order),
        affine("y", "s", (1, 1), (10, -20)),
    )
    after = hoist_bias(before)
    assert sorted(kinds(after)) == ["affine", "real_add", "real_clip"]
    (op,) = (op for op in after.ops if isinstance(op, Affine))
    assert op.output not in before.types  # another value has another name
    assert (op.slope, op.offset) == (row(2, 3), row(11, -15))
    assert op.origin == ("n_u", "n_y")
    check_same(before, after)


@pytest.mark.parametrize(
    "ops",
    [
        (affine("u", "x", (2, 3), (1, 5)), SKIP, SUM, affine("y", "s", (1, 2), (10, -20))),
        (
            affine("u", "x", (2, 3), (1, 5)),
            SKIP,
            SUM,
            affine("t", "s", (1, 1), (10, -20)),
            RealAdd(output="y", inputs=("s", "t")),
        ),
        (
            affine("u", "x", (2, 3), (1, 5)),
            SKIP,
            SUM,
            affine("t", "s", (1, 1), (10, -20)),
            RealAdd(output="y", inputs=("u", "t")),
        ),
        (RealClip(output="u", inputs=("x",), lo=None, hi=Surd.of(1)), SKIP, SUM,
         affine("y", "s", (1, 1), (10, -20))),
    ],
    ids=["a factor", "another reader of the sum", "another reader of the map", "no map before it"],
)  # fmt: skip
def test_where_a_bias_stays(ops: tuple[Op, ...]) -> None:
    before = program(*ops)
    after = hoist_bias(before)
    assert kinds(after) == kinds(before)
    check_same(before, after)
