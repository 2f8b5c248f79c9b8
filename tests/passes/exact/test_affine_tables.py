"""Tables of even steps become a multiplication, where that costs less than the comparisons."""

from __future__ import annotations

import numpy as np

from n2uqc.passes.exact.affine_tables import affine_tables
from n2uqc.passes.program import Constant, Program, Thresholds, run, verify

from ...properties.programs import Builder


def _even(bits: int, apart: int = 5) -> tuple[Builder, Program]:
    """Tables of even steps: of each channel from another place on, every other one falls."""
    b = Builder(5, 4, 3, 3, False)
    b.thresholds(b.conv("x", 4, bits=2), bits)
    table = next(op for op in b.ops if isinstance(op, Thresholds))
    n = (1 << bits) - 1
    bounds = apart * (np.arange(n) - n // 2) + np.array([[-2], [0], [1], [3]])
    signs = np.where(np.arange(4)[:, None] % 2, -1, 1) * np.ones_like(bounds)
    kind = b.types[table.inputs[0]]
    assert kind.lo < bounds.min() and bounds.max() < kind.hi
    b.consts[table.bounds] = Constant.narrow(bounds)
    b.consts[table.signs] = Constant.odd(signs, 1)
    b.consts[table.base] = Constant.narrow(np.where(signs[:, 0] > 0, 0, n))
    return b, b.finish(table.output)


def test_rising_and_falling_tables_of_even_steps() -> None:
    b, program = _even(3, 3)
    changed = affine_tables(program)
    verify(changed)
    assert [op.mnemonic for op in changed.ops] == ["conv", "requantize"]
    x = b.input(50)
    want = run(program, x)
    assert len(np.unique(want)) > 4
    np.testing.assert_array_equal(run(changed, x), want)


def test_tables_of_two_bits_remain_comparisons() -> None:
    """Three comparisons cost less than a multiplication."""
    _, program = _even(2)
    assert affine_tables(program) is program
