"""Cells of a module: by what they are for, and altogether."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

FITTED = Path(__file__).with_name("fitted.json")


@dataclass
class Terms:
    """Cells by what they are for.

    Attributes:
        lut, ff: numbers by term; some are scaled.
        carry: cells of carry chains.
        dsp, bram18: blocks.
    """

    lut: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    ff: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    carry: int = 0
    dsp: int = 0
    bram18: int = 0

    def add(self, other: Terms, copies: int = 1) -> None:
        """Put another module's cells beside these."""
        for mine, others in ((self.lut, other.lut), (self.ff, other.ff)):
            for name, number in others.items():
                mine[name] += copies * number
        self.carry += copies * other.carry
        self.dsp += copies * other.dsp
        self.bram18 += copies * other.bram18

    def cells(self, family: str) -> Cells:
        """Return all cells together, for a family."""
        scale = fitted(family)
        lut, ff = (
            max(0, round(sum(scale[kind].get(name, 1.0) * n for name, n in counted.items())))
            for kind, counted in (("lut", self.lut), ("ff", self.ff))
        )
        return Cells(lut, ff, self.carry, self.dsp, self.bram18)


@dataclass(frozen=True)
class Cells:
    """What hardware takes.

    Attributes:
        lut, ff: LUTs (memories in LUTs included) and flip-flops.
        carry: cells of carry chains.
        dsp: multiplier blocks.
        bram18: block RAMs of 18 Kbit.
    """

    lut: int = 0
    ff: int = 0
    carry: int = 0
    dsp: int = 0
    bram18: int = 0

    def __add__(self, other: Cells) -> Cells:
        return Cells(
            self.lut + other.lut,
            self.ff + other.ff,
            self.carry + other.carry,
            self.dsp + other.dsp,
            self.bram18 + other.bram18,
        )

    def __mul__(self, copies: int) -> Cells:
        return Cells(
            self.lut * copies,
            self.ff * copies,
            self.carry * copies,
            self.dsp * copies,
            self.bram18 * copies,
        )

    def __sub__(self, other: Cells) -> Cells:
        return self + other * -1


@cache
def fitted(family: str) -> Mapping[str, Mapping[str, float]]:
    """Return the coefficients of terms that are fitted to synthesis, by resource; the others count
    as 1.
    """
    found = json.loads(FITTED.read_text())
    result: Mapping[str, Mapping[str, float]] = found["families"][family.split()[0]]
    return result
