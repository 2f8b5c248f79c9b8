"""Operations of one element, over all its values: their results, and ranges channel by channel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.passes.program import (
    Add,
    Clamp,
    Concat,
    Constant,
    ConstRef,
    Flatten,
    IntType,
    Lookup,
    Multiply,
    PRelu,
    Requantize,
)
from n2uqc.passes.program.operation import Op
from n2uqc.passes.program.ops.interpolate import Interpolate

NAMES = {"output": "y", "inputs": ("x",)}
TWO = {"output": "y", "inputs": ("x", "z")}


@st.composite
def ranges(draw: st.DrawFn, least: int = -12, most: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest value of each of two channels."""
    ends = [sorted(draw(st.tuples(*[st.integers(least, most)] * 2))) for _ in range(2)]
    low, high = np.array(ends, np.int64).T
    return low, high


def rounded(value: int, shift: int) -> int:
    """``value / 2**shift`` to the nearest integer, halves away from zero."""
    whole = int(abs(Fraction(value, 1 << shift)) + Fraction(1, 2))
    return whole if value >= 0 else -whole


def check(
    op: Op,
    rows: tuple[np.ndarray, np.ndarray],
    constants: Mapping[str, Constant],
    of: Callable[[int, int], int],
) -> None:
    """The operation of one input against its definition, ``of(value, channel)``."""
    kind = op.infer_integer({"x": IntType.of_rows((1, 1, 2), *rows)}, constants)
    assert kind.shape == (1, 1, 2)
    reached = []
    for c, (lo, hi) in enumerate(zip(*rows, strict=True)):
        x = np.empty((hi - lo + 1, 1, 1, 2), np.int64)
        x[..., 1 - c], x[:, 0, 0, c] = rows[0][1 - c], range(lo, hi + 1)
        want = [of(v, c) for v in range(lo, hi + 1)]
        assert op.execute([x], constants)[:, 0, 0, c].tolist() == want
        reached.append((min(want), max(want)))
    assert list(zip(*(row.tolist() for row in kind.channel_rows), strict=True)) == reached
    assert (kind.lo, kind.hi) == (min(r[0] for r in reached), max(r[1] for r in reached))


@settings(max_examples=60, deadline=None)
@given(ranges(), st.tuples(st.integers(-15, 15), st.integers(-15, 15)))
def test_clamp(rows, ends: tuple[int, int]) -> None:
    lo, hi = sorted(ends)
    check(Clamp(lo=lo, hi=hi, **NAMES), rows, {}, lambda v, _: min(max(v, lo), hi))


@settings(max_examples=60, deadline=None)
@given(ranges(0, 6), st.lists(st.integers(-50, 50), min_size=7, max_size=7))
def test_lookup(rows, table: list[int]) -> None:
    op = Lookup(table=ConstRef("t"), **NAMES)
    check(op, rows, {"t": Constant.narrow(table)}, lambda v, _: table[v])


PAIR = st.tuples(st.integers(-9, 9), st.integers(-9, 9))


@settings(max_examples=120, deadline=None)
@given(ranges(), PAIR, PAIR, st.integers(0, 4), PAIR)
def test_prelu(rows, slope, bias, shift: int, ends) -> None:
    lo, hi = sorted(5 * e for e in ends)
    op = PRelu(multiplier=ConstRef("m"), bias=ConstRef("b"), shift=shift, lo=lo, hi=hi, **NAMES)
    constants = {"m": Constant.narrow([*slope]), "b": Constant.narrow([*bias])}

    def of(v: int, c: int) -> int:
        bent = v if v >= 0 else rounded(v * slope[c], shift)
        return min(max(bent + bias[c], lo), hi)

    check(op, rows, constants, of)


@settings(max_examples=120, deadline=None)
@given(ranges(), PAIR, PAIR, st.tuples(st.integers(0, 4), st.integers(0, 4)), PAIR)
def test_requantize(rows, slope, bias, shift, ends) -> None:
    lo, hi = sorted(5 * e for e in ends)
    names = {"multiplier": ConstRef("m"), "bias": ConstRef("b"), "shift": ConstRef("s")}
    op = Requantize(lo=lo, hi=hi, **names, **NAMES)
    rows_of = {"m": slope, "b": bias, "s": shift}
    constants = {name: Constant.narrow([*values]) for name, values in rows_of.items()}

    def of(v: int, c: int) -> int:
        return min(max(rounded(v * slope[c] + bias[c], shift[c]), lo), hi)

    check(op, rows, constants, of)


@settings(max_examples=200, deadline=None)
@given(st.data(), ranges(), st.integers(1, 3), st.booleans())
def test_interpolate(data: st.DataObject, rows, pieces: int, one: bool) -> None:
    """Also before the first piece and behind the last."""
    numbers = st.lists(st.integers(-9, 9), min_size=pieces, max_size=pieces)
    base, slope = ([data.draw(numbers) for _ in range(1 if one else 2)] for _ in range(2))
    start, step, shift = (data.draw(st.integers(*ends)) for ends in ((-9, 9), (0, 3), (0, 3)))
    op = Interpolate(
        base=ConstRef("b"), slope=ConstRef("s"), start=start, step=step, shift=shift, **NAMES
    )
    constants = {"b": Constant.narrow(np.array(base)), "s": Constant.narrow(np.array(slope))}
    assert op.pieces(constants) == pieces

    def of(v: int, c: int) -> int:
        k = 0 if one else c
        i = min(max((v - start) // 2**step, 0), pieces - 1)
        return rounded(base[k][i] + slope[k][i] * (v - start - i * 2**step), shift)

    check(op, rows, constants, of)


@settings(max_examples=40, deadline=None)
@given(ranges(), ranges())
def test_two_inputs(a, b) -> None:
    """The ends of sums, products and joined channels are reached, and are those of each channel."""
    types = {"x": IntType.of_rows((1, 1, 2), *a), "z": IntType.of_rows((1, 1, 2), *b)}
    pairs = [
        list(product(*(range(lo, hi + 1) for lo, hi in ((a[0][c], a[1][c]), (b[0][c], b[1][c])))))
        for c in range(2)
    ]
    for op, of in ((Add(**TWO), int.__add__), (Multiply(**TWO), int.__mul__)):
        kind = op.infer_integer(types, {})
        want = [[of(int(v), int(w)) for v, w in row] for row in pairs]
        assert [row.tolist() for row in kind.channel_rows] == [[*map(min, want)], [*map(max, want)]]
        for c in range(2):
            x = np.array(pairs[c], np.int64).reshape(-1, 2, 1, 1, 1)
            assert op.execute([x[:, 0], x[:, 1]], {}).ravel().tolist() == want[c]
    joined = Concat(**TWO).infer_integer(types, {})
    assert joined.shape == (1, 1, 4)
    assert [r.tolist() for r in joined.channel_rows] == [
        [*p, *q] for p, q in zip(a, b, strict=True)
    ]


def test_one_number_for_a_map() -> None:
    """A factor for each channel, or for each row, is that of all its places."""
    x = np.arange(24).reshape(1, 3, 4, 2)
    for shape in ((1, 1, 2), (3, 1, 1), (1, 4, 1), (1, 1, 1), (3, 4, 2)):
        z = np.arange(2, 2 + np.prod(shape)).reshape(1, *shape)
        types = {"x": IntType.ranged((3, 4, 2), 0, 23), "z": IntType.ranged(shape, -2, 30)}
        kind = Multiply(**TWO).infer_integer(types, {})
        assert (kind.shape, kind.lo, kind.hi) == ((3, 4, 2), -46, 690)
        got = Multiply(**TWO).execute([x, z], {})
        for i, j, c in product(range(3), range(4), range(2)):
            place = tuple(k if n > 1 else 0 for k, n in zip((i, j, c), shape, strict=True))
            assert got[0, i, j, c] == x[0, i, j, c] * z[0][place]


def test_flat_in_the_order_of_memory() -> None:
    x = np.arange(24).reshape(1, 3, 4, 2)
    low, high = np.array([-1, -5]), np.array([3, 7])
    op = Flatten(**NAMES)
    kind = op.infer_integer({"x": IntType.of_rows((3, 4, 2), low, high)}, {})
    assert kind.shape == (1, 1, 24) and op.in_place({}, {})
    assert [row.tolist() for row in kind.channel_rows] == [[-1, -5] * 12, [3, 7] * 12]
    assert op.execute([x], {}).tolist() == [[[list(range(24))]]]
