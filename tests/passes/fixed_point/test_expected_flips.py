"""How many codes rounding is expected to flip, counted by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from n2uqc.passes.fixed_point.expected_flips import FLIPS, comparison_density, wanted_fraction_bits
from n2uqc.passes.program import Interface, IntType, Program, RealType
from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.ops.real import Affine, Quantize, RealFunction, RealPRelu

SHAPE = (2, 3, 2)


def _row(*values: Fraction | int) -> tuple[Surd, ...]:
    return tuple(Surd.of(Fraction(v)) for v in values)


def program(thresholds: tuple[tuple[Surd, ...], ...]) -> Program:
    """A quantizer behind a slope of -2 or 1/2, a PReLU of 4 or 1/4, and an input scale of 3."""
    ops = (
        Affine(output="a", inputs=("x",), slope=_row(-2, Fraction(1, 2)), offset=_row(0, 0)),
        RealPRelu(output="b", inputs=("a",), slope=_row(4, Fraction(1, 4))),
        Quantize(
            output="q",
            inputs=("b",),
            thresholds=thresholds,
            input_scale=Surd.of(3),
            strict=True,
            step=Surd.of(1),
            bits=2,
        ),
    )
    types = {name: RealType(SHAPE) for name in ("x", "a", "b")}
    types["q"] = IntType(SHAPE, 2, False, 0, 3, Fraction(1))
    return Program(
        "p", Interface.single("x", (2, 2, 3), "q", (2, 2, 3)), ("x",), ("q",), types, ops, {}
    )


def test_thresholds_by_the_span_and_the_steepest_way() -> None:
    made = program((_row(1, 2, 5),))
    # 3 thresholds span 4: half a threshold a unit. Slopes 2 * 4 * 3 and 1/2 * 1 * 3 (a PReLU's
    # positive side has slope 1), 6 positions each.
    assert comparison_density(made, {"x"}) == pytest.approx(6 * 0.5 * (24 + 1.5))
    assert comparison_density(made, {"b"}) == pytest.approx(6 * 0.5 * (3 + 3))
    exact = replace(made, types={**made.types, "x": IntType(SHAPE, 4, True, -8, 7, Fraction(1))})
    assert comparison_density(exact, set()) == 0  # an accumulator is not rounded


def test_rows_of_channels_and_single_thresholds() -> None:
    made = program((_row(0, 1, 2), _row(0, 1, 8)))
    assert comparison_density(made, {"b"}) == pytest.approx(6 * 3 * (2 / 2 + 2 / 8))
    assert comparison_density(program((_row(7),)), {"b"}) == pytest.approx(6 * 3 * 2)


def test_fraction_bits_keep_the_flips_below_the_limit() -> None:
    for density in (1.0, 100.0, 2.0**20 + 1):
        bits = wanted_fraction_bits(density)
        assert density * 2.0**-bits <= FLIPS < density * 2.0 ** -(bits - 1)


def test_a_function_counts_by_its_steepest_place() -> None:
    """A sigmoid of 4 x is as steep as 1, at 0; of a power of 0, nothing is left."""
    made = program((_row(1, 2, 5),))
    _, bend, compared = made.ops

    def density(expression: str) -> float:
        curve = RealFunction(output="b", inputs=bend.inputs, expression=expression)
        return comparison_density(replace(made, ops=(made.ops[0], curve, compared)), {"x"})

    assert density("sigmoid(mul(4,x))") == pytest.approx(6 * 0.5 * (6 + 1.5), rel=1e-3)
    assert density("sigmoid(mul(-8,x))") == pytest.approx(6 * 0.5 * (12 + 3), rel=1e-3)
    assert density("1") == 0
