"""FPGA resources of a unit (LUT, FF, DSP, block RAM), and the placement of memories."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..technology import BRAM18_BITS, BRAM18_SHAPES, BRAM_FILLED, Basis, Technology


@dataclass(frozen=True)
class Resources:
    """Numbers of LUT, FF, DSP and 18-Kbit block RAM, which are never converted into each other.

    ``basis`` is the least reliable basis of the parts.
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
    """Return the sum of parts."""
    result = Resources()
    for part in parts:
        result += part
    return result


@dataclass(frozen=True)
class Memory:
    """A memory of ``depth`` words of ``width`` bits, one word per cycle."""

    width: int
    depth: int

    @property
    def bits(self) -> int:
        return self.width * self.depth


def place(memory: Memory, technology: Technology) -> Resources:
    """Place a memory in block RAM, in the best shape, if it fills enough of it, else in LUTs.

    One LUT stores one bit of ``rom_depth`` words, so LUTs are width * ceil(depth / rom_depth),
    which is the fit N*W*ceil(C/64) of synthesized threshold ROMs. A single word is wiring.
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
    """One lane of a hardware unit.

    Attributes:
        form: name of the implementation, for tables.
        logic: resources without the parameter memory.
        storage: resources of the parameter memory.
        parameter_bits: bits stored for the lane's channels.
        read_bits: parameter bits read for one result (0 if parameters are wiring).
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
