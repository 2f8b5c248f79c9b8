"""Prices of register tiles by hand: loads, products, what spills, what is stored."""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.backends.cpu.kernels.body import Vectors
from n2uqc.backends.cpu.kernels.gemm import Gemm, dot, maddubs, smlad
from n2uqc.backends.cpu.kernels.polynomial_sum import cycles, free_registers

DOT = Vectors(16, 32, frozenset({"neon", "many-vectors", "dotprod"}))


def gemm(out: int, depth: int, top: int = 3, hi: int = 3) -> Gemm:
    ends = np.zeros((1, depth), np.int64), np.full((1, depth), hi)
    return Gemm(np.full((1, out, depth), top), *ends)


@pytest.mark.parametrize(("out", "outs"), [(1, {8}), (8, {8}), (9, {8, 16}), (40, {8, 16})])
def test_dot_products_of_no_more_outputs_than_there_are(out: int, outs: set[int]) -> None:
    """Tiles of two vectors of four, or of four where there are more than eight outputs."""
    found = list(dot.plans(gemm(out, 40), DOT))
    assert {plan.outs for plan in found} == outs
    assert {plan.depth for plan in found} == {16, 24, 32}
    for plan in found:
        columns = plan.outs // 4
        sums, loads = plan.rows * columns, 1 if plan.depth == 16 else 2
        assert sums + plan.rows + 2 <= 32
        assert plan.steps * plan.depth >= 40 > (plan.steps - 1) * plan.depth
        step = plan.depth / 4 * (sums + columns / 2) + plan.rows * loads / 2 + 4
        lacking = max(sums + 2 * columns + plan.rows + 2 - 32, 0)
        assert plan.instructions == plan.steps * step + 2 * sums + 8 + 20 * lacking
    assert max(plan.rows for plan in found if plan.outs == 8) == 10
    if out > 8:
        assert max(plan.rows for plan in found if plan.outs == 16) == 6


@pytest.mark.parametrize(
    ("top", "hi", "offered"),
    [(127, 127, True), (128, 3, False), (-128, 3, True), (-129, 3, False), (3, 128, False)],
)
def test_dot_products_are_of_signed_bytes(top: int, hi: int, offered: bool) -> None:
    assert bool(list(dot.plans(gemm(8, 16, top, hi), DOT))) == offered
    assert not list(dot.plans(gemm(8, 16, top, hi), Vectors(16, 32, frozenset({"neon"}))))


@pytest.mark.parametrize(("depth", "dtype"), [(86, "int16"), (87, "int32")])
def test_sums_of_dot_products_are_stored_in_the_narrowest_type(depth: int, dtype: str) -> None:
    """86 * 127 * 3 is below 2**15, 87 * 127 * 3 is not."""
    assert (depth * 127 * 3 < 1 << 15) == (dtype == "int16")
    for sign in (1, -1):
        found = gemm(8, depth, sign * 127)
        assert dot.sums_dtype(found) == dtype
        assert {plan.result for plan in dot.plans(found, DOT)} == {dtype}


@pytest.mark.parametrize(("out", "outs"), [(1, {16}), (16, {16}), (17, {16, 32})])
def test_products_of_bytes_in_pairs(out: int, outs: set[int]) -> None:
    """Tiles of one register of 16 outputs, or of two: a product and a sum for each pair and row."""
    found = list(maddubs.plans(gemm(out, 70), Vectors(32, 16, frozenset({"avx2"}))))
    assert {plan.outs for plan in found} == outs
    for plan in found:
        columns = plan.outs // 16
        sums = plan.rows * columns
        assert plan.parts == 1 and plan.steps * plan.depth >= 70
        step = plan.depth // 2 * (2 * sums + plan.rows + columns)
        assert plan.instructions == plan.steps * step + 1.5 * sums + 8
    assert max(plan.rows for plan in found if plan.outs == 16) == 12
    if out > 16:
        assert max(plan.rows for plan in found if plan.outs == 32) == 6


@pytest.mark.parametrize(
    ("length", "depth"), [(8, 16), (16, 16), (17, 32), (48, 16), (64, 32), (128, 32), (144, 32)]
)
def test_units_of_bytes_leave_little_surplus(length: int, depth: int) -> None:
    """Short windows of an odd number of units of 16 are cut in these."""
    found = list(maddubs.plans(gemm(16, length), Vectors(32, 16, frozenset({"avx2"}))))
    assert {plan.depth for plan in found} == {depth}


@pytest.mark.parametrize("dual", [False, True])
def test_pairs_of_products_on_cortex_m(dual: bool) -> None:
    """A load takes two cycles where none goes at once with a product; a tenth goes to addresses."""
    facts = frozenset({"dsp", "dual-issue"} if dual else {"dsp"})
    found = list(smlad.plans(gemm(4, 40), Vectors(4, 12, facts)))
    tiles = {(p.dtype, p.rows, p.outs) for p in found}
    assert tiles == {
        *(("int32", *tile) for tile in ((3, 2), (2, 2), (1, 4), (1, 2))),
        *(("int64", *tile) for tile in ((2, 2), (1, 2))),
    }
    assert {p.depth for p in found} == {4, 8}
    for plan in found:
        sums, words = plan.rows * plan.outs, plan.rows + plan.outs
        step = plan.depth / 2 * 1.1 * (sums + (1 if dual else 2) * words) + 6
        assert plan.parts == 1 and plan.steps * plan.depth == 40
        stored = 3 * sums * (2 if plan.dtype == "int64" else 1)
        assert plan.instructions == pytest.approx(plan.steps * step + stored + 10)
        assert plan.expanding == pytest.approx(0 if plan.wide else 2.6 * plan.numbers)
    for facts in (frozenset(), frozenset({"dsp", "neon"})):
        assert not list(smlad.plans(gemm(4, 40), Vectors(4, 12, facts)))


@pytest.mark.parametrize(
    ("top", "hi", "offered"),
    [(32767, 1, True), (32768, 1, False), (1, 32767, True), (1, 32768, False)],
)
def test_pairs_of_products_are_of_16_bits(top: int, hi: int, offered: bool) -> None:
    assert bool(list(smlad.plans(gemm(4, 4, top, hi), Vectors(4, 12, frozenset({"dsp"}))))) == (
        offered
    )


def test_cycles_of_sums_of_polynomials() -> None:
    """Three rows, two taps: 6 products, 6 loads, and 4 registers for 4 codes."""
    assert free_registers(3, 2) == 4
    assert cycles(3, 2, 1, dual=False) == 6 + 6 + 1 + 1 + 7
    assert cycles(3, 2, 2, dual=False) == 6 + 6 + 1 + 1 + 3.5
    assert cycles(3, 2, 1, dual=True) == 6 + 1 + 7
    # Four rows, three taps: one register, so that none of 6 codes is early; 12 products, 9 loads.
    assert free_registers(4, 3) == 1
    assert cycles(4, 3, 1, dual=True) == 12 + 1 + 6 + 7
    assert cycles(4, 3, 1, dual=False) == 12 + 9 + 1 + 6 + 3 + 7
    # One row, one tap: a product and two loads.
    assert cycles(1, 1, 7, dual=True) == 2 + 1 + 1
