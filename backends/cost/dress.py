"""Low-bit layers in other number systems: processing elements in place of a design's own."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from n2uqc.passes.program import Constant, IntType
from n2uqc.passes.program.types import IntArray

from ..fpga.engines.channelwise import Depthwise
from ..fpga.engines.matrix_vector import MatrixVector
from ..fpga.hdl.families import VARIANTS, WITHOUT
from ..fpga.hdl.mapping import count
from ..fpga.hdl.terms import Cells, Terms
from ..fpga.resources import best_form, resources
from ..fpga.units.levels import growth
from ..fpga.units.rivals import inside
from ..fpga.units.window import WindowEngine, WindowParts

PLANE_BITS = 2
"""Bits up to which a codebook's bit planes are tried: beyond, they take several times more.  Levels
of one bit are two numbers."""

CODEBOOKS = ("codebook products", "codebook table")
KINDS = {
    "codebook": (*CODEBOOKS, "codebook planes"),
    "symmetric": (*CODEBOOKS, "codebook symmetric"),
}
"""How elements of codebooks may be built; other number systems have one way."""


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


def own_elements(engine: WindowEngine, form: str, family: str) -> Dressed:
    """The engine's own elements in a form."""
    return Dressed(form or "products", resources(engine, form, family).elements)


def evened(
    engine: MatrixVector | Depthwise, activation_bits: int, weight_bits: int, family: str
) -> tuple[MatrixVector | Depthwise, str]:
    """The same layer with even levels in place of uneven ones, and its smaller form.

    The weights' ranks among the levels of their output channel become odd codes.
    """
    name = f"evened {activation_bits} {weight_bits} {engine.fold.pe} {engine.fold.simd}"

    def with_even_levels() -> MatrixVector | Depthwise:
        op = replace(engine.op, levels=0, pad_value=0)
        top = (1 << activation_bits) - 1
        x = IntType(engine.inputs[0].shape, activation_bits, False, 0, top)
        codes = _odd_codes(engine.values(op.weight), weight_bits)
        constants = {**engine.constants, op.weight: Constant.odd(codes, weight_bits)}
        y = op.infer({op.inputs[0]: x}, constants)
        return replace(engine, op=op, inputs=(x,), output=y, constants=constants, facts={})

    layer = engine.fact(name, with_even_levels)
    return layer, best_form(layer, family)


def _odd_codes(weights: IntArray, bits: int) -> IntArray:
    ranks = [np.unique(row, return_inverse=True)[1].reshape(row.shape) for row in weights]
    return 2 * np.stack(ranks).astype(np.int64) - ((1 << bits) - 1)


def rival(engine: WindowEngine, numbers: str, family: str, *, dsp: bool) -> Dressed:
    """Elements of another number system; of codebooks the cheapest one with or without DSPs."""
    kinds: tuple[str, ...] = KINDS.get(numbers, (numbers,))
    element = WindowParts(engine, engine.forms[0], VARIANTS[family]).element
    if max(element.operand, element.weight) > PLANE_BITS or element.weight < 2:
        kinds = tuple(kind for kind in kinds if numbers not in KINDS or kind in CODEBOOKS)
    built = [_dressed(engine, kind, family, dsp=dsp) for kind in kinds]
    return min(built, key=lambda d: (d.cells.dsp if not dsp else 0, d.cells.lut))


def _dressed(engine: WindowEngine, numbers: str, family: str, *, dsp: bool) -> Dressed:
    device = VARIANTS[family if dsp else family + WITHOUT]
    element = WindowParts(engine, engine.forms[0], device).element
    cycles = max(1, getattr(engine.timing, "result_cycles", 1))

    def counted() -> Cells:
        terms = Terms()
        first, *once = inside(element, numbers, cycles, device.lut)
        terms.add(count(first, device), engine.fold.pe)
        for module in once:  # elements of a depthwise convolution read operands of their own
            terms.add(count(module, device), engine.fold.pe if engine.kind == "depthwise" else 1)
        return terms.cells(device.id)

    more = growth(numbers, element.operand, element.weight)
    key = f"dressed {device.id} {numbers} {engine.fold.pe} {engine.fold.simd}"
    return Dressed(numbers, engine.fact(key, counted), more)
