"""Elements given in another order: a buffer that is read by a table of places, or wires."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd, prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from n2uqc.passes.program import Rearrange
from n2uqc.passes.program.ops.arrangement import OUTSIDE

from .engine import Arrays, Engine, Run, divisors
from .token_timing import Beat, Timing, WindowTiming

Longs = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Rearranger(Engine):
    """Copies elements to their places, PE a cycle.

    The map falls into parts of equal form, the smallest for which a part of the result needs only
    the part of the input with the same number: pixels for a shuffle of channels, rows for depth to
    space, the whole map for a transpose.  The buffer holds two parts, one that is written and one
    that is read.  PE elements lie side by side in the input, too.  Where the parts are pixels and
    PE is all channels, there is no buffer: the engine is wires.
    """

    kind: ClassVar[str] = "rearrange"

    op: Rearrange

    @property
    def parts(self) -> int:
        """Number of parts."""
        return self.fact("parts", lambda: self._split()[0])

    @property
    def places(self) -> Longs:
        """The place in a part of the input of each element of a part of the result, or -1."""
        return self.fact("places", lambda: self._split()[1])

    def _split(self) -> tuple[int, Longs]:
        (x,), y = self.inputs, self.output
        places = self.op.arrangement(self.constants).places.reshape(-1)
        most = gcd(prod(x.shape[:2]), prod(y.shape[:2]))
        for parts in reversed(divisors(most)):
            rows, size = places.reshape(parts, -1), x.size // parts
            starts = np.arange(parts)[:, None] * size
            local = np.where(rows == OUTSIDE, OUTSIDE, rows - starts)
            if (local == local[0]).all() and local[0].max() < size and local[0].min() >= OUTSIDE:
                return parts, local[0]
        raise AssertionError("one part is always possible")

    @property
    def wired(self) -> bool:
        """Whether a token is a pixel, of which the result is wires."""
        pixels = prod(self.inputs[0].shape[:2])
        return self._pixels and pixels == self.parts and self.fold.pe == self.output.shape[2]

    @property
    def _pixels(self) -> bool:
        """Whether parts are pixels of input and result."""
        return self.parts == prod(self.inputs[0].shape[:2]) == prod(self.output.shape[:2])

    @property
    def pe_options(self) -> tuple[int, ...]:
        def work_out() -> tuple[int, ...]:
            deepest = gcd(self.inputs[0].shape[2], self.output.shape[2])
            found = {pe for pe in divisors(deepest) if self._whole(pe)}
            return tuple(sorted(found | ({self.output.shape[2]} if self._pixels else set())))

        return self.fact("pe options", work_out)

    def _whole(self, pe: int) -> bool:
        """Tell whether PE elements of the result are a word of PE elements of the input."""
        words = self.places.reshape(-1, pe)
        first = words[:, :1]
        inside = (words == first + np.arange(pe)).all(axis=1) & (first[:, 0] % pe == 0)
        return bool((inside & (first[:, 0] >= 0) | (words == OUTSIDE).all(axis=1)).all())

    @property
    def words(self) -> Longs:
        """The word of a part that each word of the result is, or -1."""
        first = self.places[:: self.fold.pe]
        return np.where(first == OUTSIDE, OUTSIDE, first // self.fold.pe)

    @property
    def in_lanes(self) -> int:
        return self.inputs[0].shape[2] if self.wired else self.fold.pe

    @property
    def latency(self) -> int:
        """One register stage: the buffer's read register."""
        return 0 if self.wired else 1

    @property
    def timing(self) -> Timing:
        if self.wired:
            return Beat(self.parts)
        return WindowTiming(
            arriving=(self.parts, 1),
            drop=(1, 1),
            kept=(self.parts, 1),
            words=self.inputs[0].size // self.parts // self.fold.pe,
            out=(self.parts, 1),
            reach=(1, 1),
            stride=(1, 1),
            top=0,
            left=0,
            results=self.output.size // self.parts // self.fold.pe,
            result_cycles=1,
            latency=self.latency,
        )

    def prepare(self) -> Run:
        made = self.op.arrangement(self.constants)
        low, high = self.output.limits
        bits, half = self.output.bits, -low

        def run(inputs: Arrays, y: NDArray[Any], counts: Longs) -> None:
            moved = made.apply(inputs[0])
            lost = (moved < low) | (moved > high)
            if lost.any():  # an input beyond its proven range
                counts[1] += int(lost.sum())
                moved = np.where(lost, ((moved + half) & ((1 << bits) - 1)) - half, moved)
            y[...] = moved

        return run
