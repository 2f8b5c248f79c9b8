"""Greatest values, sums and means of windows, against a loop over positions."""

from __future__ import annotations

from itertools import product
from math import lcm

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.passes.program import IllegalOp, IntType, MaxPool, SumPool
from n2uqc.passes.program.ops.pool import _Pool

SIZE = (4, 5)
NAMES = {"output": "y", "inputs": ("x",)}
LOW, HIGH = np.array([-3, 2]), np.array([5, 4])
X = IntType.of_rows((*SIZE, 2), LOW, HIGH)


def lines(op: _Pool, axis: int) -> list[range]:
    """The positions of each window along an axis, outside the map also."""
    end = SIZE[axis] + op.pads[axis + 2] - op.kernel[axis] + 1
    return [
        range(at, at + op.kernel[axis]) for at in range(-op.pads[axis], end, op.stride[axis])
    ]  # fmt: skip


@st.composite
def windows(draw: st.DrawFn) -> dict[str, tuple[int, ...]]:
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    pads = tuple(draw(st.integers(0, k - 1)) for k in kernel * 2)
    return {"kernel": kernel, "stride": stride, "pads": pads}


@settings(max_examples=60, deadline=None)
@given(windows())
def test_greatest(window) -> None:
    op = MaxPool(**window, **NAMES)
    kind = op.infer_integer({"x": X}, {})
    rows, columns = lines(op, 0), lines(op, 1)
    assert kind.shape == (len(rows), len(columns), 2)
    assert [r.tolist() for r in kind.channel_rows] == [[-3, 2], [5, 4]]
    x = np.random.default_rng(0).integers(-100, 100, (2, *SIZE, 2))
    got = op.execute([x], {})
    for (i, r), (j, s) in product(enumerate(rows), enumerate(columns)):
        part = x[:, max(r[0], 0) : r[-1] + 1, max(s[0], 0) : s[-1] + 1]
        np.testing.assert_array_equal(got[:, i, j], part.max(axis=(1, 2)))


@settings(max_examples=100, deadline=None)
@given(windows(), st.data())
def test_means(window, data: st.DataObject) -> None:
    """A sum over its divisor is the mean of what counts; its range holds it, and is reached where
    not all positions count."""
    pads = window["pads"]
    counted = data.draw(st.none() | st.tuples(*(st.integers(0, p) for p in pads)))
    op = SumPool(**window, counted=counted, **NAMES)
    rows, columns = lines(op, 0), lines(op, 1)
    kind = op.infer_integer({"x": X}, {})
    assert kind.shape == (len(rows), len(columns), 2)
    assert op.steps == op.kernel[0] * op.kernel[1] - 1
    outer = pads if counted is None else counted
    x = np.random.default_rng(0).integers(-100, 100, (2, *SIZE, 2))
    got, divisor = op.execute([x], {}), op.divisor(SIZE)
    reached, counts = [], [set[int](), set[int]()]
    for (i, r), (j, s) in product(enumerate(rows), enumerate(columns)):
        part = x[:, max(r[0], 0) : r[-1] + 1, max(s[0], 0) : s[-1] + 1]
        for k, line in enumerate((r, s)):
            counts[k].add(sum(-outer[k] <= p < SIZE[k] + outer[k + 2] for p in line))
        number = sum(
            -outer[0] <= p < SIZE[0] + outer[2] and -outer[1] <= q < SIZE[1] + outer[3]
            for p, q in product(r, s)
        )
        np.testing.assert_array_equal(got[:, i, j] * number, part.sum(axis=(1, 2)) * divisor)
        reached.append(part.shape[1] * part.shape[2] * divisor // number)
    assert divisor == lcm(*counts[0]) * lcm(*counts[1])
    assert op.weighted(SIZE) == any(len(c) > 1 for c in counts)
    assert op.factors(SIZE) == tuple(
        tuple(
            lcm(*counts[k]) // sum(-outer[k] <= p < SIZE[k] + outer[k + 2] for p in line)
            for line in (rows, columns)[k]
        )
        for k in range(2)
    )
    ends = [[n * end for n in reached] for end in (-3, 2, 5, 4)]
    want = [min(ends[0]), min(ends[1])], [max(ends[2]), max(ends[3])]
    low, high = (row.tolist() for row in kind.channel_rows)
    if counted is not None or not any(pads):
        assert (low, high) == want
    else:  # from 0, or from what a whole window holds
        whole = op.kernel[0] * op.kernel[1]
        assert (low, high) == ([-3 * whole, 0], [5 * whole, 4 * whole])


def test_sums_that_are_too_wide() -> None:
    def kind(lo: int, hi: int) -> dict[str, IntType]:
        return {"x": IntType.ranged((4, 4, 1), lo, hi)}

    op = SumPool(kernel=(2, 2), **NAMES)
    op.infer(kind(-(2**61) + 1, 2**61 - 1), {})
    for lo, hi in ((0, 2**61), (-(2**61), 0)):
        with pytest.raises(IllegalOp, match="more than 64 bits"):
            op.infer(kind(lo, hi), {})


@pytest.mark.parametrize(("rows", "fits"), [(42, True), (43, False)])
def test_factors_that_are_too_wide(rows: int, fits: bool) -> None:
    """The least common multiple of 1 .. 43 has 64 bits."""
    pads = (rows - 1, 0, rows - 1, 0)
    op = SumPool(kernel=(rows, 1), pads=pads, counted=(0, 0, 0, 0), **NAMES)
    types = {"x": IntType.ranged((rows, 1, 1), 0, 0)}
    if fits:
        assert op.infer_integer(types, {}).hi == 0
    else:
        with pytest.raises(IllegalOp, match="more than 64 bits"):
            op.infer(types, {})


@pytest.mark.parametrize("place", range(4))
def test_positions_that_count_lie_in_the_pads(place: int) -> None:
    for number, fits in ((-1, False), (0, True), (1, True), (2, False)):
        counted = tuple(number if k == place else 0 for k in range(4))
        op = SumPool(kernel=(2, 2), pads=(1, 1, 1, 1), counted=counted, **NAMES)
        if fits:
            op.infer({"x": X}, {})
        else:
            with pytest.raises(IllegalOp, match="beyond the pads"):
                op.infer({"x": X}, {})
