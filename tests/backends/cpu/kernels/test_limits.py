"""Kernels where numbers are just within their types, and where they are just beyond."""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.backends import find_target
from n2uqc.backends.cpu.kernels.body import Vectors, computing_dtype
from n2uqc.backends.cpu.kernels.gemm import Gemm, Micro, byte_pairs, maddubs, mla16, mlal16
from n2uqc.backends.cpu.kernels.taps import sums
from n2uqc.backends.cpu.kernels.winograd import row_bounds

NEON = find_target("aarch64").processor.vectors
AVX2 = Vectors(32, 16, frozenset({"avx2"}))


def gemm(weights: np.ndarray, lo: int, hi: int) -> Gemm:
    ends = (np.full((1, weights.shape[2]), v) for v in (lo, hi))
    return Gemm(weights, *ends)


@pytest.mark.parametrize(
    ("lo", "hi", "dtype"),
    [
        (0, 32767, "int16"), (-32767, 0, "int16"), (0, 32768, "int32"), (-32768, 1, "int32"),
        (-(2**31) + 1, 5, "int32"), (-(2**31), 5, "int64"), (0, 2**31, "int64"), (0, 0, "int16"),
    ],
)  # fmt: skip
def test_the_narrowest_type_in_which_all_can_be_negated(lo: int, hi: int, dtype: str) -> None:
    assert computing_dtype(lo, hi) == dtype


def test_32_bit_sums_of_16_bit_products() -> None:
    """The most products that fit, and one unit more."""
    weights = np.full((1, 8, 67), 32767)
    weights[..., 65] = ((1 << 31) - 1 - 65 * 32767 * 1000) // 1000
    weights[..., 66] = 0
    bound = int(weights[0, 0].sum()) * 1000
    assert (1 << 31) - 1000 <= bound < 1 << 31
    assert list(mlal16.MICRO.plans(gemm(weights, 0, 1000), NEON))
    weights[..., 66] = 1
    assert not list(mlal16.MICRO.plans(gemm(weights, 0, 1000), NEON))
    assert not list(mlal16.MICRO.plans(gemm(-weights, 0, 1000), NEON))


@pytest.mark.parametrize(
    ("micro", "vectors", "least", "most"),
    [
        (mla16.MICRO, NEON, -(1 << 15), (1 << 15) - 1),
        (maddubs.MICRO, AVX2, -(1 << 15), (1 << 15) - 1),
        (byte_pairs.MICRO, NEON, -128, 127),
    ],
    ids=["mla16", "maddubs", "byte_pairs"],
)
def test_accumulators_are_used_to_their_ends(
    micro: Micro, vectors: Vectors, least: int, most: int
) -> None:
    """One chunk holds sums up to both ends, and no number more."""
    each = 63  # of a byte, so that no pair of products is large
    for end, beyond in ((least, least - 1), (most, most + 1)):
        for total, fits in ((end, True), (beyond, False)):
            row = [each if total > 0 else -each] * (abs(total) // each)
            row.append(total - sum(row))
            row += [0] * (-len(row) % 32)
            plans = list(micro.plans(gemm(np.array([[row] * 16]), 0, 1), vectors))
            assert any(plan.parts == 1 for plan in plans) == fits


@pytest.mark.parametrize(
    ("weight", "lo", "hi", "offered"),
    [
        (1, 0, 255, True), (1, 0, 256, False), (1, -1, 254, True), (1, -1, 255, False),
        (127, 0, 1, True), (128, 0, 1, False), (-128, 0, 1, True), (-129, 0, 1, False),
        (64, 0, 255, True), (65, 0, 255, False), (-64, 0, 255, True), (-65, 0, 255, False),
    ],
)  # fmt: skip
def test_products_of_bytes_that_saturate_in_pairs(
    weight: int, lo: int, hi: int, offered: bool
) -> None:
    """Unsigned bytes by signed ones, shifted up where there are numbers below zero."""
    found = list(maddubs.plans(gemm(np.full((1, 16, 2), weight), lo, hi), AVX2))
    assert bool(found) == offered
    for plan in found:
        assert (None if lo == 0 else -lo) == (None if plan.shift is None else int(plan.shift[0]))


def test_operands_of_16_bits() -> None:
    ones = np.ones((1, 8, 8), np.int64)
    ones[..., 1:] = 0
    for lo, hi, fits in (
        (-(1 << 15), 0, True), (-(1 << 15) - 1, 0, False),
        (0, (1 << 15) - 1, True), (0, 1 << 15, False),
    ):  # fmt: skip
        assert bool(list(mla16.MICRO.plans(gemm(ones, lo, hi), NEON))) == fits


def test_weights_of_one_value_are_packed() -> None:
    assert gemm(np.full((1, 4, 8), 5), 0, 3).spacing == (2, 5, 1)
    assert gemm(np.full((1, 4, 8), 5), 0, 0).spacing is None


def test_sums_of_nothing() -> None:
    assert sums(np.zeros((2, 1, 16), np.int64), 0, 255, 0) is None
    one = np.zeros((2, 1, 16), np.int64)
    one[1, 0, 3] = -7
    found = sums(one, 0, 255, 7 * 255)
    assert found is not None and found.total == "int32"
    wide = sums(one, 0, (1 << 15), 7 << 15)
    assert wide is not None and wide.operand == "int32"
    assert sums(one, 0, 1 << 31, 7 << 31) is None


def test_bounds_behind_the_first_inverse_are_reached() -> None:
    """Some map of codes at their ends takes the largest row sum there."""
    rng = np.random.default_rng(2)
    for lo, hi in ((0, 3), (-4, 3), (-5, -1)):
        weight = rng.integers(-3, 4, (2, 3, 3, 1))
        bound = row_bounds(weight, np.full(1, lo), np.full(1, hi))
        columns = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
        mixes = np.array([[1, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 1]])
        most = 0
        for point in range(4):
            codes = np.array(np.meshgrid(*[[lo, hi]] * 4)).reshape(4, -1)
            values = columns[point] @ codes
            each = np.einsum("s,orsi->or", mixes[point], weight)
            least, greatest = values.min(), values.max()
            for row in each:
                ends = (
                    sum(max(c * least, c * greatest) for c in row),
                    sum(min(c * least, c * greatest) for c in row),
                )
                most = max(most, ends[0], -ends[1])
        assert bound == most
