"""Pairs of 16-bit products in chunks that 32 bits hold."""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.backends.cpu.kernels.gemm import Gemm
from n2uqc.backends.cpu.kernels.gemm.madd import chunks

MOST = (1 << 31) - 1


@pytest.mark.parametrize("seed", range(12))
def test_chunks_hold_the_largest_pairs_that_they_can(seed: int) -> None:
    """The same for all outputs and units of K, and without pairs of zeros."""
    rng = np.random.default_rng(seed)
    units, depth = int(rng.integers(1, 3)), 16
    length = units * depth - int(rng.integers(0, 5))
    weights = rng.integers(-(1 << 15) + 1, 1 << 15, (2, 3, length))
    weights[..., rng.random(length) < 0.3] = 0
    ends = np.sort(rng.integers(-(1 << 15) + 1, 1 << 15, (2, 2, length)), axis=0)
    gemm = Gemm(weights, *ends)
    pairs: list[list[int]] = [[] for _ in range(depth // 2)]  # largest sums, by output and sign
    for b, o, unit, sign in np.ndindex(2, 3, units, 2):
        for k, each in enumerate(pairs):
            places = [n for n in (unit * depth + 2 * k, unit * depth + 2 * k + 1) if n < length]
            products = [
                max(0, *((-1) ** sign * int(weights[b, o, n] * end[b, n]) for end in ends))
                for n in places
            ]
            each.append(sum(products))
    found = chunks(gemm, units, depth)
    assert sorted(k for chunk in found for k in chunk) == [k for k in range(8) if any(pairs[k])]
    for n, chunk in enumerate(found):
        sums = np.array([pairs[k] for k in chunk]).sum(axis=0)
        assert chunk == sorted(chunk) and sums.max() <= MOST
        for later in (k for others in found[n + 1 :] for k in others):
            assert (sums + pairs[later]).max() > MOST


def test_a_pair_beyond_32_bits_has_no_chunk() -> None:
    for last, count in ((-(1 << 15) + 1, 1), (-(1 << 15), 0)):
        weights = np.zeros((1, 1, 16), np.int64)
        weights[..., 2:4] = -(1 << 15), last
        gemm = Gemm(weights, np.full((1, 16), -(1 << 15)), np.zeros((1, 16), np.int64))
        assert len(chunks(gemm, 1, 16)) == count
