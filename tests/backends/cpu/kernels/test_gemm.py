"""Products of small integers: bounds of chunks, layouts, what plans promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.backends import find_target
from n2uqc.backends.cpu.kernels.body import Vectors
from n2uqc.backends.cpu.kernels.gemm import Gemm, byte_pairs, mla16, plans

NEON = Vectors(16, 32, frozenset({"neon", "many-vectors"}))


def random_gemm(seed: int, top: int, most: int) -> Gemm:
    rng = np.random.default_rng(seed)
    batch, out, depth = rng.integers(1, 5), rng.integers(1, 20), rng.integers(1, 70)
    ends = np.sort(rng.integers(-most, most + 1, (2, batch, depth)), axis=0)
    return Gemm(rng.integers(-top, top + 1, (batch, out, depth)), ends[0], ends[1])


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.integers(0, 300), st.integers(1, 80))
def test_partial_sums_are_reached(seed: int, top: int, most: int, length: int) -> None:
    gemm = random_gemm(seed, top, most)
    least, greatest = gemm.partial_sums(length)
    for b, o in np.ndindex(gemm.weights.shape[:2]):
        row = gemm.weights[b, o]
        worst = np.where(row > 0, gemm.hi[b], gemm.lo[b]) * row
        best = np.where(row > 0, gemm.lo[b], gemm.hi[b]) * row
        for n, start in enumerate(range(0, len(row), length)):
            assert greatest[b, o, n] == worst[start : start + length].sum()
            assert least[b, o, n] == best[start : start + length].sum()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.integers(1, 300))
def test_chunks_stay_in_their_range(seed: int, top: int, most: int) -> None:
    gemm, unit = random_gemm(seed, top, most), 8
    whole = -(-gemm.weights.shape[2] // unit)
    found = list(gemm.chunks(unit, -(1 << 15), (1 << 15) - 1))
    for parts, each in found:
        assert parts * each >= whole > (parts - 1) * each
        least, greatest = gemm.partial_sums(each * unit)
        assert least.min() >= -(1 << 15) and greatest.max() < 1 << 15
    if not found:
        assert any(np.abs(end).max() >= 1 << 15 for end in gemm.partial_sums(unit))
    elif found[0][0] > 1:  # fewer parts would not do
        each = -(-whole // (found[0][0] - 1))
        least, greatest = gemm.partial_sums(each * unit)
        assert least.min() < -(1 << 15) or greatest.max() >= 1 << 15


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200))
def test_packed_weights_give_the_product(seed: int, top: int) -> None:
    gemm = random_gemm(seed, top, 9)
    found = list(mla16.MICRO.plans(gemm, NEON))
    rng = np.random.default_rng(seed)
    batch, out, depth = gemm.weights.shape
    left = rng.integers(gemm.lo, gemm.hi + 1)
    expected = np.einsum("bk,bok->bo", left, gemm.weights)
    for plan in found[:: max(1, len(found) // 4)]:
        padded = np.zeros((batch, plan.depths, plan.depth // plan.group, plan.group), np.int64)
        padded.reshape(batch, -1)[:, :depth] = left
        sums = np.einsum("bdjg,bndjog->bno", padded, plan.arranged_weights.astype(np.int64))
        np.testing.assert_array_equal(sums.reshape(batch, -1)[:, :out], expected)


def test_number_of_steps_follows_the_actual_weights() -> None:
    """The largest weight alone would allow 16 steps; only one output has such weights."""
    weights = np.ones((1, 8, 64), np.int64)
    weights[0, 3, :16] = 127
    gemm = Gemm(weights, np.zeros((1, 64), np.int64), np.full((1, 64), 15))
    plan = next(iter(mla16.MICRO.plans(gemm, NEON)))
    assert plan.parts == 1
    assert plan.reason == f"int16 sums of at most 64 steps, |partial| <= {15 * (16 * 127 + 48)}"
    weights[0, 3] = 127
    gemm = Gemm(weights, np.zeros((1, 64), np.int64), np.full((1, 64), 15))
    plan = next(iter(mla16.MICRO.plans(gemm, NEON)))
    assert (plan.parts, plan.steps) == (4, 2)


def test_no_plan_where_numbers_do_not_fit() -> None:
    wide = np.full((1, 8), 1 << 15)
    assert not list(plans(Gemm(np.ones((1, 4, 8), np.int64), -wide, wide), NEON))
    assert not list(mla16.MICRO.plans(Gemm(np.full((1, 4, 8), 200), 0 * wide, wide // 128), NEON))
    assert not list(
        mla16.MICRO.plans(
            Gemm(np.ones((1, 4, 8), np.int64), 0 * wide, wide // wide), Vectors(4, 12)
        )
    )


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 3))
def test_pairs_of_bytes_give_the_product(seed: int, top: int, most: int) -> None:
    """Sums of 16-bit lanes that wrap around, at random and at both ends of every output."""
    gemm = random_gemm(seed, top, most)
    batch, out, depth = gemm.weights.shape
    rng = np.random.default_rng(seed)
    row = gemm.weights[:, 0]
    for left in (
        rng.integers(gemm.lo, gemm.hi + 1),
        np.where(row > 0, gemm.hi, gemm.lo),
        np.where(row > 0, gemm.lo, gemm.hi),
    ):
        expected = np.einsum("bk,bok->bo", left, gemm.weights)
        for plan in list(byte_pairs.MICRO.plans(gemm, NEON))[::9]:
            lanes = (
                plan.arranged_weights[..., 0].copy().view("<i2")
            )  # (B, blocks, depths, 8, outs / 2)
            padded = np.zeros((batch, plan.depths, plan.depth), np.int16)
            padded.reshape(batch, -1)[:, :depth] = left
            each = padded[:, None, :, :, None] * lanes
            each = each.reshape(batch, plan.blocks, plan.parts, -1, plan.outs // 2)
            sums = each.sum(axis=3, dtype=np.int16) + np.int16(plan.start * 257 - 65536)
            read = sums.view(np.uint8).astype(np.int64).sum(axis=2).reshape(batch, -1)[:, :out]
            assert plan.correction is not None
            np.testing.assert_array_equal(read + plan.correction, expected)


@pytest.mark.parametrize(
    "target",
    [
        "aarch64",
        "aarch64+dotprod",
        "aarch64+i8mm",
        "armv7",
        "cortex-m4",
        "host",
    ],
)
@pytest.mark.parametrize(
    ("weight", "lo", "hi"),
    [
        (3, 0, 3),
        (-3, 0, 3),
        (1, 0, 3),
        (9, -6, 6),
        (-27, -6, 6),
        (127, 0, 15),
        (-128, 0, 15),
    ],
)
def test_no_plan_leaves_its_accumulators_just_beyond_16_bits(
    target: str, weight: int, lo: int, hi: int
) -> None:
    vectors, each = find_target(target).processor.vectors, abs(weight) * max(hi, -lo)
    parts = set()
    for length in range((1 << 15) // each - 20, (1 << 15) // each + 21):
        if length < 1:
            continue
        gemm = Gemm(np.full((1, 2, length), weight), *(np.full((1, length), v) for v in (lo, hi)))
        for plan in plans(gemm, vectors):
            shift = 0 if plan.shift is None else int(plan.shift[0])
            chunk = min(plan.steps * plan.depth, length)
            sums = [
                plan.start + weight * (x + shift) * n
                for x in (lo, hi)
                for n in (chunk, length - (plan.parts - 1) * plan.steps * plan.depth)
            ]
            if plan.parts == 1 and not plan.result.startswith("u"):
                sums = [weight * x * length for x in (lo, hi)]  # what wraps around wraps back
            fits = np.iinfo(plan.result)
            assert fits.min <= min(sums) and max(sums) <= fits.max, (plan.name, length, sums)
            parts.add((plan.result, plan.parts))
    assert parts
