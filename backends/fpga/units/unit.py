"""What every unit has: feeds from the FIFOs in front of it, and one result for those after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from ..engines import Engine
from ..hdl.families import XC7, Family
from ..hdl.module import Module
from ..hdl.words import Operand, Word, elements, join, word

E = TypeVar("E", bound=Engine)


@dataclass(frozen=True)
class Style:
    """How an engine is built: the same bits in the same cycles.

    Attributes:
        form: one of ``engine.forms``; "" is the first one.
        family: of the device, for whose LUTs and multiplier blocks it is.
    """

    form: str = ""
    family: Family = XC7


class Unit(Generic[E]):
    """An engine as a hardware module in the making.

    A FIFO in front (number k) shows ``valid{k}`` and ``data{k}`` and is told ``take{k}``.  ``room``
    says that every FIFO behind has a place; ``reserve`` takes one as a token is begun, ``enter``
    and ``data`` deliver it ``engine.timing.latency`` cycles later.

    Attributes:
        engine, style: what is built, and how.
        module: its hardware.
        valid, data: by input.
        room: of the FIFOs behind.
    """

    def __init__(self, engine: E, style: Style) -> None:
        self.engine, self.style = engine, style
        self.form = style.form or engine.forms[0]
        self.module = m = Module(engine.kind.replace(" ", "_").replace("-", "_"))
        types = engine.inputs or (engine.output,)
        self.valid = [m.input(f"valid{k}") for k in range(len(types))]
        self.data = [m.input(f"data{k}", engine.in_lanes * t.bits) for k, t in enumerate(types)]
        self.room = m.input("room")

    def operands(self, index: int = 0) -> list[Word]:
        """Return the elements of an input token."""
        tensor = (self.engine.inputs or (self.engine.output,))[index]
        return elements(self.data[index], tensor.bits, tensor.signed)

    def take(self, fires: Operand, index: int = 0) -> None:
        """State the cycles in which a token is taken from an input."""
        self.module.output(f"take{index}", fires)

    def give(self, lanes: list[Word], fires: Word) -> None:
        """Connect the output: results ``latency`` cycles after ``fires``, cut to their width."""
        m, result = self.module, self.engine.output
        m.output("reserve", fires)
        m.output("enter", m.delayed(fires, self.engine.timing.latency, reset=True))
        m.output("data", join(bits_of(lane, result.bits, result.signed) for lane in lanes))


def bits_of(value: Operand, bits: int, signed: bool) -> Word:
    """Return what a register of so many bits keeps of a value, as wires."""
    kept = word(value).cut(bits, signed)
    return kept.extended(bits)
