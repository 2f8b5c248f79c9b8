"""Low-bit layers in other number systems: processing elements in place of a design's own."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..fpga.hdl.families import VARIANTS, WITHOUT
from ..fpga.hdl.mapping import count
from ..fpga.hdl.terms import Cells, Terms
from ..fpga.resources import resources
from ..fpga.units.element import Element
from ..fpga.units.rivals import growth, inside
from ..fpga.units.window import WindowEngine, WindowParts

PLANE_BITS = 2
"""Bits up to which a codebook's bit planes are tried: beyond, they take several times more."""

CODEBOOKS = ("codebook products", "codebook table", "codebook planes")


@dataclass(frozen=True)
class Dressed:
    """The processing elements of a layer.

    Attributes:
        form: how they are built.
        cells: what they take.
        growth: bits that accumulators gain.
    """

    form: str
    cells: Cells
    growth: int = 0


def own(engine: WindowEngine, form: str, family: str) -> Dressed:
    """The engine's own elements in a form."""
    return Dressed(form or "products", resources(engine, form, family).elements)


def rival(
    engine: WindowEngine, numbers: str, family: str, bits: tuple[int, int], *, dsp: bool
) -> Dressed:
    """Return elements of another number system; of codebooks the cheapest, with or without DSPs.

    Args:
        engine: what they stand for.
        numbers: the number system.
        family: whose cells are counted.
        bits: of an activation's and of a weight's code.
        dsp: whether DSP blocks may be used.
    """
    kinds: tuple[str, ...] = CODEBOOKS if numbers == "codebook" else (numbers,)
    if max(bits) > PLANE_BITS:
        kinds = tuple(kind for kind in kinds if kind != "codebook planes")
    found = [_dressed(engine, kind, family, bits, dsp=dsp) for kind in kinds]
    return min(found, key=lambda d: (d.cells.dsp if not dsp else 0, d.cells.lut))


def _coded(element: Element, bits: tuple[int, int]) -> Element:
    """Return an element on codes, where the engine's own multiplies their levels."""
    operand, weight = bits
    narrower = element.operand - operand + element.weight - weight
    if element.operand <= operand and element.weight <= weight:
        return element
    return replace(
        element,
        operand=operand,
        operand_signed=False,
        weight=weight,
        accumulator=max(operand + weight, element.accumulator - narrower),
    )


def _dressed(
    engine: WindowEngine, numbers: str, family: str, bits: tuple[int, int], *, dsp: bool
) -> Dressed:
    device = VARIANTS[family if dsp else family + WITHOUT]
    element = _coded(WindowParts(engine, engine.forms[0], device.lut).element, bits)
    cycles = max(1, getattr(engine.timing, "result_cycles", 1))

    def counted() -> Cells:
        terms = Terms()
        first, *once = inside(element, numbers, cycles)
        terms.add(count(first, device), engine.fold.pe)
        for module in once:  # elements of a depthwise convolution read operands of their own
            terms.add(count(module, device), engine.fold.pe if engine.kind == "depthwise" else 1)
        return terms.cells(device.id)

    key = f"dressed {device.id} {numbers} {bits} {engine.fold.pe} {engine.fold.simd}"
    return Dressed(numbers, engine.fact(key, counted), growth(element, numbers))
