"""Which sums packed polynomials can hold, and how a convolution is cut so that they do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from n2uqc.passes.program import Conv, Program

from ..grouping import int_type
from .base import Vectors

IntArray = NDArray[np.int64]

FIELD = 13  # bits of a coefficient: three of them with a sign fit 32 bits up to codes of 5 bits
PIXELS, TAPS = 3, 3  # in a word
_TOP = 63 - (PIXELS + TAPS - 2) * FIELD  # bits of the last coefficient, below the sign
_ROWS = (4, 3, 2, 1)  # of outputs that are summed together


@dataclass(frozen=True)
class Work:
    """A convolution planned.

    Attributes:
        rows: of outputs in a strip.
        strips, words: of the map.
        dropped: columns of padding at the left that are left out, for they add nothing.
        chunks: of channels, each summed on its own.
        channels: of a chunk.
        unrolled: channels that the innermost loop takes at once.
        dual: the core issues a load beside a product.
        instructions: estimate.
        reason: what was proved, for people.
    """

    rows: int
    strips: int
    words: int
    dropped: int
    chunks: int
    channels: int
    unrolled: int
    dual: bool
    instructions: float
    reason: str


def sums_of(
    weight: IntArray, lo: IntArray, hi: IntArray, channels: int
) -> Iterator[tuple[int, int, int]]:
    """For each chunk of channels the least and greatest sum of a coefficient, and of the last one.

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


def work(op: Conv, program: Program, vectors: Vectors) -> Work | None:
    """The plan with the least instructions, None where the convolution has another form."""
    kind, weight = int_type(program, op.inputs[0]), program.constants[op.weight].values
    if (
        "dsp" not in vectors.features
        or vectors.size > 4
        or weight.shape[2] != TAPS
        or (weight.shape[1] == 1 or (*op.stride, *op.dilation, op.groups) != (1,) * 5)
    ):
        return None
    out, taps, _, depth = weight.shape
    height, width, _ = int_type(program, op.output).shape
    pads = [op.pad_value] if any(op.pads) else []
    lo, hi = min(kind.lo, *pads, kind.lo), max(kind.hi, *pads, kind.hi)
    # A word of codes or taps must fit 32 bits with its sign.
    if max(-lo, hi, int(np.abs(weight).max())) >= 1 << (31 - 2 * FIELD):
        return None
    best = None
    dropped = min(op.pads[1], TAPS - 1) if op.pad_value == 0 else 0
    words = -(-(width + TAPS - 1 - dropped) // PIXELS)
    for chunks, channels, least, greatest in _chunks(
        weight, np.full(depth, lo), np.full(depth, hi)
    ):
        unrolled = next(n for n in (4, 3, 5, 7, 2, 1) if channels % n == 0)
        for rows in _ROWS:
            if _free(rows, taps) < 1:
                continue
            strips = -(-height // rows)
            cycles = _cycles(rows, taps, unrolled, vectors)
            each = chunks * (channels * cycles + 25 * rows + 60)
            packing = (rows + taps - 1) * chunks * channels * 9
            cost = strips * words * (out * each + packing) + 9.0 * height * width * out
            if best is None or cost < best.instructions:
                reason = (
                    f"{PIXELS} pixels by {TAPS} taps in a product, {chunks} sums of {channels} "
                    f"channels in {least}..{greatest}, fields of {FIELD} bits; {rows} rows at once"
                )
                best = Work(
                    rows,
                    strips,
                    words,
                    dropped,
                    chunks,
                    channels,
                    unrolled,
                    "dual-issue" in vectors.features,
                    cost,
                    reason,
                )
    return best


def _free(rows: int, taps: int) -> int:
    """Registers that sums and a channel's taps leave for codes."""
    return 12 - 2 * rows - taps


def _cycles(rows: int, taps: int, unrolled: int, vectors: Vectors) -> float:
    """Of the innermost loop for one channel, by the cores' manuals.

    A code's load that has but one register cannot be early.  llvm-mca 22 finds such loops of four
    rows a fifth slower on both cores than loops of three, whose loads come together.
    """
    lines, registers = rows + taps - 1, _free(rows, taps)
    products, loads = rows * taps, lines + taps
    late = lines if registers < 2 else 0
    if "dual-issue" in vectors.features:
        return max(products, loads) + 1 + late + 7 / unrolled
    # On a single-issue core a burst of loads takes a cycle more than the words it loads.
    return products + loads + 1 + -(-lines // registers) + late / 2 + 7 / unrolled


def _chunks(weight: IntArray, lo: IntArray, hi: IntArray) -> Iterator[tuple[int, int, int, int]]:
    """The two smallest numbers of chunks whose sums fit: (chunks, their channels, least, greatest
    sum)."""
    depth, found = weight.shape[3], 0
    for channels in range(depth, 0, -1):
        chunks = -(-depth // channels)
        if channels > 1 and -(-depth // (channels - 1)) == chunks:
            continue  # as many chunks of fewer channels
        if channels == 1 < depth:
            return  # more work than without packing
        parts = list(sums_of(weight, lo, hi, channels))
        least, greatest = min(p[0] for p in parts), max(p[1] for p in parts)
        last = max(p[2] for p in parts)
        if max(-least, greatest) < 1 << (FIELD - 1) and last < (1 << _TOP) - 1:
            yield chunks, max(channels, 2), least, greatest  # TVM drops loops of one step
            found += 1
            if found == 2:
                return


def packed_taps(weight: IntArray, chunks: int, channels: int) -> NDArray[np.int32]:
    """Taps of a row in one word, the last in the lowest field: (chunks, O, channels, KH)."""
    out, taps, _, depth = weight.shape
    words = sum(weight[:, :, TAPS - 1 - m] << (FIELD * m) for m in range(TAPS))
    whole = np.zeros((out, taps, chunks * channels), np.int64)
    whole[:, :, :depth] = words
    split = whole.reshape(out, taps, chunks, channels)
    return np.ascontiguousarray(split.transpose(2, 0, 3, 1)).astype(np.int32)
