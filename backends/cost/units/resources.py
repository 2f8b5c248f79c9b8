"""What a unit takes on an FPGA, LUT, FF, DSP and block RAM apart, and where memories go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..technology import BRAM18_BITS, BRAM18_SHAPES, BRAM_FILLED, Basis, Technology


@dataclass(frozen=True)
class Resources:
    """LUT, FF, DSP and 18-Kbit block RAM; never converted into each other.

    ``basis`` is the worst basis of the parts.
    """

    lut: float = 0.0
    ff: float = 0.0
    dsp: float = 0.0
    bram18: float = 0.0
    basis: Basis = Basis.MEASURED

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            self.lut + other.lut,
            self.ff + other.ff,
            self.dsp + other.dsp,
            self.bram18 + other.bram18,
            max(self.basis, other.basis),
        )

    def __mul__(self, copies: float) -> Resources:
        if not copies:
            return Resources()
        return Resources(
            self.lut * copies,
            self.ff * copies,
            self.dsp * copies,
            self.bram18 * copies,
            self.basis,
        )


def total(parts: Iterable[Resources]) -> Resources:
    """The sum of parts."""
    result = Resources()
    for part in parts:
        result += part
    return result


@dataclass(frozen=True)
class Memory:
    """A memory of ``depth`` words of ``width`` bits, one word a cycle."""

    width: int
    depth: int

    @property
    def bits(self) -> int:
        return self.width * self.depth


def place(memory: Memory, technology: Technology) -> Resources:
    """Block RAM, in the shape that takes fewest, if that is filled well enough; else LUT ROM.

    One LUT stores one bit of ``rom_depth`` words: width * ceil(depth / rom_depth) LUT, the fit
    N*W*ceil(C/64) of the synthesized threshold ROMs.  A single word is wiring.
    """
    if memory.width == 0 or memory.depth <= 1:
        return Resources()
    blocks = min(
        -(-memory.width // width) * -(-memory.depth // depth) for width, depth in BRAM18_SHAPES
    )
    if memory.bits >= BRAM_FILLED * BRAM18_BITS * blocks:
        return Resources(bram18=blocks, basis=Basis.MODEL)
    lut = memory.width * -(-memory.depth // technology.rom_depth)
    return Resources(lut=lut, basis=Basis.FIT)


@dataclass(frozen=True)
class Unit:
    """One lane of a unit.

    Attributes:
        form: how it is built, for the tables.
        logic: without its parameter memory.
        storage: its parameter memory.
        parameter_bits: bits it stores for its share of the channels.
        read_bits: parameter bits read for one result (0 where the parameters are wiring).
        latency: cycles from operand to result; a new operand enters every cycle.
    """

    form: str
    logic: Resources
    storage: Resources = Resources()
    parameter_bits: int = 0
    read_bits: int = 0
    latency: int = 1

    @property
    def resources(self) -> Resources:
        return self.logic + self.storage
