"""Tables of even steps become a multiplication, where that costs less than the comparisons."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from n2uqc.passes.exact.affine_tables import affine_tables, fit
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


@given(
    st.integers(1, 2**58), st.integers(-(2**60), 2**60), st.integers(0, 2**55), st.integers(3, 15)
)
def test_products_of_wide_values_stay_within_64_bits(
    apart: int, first: int, beyond: int, steps: int
) -> None:
    """A value may reach far beyond the last bound, as a square does beyond a clip."""
    bounds = [first + k * apart for k in range(steps)]
    low, high = bounds[0] - beyond, bounds[-1] + 1 + beyond * 64
    found = fit(bounds, low, high)
    if found is None:
        return
    multiplier, bias, shift = found
    for value in (low, high, *(b + d for b in bounds for d in (0, 1))):
        moved = value * multiplier + bias + (1 << shift >> 1)
        assert -(2**63) <= moved < 2**63
        code = min(max(moved >> shift, 0), steps)
        assert code == sum(value > b for b in bounds)
