"""Bounds on float64's own rounding: where it overflows they are infinite, without a warning."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from n2uqc.passes.checks.float_error import Reach, float_error
from n2uqc.passes.program import Interface, Program
from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.ops.real import Affine, RealMultiply
from n2uqc.passes.program.types import RealType

FAR = 1e200
REAL = RealType((1, 1, 1))
PROGRAM = Program("p", Interface.single("x", (1,), "y", (1,)), ("x",), ("y",), {"x": REAL}, (), {})
ONE, LARGE = (Surd.of(1),), (Surd.of(FAR),)


@pytest.mark.parametrize(
    "op",
    [
        Affine(output="y", inputs=("x",), slope=LARGE, offset=ONE),
        RealMultiply(output="y", inputs=("x", "x")),
    ],
)
def test_overflow_is_no_warning(op: Affine | RealMultiply) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for error in (FAR, 0.0):
            reach = Reach(np.array([FAR]), np.array([error]))
            assert float_error(op, PROGRAM, [reach] * len(op.inputs)) == np.inf
