"""Channels of different magnitude become alike, by powers of 2, where only layers read them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from n2uqc.passes.fixed_point.equalize import equalized
from n2uqc.passes.program import Constant, ConstRef, Interface, Program, RealType
from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.interpreter import steps
from n2uqc.passes.program.ops.real import Affine, Interval, Quantize, RealClip, RealConv

SIZES = [Fraction(1, 128), Fraction(3, 4), Fraction(0), Fraction(1000)]
"""Of the channels; one is always 0."""


def row(*values: Fraction | int) -> tuple[Surd, ...]:
    return tuple(Surd.of(Fraction(v)) for v in values)


def program(hi: int | None = None, sizes: list[Fraction] = SIZES) -> Program:
    """A map of each channel to its size, a clip, and a convolution of one group."""
    n = len(sizes)
    weight = np.linspace(-1.0, 2.0, 2 * n).reshape(2, 1, 1, n)
    ops = (
        Affine(output="a", inputs=("x",), slope=row(*sizes), offset=row(*(s / 2 for s in sizes))),
        RealClip(output="b", inputs=("a",), lo=Surd.of(0), hi=None if hi is None else Surd.of(hi)),
        RealConv(output="y", inputs=("b",), weight=ConstRef("w")),
    )
    types = {name: RealType((1, 1, n)) for name in "xab"} | {"y": RealType((1, 1, 2))}
    face = Interface.single("x", (n, 1, 1), "y", (2, 1, 1))
    return Program("p", face, ("x",), ("y",), types, ops, {"w": Constant.real(weight)})


def ranges(made: Program) -> dict[str, Interval]:
    """Ranges of inputs in -1..1."""
    most = np.array([float(s) for s in SIZES])
    one = np.ones(len(SIZES))
    return {
        "x": Interval(-one, one),
        "a": Interval(-most / 2, 1.5 * most),
        "b": Interval(0 * most, 1.5 * most),
        "y": Interval(-2000 * one[:2], 3000 * one[:2]),
    }


def values(made: Program) -> dict[str, np.ndarray]:
    x = np.linspace(-1.0, 1.0, 5 * len(SIZES)).reshape(5, 1, 1, -1)
    return dict(steps(made, x))


def test_the_same_network_with_channels_alike() -> None:
    made = program()
    after = equalized(made, ranges(made))
    before, now = values(made), values(after)
    np.testing.assert_array_equal(now["y"], before["y"])
    assert [op.mnemonic for op in after.ops] == [op.mnemonic for op in made.ops]
    for name in "ab":
        (sized,) = (n for n in now if n.startswith(f"{name}.sized"))
        factor = np.array([2.0**17, 2.0**10, 1.0, 1.0])
        np.testing.assert_array_equal(now[sized], before[name] * factor)
        most = np.abs(now[sized]).max(axis=(0, 1, 2))
        assert most[most > 0].max() < 4 * most[most > 0].min()


@pytest.mark.parametrize("kept", ["a clip at 6", "a quantizer reads it", "an output", "alike"])
def test_what_stays(kept: str) -> None:
    """Nothing changes where a factor does not pass, codes are compared, or the caller reads."""
    made = program(6 if kept == "a clip at 6" else None)
    if kept == "a quantizer reads it":
        q = Quantize(
            output="q", inputs=("b",), thresholds=(row(1),), input_scale=Surd.of(1),
            strict=True, step=Surd.of(1), bits=1,
        )  # fmt: skip
        made = replace(made, ops=(*made.ops, q), types={**made.types, "q": q.infer(made.types, {})})
    if kept == "an output":
        made = replace(made, outputs=("y", "b"))
    known = ranges(made)
    if kept == "alike":
        known |= {n: Interval(0 * r.lo, np.array([1.0, 3.9, 0.0, 2.0]))
                  for n, r in known.items() if n in "ab"}  # fmt: skip
    assert equalized(made, known) is made


def test_a_factor_of_eight_is_worth_it() -> None:
    made = program()
    known = ranges(made)
    known |= {n: Interval(0 * known[n].lo, np.array([1.0, 8.0, 0.0, 8.0])) for n in "ab"}
    np.testing.assert_array_equal(values(equalized(made, known))["y"], values(made)["y"])
    assert equalized(made, known) is not made
