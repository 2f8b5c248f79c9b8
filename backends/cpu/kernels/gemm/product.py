"""Matrix products of small integers, and bounds of their sums."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

_FEW = 8


@dataclass(frozen=True, eq=False)
class Origin:
    """The plain weights that a product's weights are computed from.

    Attributes:
        weights: int64 (R, S, O, K).
        mix: int64 (A, R) of 1, 0 and -1, where ``sum_rs mix[a, r] mix[c, s] weights[r, s]`` are the
            product's weights of the batch ``a * A + c`` (R and S are equal); None where each of the
            R is a batch as it is, and S is 1.
    """

    weights: IntArray
    mix: IntArray | None = None


@dataclass(frozen=True, eq=False)
class Gemm:
    """``product[b, r, o] = sum_k left[b, r, k] * weights[b, o, k]``, exact.

    Attributes:
        weights: int64 (B, O, K).
        lo, hi: proven range of the left operand, int64 (B, K).
        origin: what the weights are computed from, by default themselves.
    """

    weights: IntArray
    lo: IntArray
    hi: IntArray
    origin: Origin | None = None

    @property
    def range(self) -> tuple[int, int]:
        """Least and greatest number of the left operand."""
        return int(self.lo.min()), int(self.hi.max())

    @property
    def most(self) -> int:
        """The largest magnitude among the weights."""
        return int(np.abs(self.weights).max(initial=0))

    @cached_property
    def spacing(self) -> tuple[int, int, int] | None:
        """Bits of a number for each value of the plain weights, the least value, and the step.

        None if more than 4 bits were needed.  Weights that meet nothing but zeros do not count.
        """
        met, plain = (self.lo != 0) | (self.hi != 0), self.plain
        if plain.mix is None:
            weights = plain.weights[:, 0].transpose(0, 2, 1)
        else:
            met, weights = met.any(axis=0), np.moveaxis(plain.weights, 3, 0)
        values = np.unique(weights[met])
        if not len(values):
            return None
        least, span = int(values[0]), int(values[-1] - values[0])
        step = int(np.gcd.reduce(np.diff(values))) if len(values) > 1 else 1
        bits = next((bits for bits in (2, 4) if span < step << bits), 0)
        return (bits, least, step) if bits else None

    @property
    def plain(self) -> Origin:
        """What the weights are computed from."""
        return self.origin or Origin(self.weights[:, None])

    @cached_property
    def _ends(self) -> tuple[IntArray, IntArray]:
        """Least and greatest sum of every 8 consecutive products, to compute longer sums from."""
        ends = [self.weights * row[:, None, :] for row in (self.lo, self.hi)]
        starts = np.arange(0, self.weights.shape[2], _FEW)
        return (
            np.add.reduceat(np.minimum(*ends), starts, axis=2),
            np.add.reduceat(np.maximum(*ends), starts, axis=2),
        )

    def partial_sums(self, length: int) -> tuple[IntArray, IntArray]:
        """Least and greatest sum of every ``length`` consecutive products, a last chunk may be
        shorter: int64 (B, O, chunks) each.  Each product takes the end of its own sign, so these
        are reached, and bound the sums of all beginnings of a chunk as well if 0 is added."""
        if length % _FEW == 0:
            starts = np.arange(0, self._ends[0].shape[2], length // _FEW)
            least, greatest = (np.add.reduceat(end, starts, axis=2) for end in self._ends)
            return least, greatest
        ends = [self.weights * row[:, None, :] for row in (self.lo, self.hi)]
        starts = np.arange(0, self.weights.shape[2], length)
        return (
            np.add.reduceat(np.minimum(*ends), starts, axis=2),
            np.add.reduceat(np.maximum(*ends), starts, axis=2),
        )

    def chunks(self, unit: int, lo: int, hi: int) -> Iterator[tuple[int, int]]:
        """Yield ways to cut K into (parts, units of each) whose sums stay in ``[lo, hi]``.

        The fewest parts, and the fewest without a surplus.  Intermediate sums may leave the range
        where arithmetic wraps around: only the sum of a whole chunk must not.
        """
        whole, one_given = -(-self.weights.shape[2] // unit), False
        least, greatest = (end.sum(axis=2) for end in self._ends)
        # Fewer parts cannot hold the largest sum, even if each is filled.
        fewest = max(-(-int(greatest.max()) // max(hi, 1)), -(-int(least.min()) // min(lo, -1)), 1)
        for parts in range(fewest, whole + 1):
            each = -(-whole // parts)
            if one_given and parts * each != whole:
                continue
            least, greatest = self.partial_sums(each * unit)
            if lo <= int(least.min()) and int(greatest.max()) <= hi:
                yield parts, each
                if parts * each == whole:
                    return
                one_given = True
