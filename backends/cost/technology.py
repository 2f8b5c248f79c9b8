"""Measured and published figures behind the energy model, as data."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class MeasuredCurve:
    """Measured points (x ascending, y), straight lines between them."""

    points: tuple[tuple[float, float], ...]

    def at(self, x: float) -> float:
        """The figure at x, which lies between the first point and the last."""
        xs = [p[0] for p in self.points]
        k = min(max(bisect_right(xs, x), 1), len(xs) - 1)
        (x0, y0), (x1, y1) = self.points[k - 1], self.points[k]
        return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


TRANSISTORS: Mapping[str, MeasuredCurve] = {
    "direct": MeasuredCurve(((4, 4652), (9, 9782), (16, 15744))),
    "planes": MeasuredCurve(((4, 3096), (9, 6720), (16, 11950))),
    "apot": MeasuredCurve(((4, 3794), (9, 8394), (16, 15282))),
    "codebook": MeasuredCurve(((4, 13958), (9, 42504), (16, 53730))),
}
"""CMOS transistors of 16-lane dot products (yosys ``stat -tech cmos``),
by activation x weight bits.
"""

SRAM_PJ_PER_BIT = 10.0 / 64.0
"""8 KiB SRAM, 10 pJ a 64-bit read, 45 nm (Horowitz, ISSCC 2014)."""
