"""Slopes of PReLU in 32 bits: the steepest that fit, and the first that do not."""

from __future__ import annotations

from fractions import Fraction

import pytest

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.passes import Options
from n2uqc.passes.fixed_point.elementwise import fixed_point
from n2uqc.passes.program import Interface, PRelu, Program
from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.ops.real import RealPRelu
from n2uqc.passes.program.types import IntType, RealType


def bent(slope: Fraction) -> Program:
    op = RealPRelu(output="y", inputs=("x",), origin=("n",), slope=(Surd.of(slope),))
    types = {
        "x": IntType.ranged((1, 1, 1), -4, 4, Fraction(1, 2**34)), "y": RealType((1, 1, 1))
    }  # fmt: skip
    face = Interface.single("x", (1, 1, 1), "y", (1, 1, 1))
    return Program("bent", face, ("x",), ("y",), types, (op,), {})


@pytest.mark.parametrize(
    ("slope", "shift"),
    [
        (Fraction(1, 3), 30),
        (Fraction(-1, 3), 30),
        (Fraction(1), 29),
        (Fraction(3), 28),
        (Fraction(3 * 2**28), 0),
        (Fraction(-3 * 2**28), 0),
    ],
)
def test_slopes_that_fit(slope: Fraction, shift: int) -> None:
    made = fixed_point(bent(slope), Options())
    (op,) = (op for op in made.ops if isinstance(op, PRelu))
    assert op.shift == shift
    (multiplier,) = made.constants[op.multiplier].values.tolist()
    assert abs(Fraction(multiplier, 2**shift) - slope) <= Fraction(1, 2 ** (shift + 1))


def test_a_slope_that_is_too_steep() -> None:
    with pytest.raises(CompileError, match="too large for integers"):
        fixed_point(bent(Fraction(3 * 2**29)), Options())
