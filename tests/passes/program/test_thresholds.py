"""Comparison tables: a code is counted, its range is that of the codes that values reach."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2uqc.passes.program import Constant, ConstRef, IllegalOp, IntType, Thresholds

LO, HI = -6, 5
X = IntType((1, 1, 1), 4, True, LO, HI)
OP = Thresholds(
    output="y", inputs=("x",), bounds=ConstRef("b"), signs=ConstRef("s"), base=ConstRef("z"), bits=3
)


def table(bounds: list[int], signs: list[int], base: int) -> dict[str, Constant]:
    rows = {"b": [bounds], "s": [signs], "z": [base]}
    return {name: Constant.narrow(np.array(row, np.int64)) for name, row in rows.items()}


@given(
    st.lists(st.tuples(st.integers(-9, 9), st.sampled_from([-1, 1])), min_size=1, max_size=7),
    st.integers(0, 7),
)
def test_codes_and_their_range(steps: list[tuple[int, int]], base: int) -> None:
    bounds, signs = sorted(b for b, _ in steps), [s for _, s in steps]
    consts = table(bounds, signs, base)
    values = range(LO, HI + 1)
    pairs = list(zip(bounds, signs, strict=True))
    want = [base + sum(s for b, s in pairs if v > b) for v in values]
    x = np.array(values).reshape(-1, 1, 1, 1)
    assert OP.execute([x], consts).ravel().tolist() == want
    least, greatest = OP.reached(X, consts)
    assert (least.tolist(), greatest.tolist()) == ([min(want)], [max(want)])
    if 0 <= min(want) and max(want) <= 7:
        kind = OP.infer({"x": X}, consts)
        assert (kind.bits, kind.signed, kind.lo, kind.hi) == (3, False, 0, 7)
    else:
        with pytest.raises(IllegalOp, match="leave 0..7"):
            OP.infer({"x": X}, consts)


@pytest.mark.parametrize("signs", [[2, -1], [1, 0], [-2, 2], [3, 1]])
def test_steps_are_one_up_or_down(signs: list[int]) -> None:
    """Also where all codes would fit."""
    with pytest.raises(IllegalOp, match="signs other"):
        OP.infer({"x": X}, table([0, 2], signs, 2))


def test_bounds_ascend() -> None:
    OP.infer({"x": X}, table([2, 2], [1, 1], 0))
    with pytest.raises(IllegalOp, match="out of order"):
        OP.infer({"x": X}, table([2, 1], [1, 1], 0))
