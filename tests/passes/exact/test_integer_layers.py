"""Movements and joins of codes are operations on the codes, where their order is that of values."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from n2uqc.passes import Options
from n2uqc.passes.exact.integer_layers import integer_layers
from n2uqc.passes.program import IntType, Program
from n2uqc.passes.program.ops.real import RealConcat

from .test_code_forms import CONSTS, affine, moved, program

X = np.random.default_rng(0).integers(0, 8, (20, 2, 2, 3))


def falling(made: Program) -> Program:
    x = replace(made.types["x"], scale=Fraction(-1, 4))
    return replace(made, types={**made.types, "x": x})


@pytest.mark.parametrize(
    ("last", "kind"),
    [("pool", "maxpool"), ("flat", "flatten"), ("rearranged", "rearrange"), ("padded", "rearrange"),
     ("joined", "concat")],
)  # fmt: skip
@pytest.mark.parametrize("sign", [1, -1])
def test_codes_are_moved(last: str, kind: str, sign: int) -> None:
    before = program(3, *moved(last, "x"))
    before = before if sign > 0 else falling(before)
    after = integer_layers(before, Options())
    (op,) = after.ops
    if last == "pool" and sign < 0:  # the greatest value is that of the least code
        assert op.real and op.mnemonic == "real_maxpool"
        return
    assert not op.real and op.mnemonic == kind
    made = after.types["y"]
    assert isinstance(made, IntType) and made.scale == Fraction(sign, 4)
    (real,) = before.ops
    scale = sign / 4
    want = real.execute([X * scale] * len(real.inputs), CONSTS)
    got = op.execute([X] * len(op.inputs), after.constants)
    np.testing.assert_array_equal(got * scale, want)


def test_what_stays_real() -> None:
    flat = integer_layers(program(3, *moved("ONNX", "x")), Options())
    assert [op.mnemonic for op in flat.ops] == ["real_flatten"]
    values = integer_layers(
        program(3, affine("a", "x", 3, 1, 2, 3), RealConcat(output="y", inputs=("x", "a"))),
        Options(),
    )
    assert [op.mnemonic for op in values.ops] == ["affine", "real_concat"]
