"""Synthesize each rival once: ``python -m n2uqc.backends.cost.measure --family xc7``.

Quantizers of one lane at 64 channels, and dot products of 16 lanes for several results, in every
form that a comparison counts: what was counted is printed beside what yosys makes of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from n2uqc.passes.program import Constant, ConstRef, Conv, IntType

from ..fpga.engines import Fold
from ..fpga.engines.matrix_vector import MatrixVector
from ..fpga.hdl.families import FAMILIES, VARIANTS, WITHOUT
from ..fpga.hdl.mapping import count
from ..fpga.hdl.module import Module
from ..fpga.hdl.terms import Cells
from ..fpga.units import Style, unit_of
from ..fpga.units.levels import RIVALS
from ..fpga.units.rivals import rival_unit
from ..fpga.units.window import WindowParts, dot_products
from .dress import PLANE_BITS
from .uniform import SCALES, example, requantizer

WIDTH, CHANNELS = 16, 64
"""Accumulator bits and channels of the quantizers."""

LANES, RESULTS, CYCLES = 16, 4, 9
"""Operands a cycle of a dot product, results side by side, and cycles of a result."""


@dataclass(frozen=True)
class Rival:
    """A unit to synthesize.

    Attributes:
        name: of the method and form.
        family: of ``hdl.families.VARIANTS``.
        module: its hardware.
    """

    name: str
    family: str
    module: Module

    @property
    def counted(self) -> Cells:
        """What is counted of it."""
        device = VARIANTS[self.family]
        return count(self.module, device).cells(device.id)


def layer(bits: int) -> MatrixVector:
    """A convolution of codes with odd weights whose processing elements stand for the rivals'."""
    rng, top = np.random.default_rng(0), (1 << bits) - 1
    shape = (RESULTS, 3, 3, LANES)
    constants = {"w": Constant.odd(2 * rng.integers(0, top + 1, shape) - top, bits)}
    op = Conv(output="y", inputs=("x",), weight=ConstRef("w"), pads=(1, 1, 1, 1))
    x = IntType((8, 8, LANES), bits, False, 0, top)
    result = replace(op.infer({"x": x}, constants), bits=WIDTH)
    engine = MatrixVector(op=op, inputs=(x,), output=result, constants=constants)
    return cast("MatrixVector", engine.folded(Fold(RESULTS, LANES)))


def rivals(bits: int, family: str) -> list[Rival]:
    """Every unit of a comparison at so many bits."""
    device, found = FAMILIES[family], []
    quantizer = example(WIDTH, bits, CHANNELS)
    for form in quantizer.forms:
        found.append(Rival(f"thresholds, {form}", family, unit_of(quantizer, Style(form, device))))
    for scale, width in SCALES.items():
        for variant in (family, family + WITHOUT)[: 1 if width == 1 else 2]:
            engine = requantizer(quantizer, width)
            module = unit_of(engine, Style("", VARIANTS[variant]))
            found.append(Rival(scale + variant.removeprefix(family), variant, module))
    own = layer(bits)
    for form in own.forms:
        found.append(Rival(f"N2UQ {form}", family, dot_products(own, form, device)))
    element = WindowParts(own, own.forms[0], device).element
    for numbers in RIVALS:
        planes = numbers in ("codebook planes", "codebook symmetric")
        if not planes or 1 < bits <= PLANE_BITS:  # levels of one bit are two numbers
            module = rival_unit(element, numbers, CYCLES, device.lut, RESULTS)
            found.append(Rival(numbers, family, module))
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Synthesize and print."""
    from ..fpga.rtl.synthesis import synthesize_modules, yosys_version

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--family", default="xc7", choices=list(FAMILIES))
    parser.add_argument("--bits", type=int, nargs="+", default=[2, 3, 4], choices=[1, 2, 3, 4])
    parser.add_argument("--only", metavar="TEXT", default="", help="units with this in their names")
    options = parser.parse_args(argv)
    title = f"{options.family}, {yosys_version()}"
    print(f"{title:38}{'LUT':>13}{'FF':>13}{'DSP':>9}{'BRAM18':>9}")
    for bits in options.bits:
        wanted = [r for r in rivals(bits, options.family) if options.only in r.name]
        for variant in dict.fromkeys(r.family for r in wanted):
            part = [r for r in wanted if r.family == variant]
            made = synthesize_modules([r.module for r in part], VARIANTS[variant])
            for rival, cells in zip(part, made, strict=True):
                name, counted = f"{bits} bit {rival.name}", rival.counted
                print(
                    f"{name:38}{_pair(counted.lut, cells.lut):>13}{_pair(counted.ff, cells.ff):>13}"
                    f"{_pair(counted.dsp, cells.dsp):>9}{_pair(counted.bram18, cells.bram18):>9}",
                    flush=True,
                )
    print("counted / synthesized")
    return 0


def _pair(counted: int, made: int) -> str:
    return f"{counted} / {made}"


if __name__ == "__main__":
    raise SystemExit(main())
