"""Which sums packed polynomials can hold, and how channels are cut into chunks so that they do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

FIELD = 13  # bits of a coefficient: three of them with a sign fit 32 bits up to codes of 5 bits
PIXELS, TAPS = 3, 3  # in a word
_TOP = 63 - (PIXELS + TAPS - 2) * FIELD  # bits of the last coefficient, below the sign


def sums_of(
    weight: IntArray, lo: IntArray, hi: IntArray, channels: int
) -> Iterator[tuple[int, int, int]]:
    """Yield bounds of the sums in each chunk of channels: of any coefficient, and of the last one.

    A coefficient's sum is over any of the taps: a word may hold only some of its terms.

    Args:
        weight: int64 (O, KH, 3, I).
        lo, hi: range of the codes, padding included, int64 (I,).
        channels: of a chunk.

    Yields:
        (least, greatest, greatest magnitude of the last coefficient) of each chunk.
    """
    ends = [weight * row for row in (np.minimum(lo, 0), np.maximum(hi, 0))]
    low, high = np.minimum(*ends), np.maximum(*ends)
    for start in range(0, weight.shape[3], channels):
        part = slice(start, start + channels)
        # The last coefficient has one term for each row and channel: tap 0 times pixel 2.
        last = max(
            int(high[:, :, 0, part].sum(axis=(1, 2)).max()),
            int(-low[:, :, 0, part].sum(axis=(1, 2)).min()),
        )
        yield (
            int(low[..., part].sum(axis=(1, 2, 3)).min()),
            int(high[..., part].sum(axis=(1, 2, 3)).max()),
            last,
        )


class Chunks(NamedTuple):
    """Channels cut into chunks that are summed each on its own.

    Attributes:
        number: how many.
        channels: of a chunk, at least 2: TVM drops loops of one step.
        least, greatest: sum of a coefficient in any chunk.
    """

    number: int
    channels: int
    least: int
    greatest: int


def chunks(weight: IntArray, lo: IntArray, hi: IntArray) -> Iterator[Chunks]:
    """Yield the two smallest numbers of chunks whose sums fit their fields.

    Args:
        weight, lo, hi: as for ``sums_of``.
    """
    depth, fitting = weight.shape[3], 0
    for channels in range(depth, 0, -1):
        count = -(-depth // channels)
        if channels > 1 and -(-depth // (channels - 1)) == count:
            continue  # as many chunks of fewer channels
        if channels == 1 < depth:
            return  # more work than without packing
        parts = list(sums_of(weight, lo, hi, channels))
        least, greatest = min(p[0] for p in parts), max(p[1] for p in parts)
        last = max(p[2] for p in parts)
        if max(-least, greatest) < 1 << (FIELD - 1) and last < (1 << _TOP) - 1:
            yield Chunks(count, max(channels, 2), least, greatest)
            fitting += 1
            if fitting == 2:
                return


def packed_taps(weight: IntArray, chunks: int, channels: int) -> NDArray[np.int32]:
    """Pack the taps of a row in a word, the last in the lowest field: (chunks, O, channels, KH)."""
    out, taps, _, depth = weight.shape
    words = sum(weight[:, :, TAPS - 1 - m] << (FIELD * m) for m in range(TAPS))
    whole = np.zeros((out, taps, chunks * channels), np.int64)
    whole[:, :, :depth] = words
    split = whole.reshape(out, taps, chunks, channels)
    return np.ascontiguousarray(split.transpose(2, 0, 3, 1)).astype(np.int32)
