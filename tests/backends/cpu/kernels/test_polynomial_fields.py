"""Bounds of packed polynomials' coefficients, and channels cut into chunks that fit."""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.backends.cpu.kernels.polynomial_fields import chunks, sums_of


def drawn(seed: int) -> tuple[np.ndarray, int, int]:
    """Weights of one sign or of both, some of the three taps of a row zero; a range of codes."""
    rng = np.random.default_rng(seed)
    shape = (2, int(rng.integers(1, 5)), 3, int(rng.integers(1, 14)))
    most = int(rng.integers(1, 32))
    weight = rng.integers(-most, most + 1, shape) * rng.choice([0, 1], (3, 1), p=[0.3, 0.7])
    weight = (np.abs, np.negative, lambda w: -np.abs(w))[seed % 3](weight)
    lo = int(rng.integers(-20, 8))
    return weight, lo, lo + int(rng.integers(0, 31))


def reached(weight: np.ndarray, lo: int, hi: int) -> tuple[int, int, int]:
    """Least and greatest sum of any products (O, KH, 3, I) of an output, the larger of tap 0's."""

    def end(part: np.ndarray, sign: int) -> int:
        best = [max(0, *(sign * int(w) * x for x in (lo, hi))) for w in part.ravel()]
        return sign * sum(best)

    least = min(end(row, -1) for row in weight)
    greatest = max(end(row, 1) for row in weight)
    last = max(abs(end(row[:, 0], sign)) for row in weight for sign in (1, -1))
    return least, greatest, last


@pytest.mark.parametrize("seed", range(24))
def test_bounds_are_reached_and_the_fewest_chunks_that_fit_are_found(seed: int) -> None:
    weight, lo, hi = drawn(seed)
    depth = weight.shape[3]
    ends = np.full(depth, lo), np.full(depth, hi)
    best: dict[int, int] = {}  # the fewest channels of so many chunks
    fitting = []
    for channels in range(depth, 0, -1):
        best[-(-depth // channels)] = channels
    for number, channels in best.items():
        parts = [weight[..., k : k + channels] for k in range(0, depth, channels)]
        each = [reached(part, lo, hi) for part in parts]
        assert list(sums_of(weight, *ends, channels)) == each
        least, greatest, last = (
            min(e[0] for e in each), max(e[1] for e in each), max(e[2] for e in each),
        )  # fmt: skip
        # Half a field of 13 bits on either side; the fifth field ends at the sign of 64 bits.
        fits = max(-least, greatest) < 1 << 12 and last + 1 << 4 * 13 < 1 << 63
        if fits and (channels > 1 or depth == 1):
            fitting.append((number, max(channels, 2), least, greatest))
    assert [tuple(each) for each in chunks(weight, *ends)] == fitting[:2]


@pytest.mark.parametrize("sign", [1, -1])
def test_fields_are_used_to_their_ends(sign: int) -> None:
    """Sums of 4095 fit, of 4096 do not; of the last coefficient 2046 and 2047."""
    ends = np.zeros(1, np.int64), np.ones(1, np.int64)
    for tap, most in ((1, 4095), (0, 2046)):
        weight = np.zeros((1, 1, 3, 1), np.int64)
        weight[0, 0, tap] = sign * most
        assert [c.number for c in chunks(weight, *ends)] == [1]
        weight[0, 0, tap] += sign
        assert not list(chunks(weight, *ends))
