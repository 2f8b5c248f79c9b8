"""Multiply-accumulate arrays of PE x SIMD lanes.

The figures of low-bit lanes come from synthesized 16-lane dot products, which include tree and
accumulator; for another SIMD the accumulator's share is subtracted from the lanes and added once
per PE. Fixed-point lanes multiply in DSPs and are a model.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..technology import Basis, Technology
from .requantizer import dsp_tiles
from .resources import Resources

DOT_LANES = 16
DOT_ACCUMULATOR = 16  # bits, and so LUTs, of the accumulator in the synthesized dot products
LEVEL_BITS = 8  # bits of an arbitrary codebook's levels (8 in LCQ, Yamamoto, CVPR 2021)


@dataclass(frozen=True)
class MacShape:
    """Shape of a MAC array: operand and accumulator bits, lanes, cycles per output."""

    activation_bits: int
    weight_bits: int
    accumulator: int
    pe: int
    simd: int
    cycles: int = 1

    @property
    def lanes(self) -> int:
        return self.pe * self.simd


def product_bits(kind: str, shape: MacShape) -> int:
    """Return the width of a product at the input of the adder tree."""
    if kind.startswith("codebook"):
        return 2 * LEVEL_BITS
    return shape.activation_bits + shape.weight_bits + 1


def registers(kind: str, shape: MacShape) -> float:
    """Return FFs: the input word, and for each PE a register
    after the adder tree and the accumulator.
    """
    tree = product_bits(kind, shape) + (shape.simd - 1).bit_length()
    return shape.simd * shape.activation_bits + shape.pe * (tree + shape.accumulator)


def low_bit_array(kind: str, shape: MacShape, technology: Technology) -> Resources:
    """Return an array of low-bit lanes.

    Args:
        kind: ``direct`` (b x b product), ``planes`` (AND, popcount, shared sum of activations),
            ``apot`` (shift and add), ``lqnets`` (planes, and b_a*b_w real coefficients per output),
            ``codebook`` (decode and 8 x 8 product in LUTs) or ``codebook-dsp``.
        shape: widths and lanes.
        technology: the family.
    """
    dsp = 0.0
    if kind == "codebook-dsp":
        bits = max(shape.activation_bits, shape.weight_bits)
        lane, dsp = technology.codebook_dsp_lut.at(bits), float(shape.lanes)
    else:
        lane = technology.mac[kind].at(shape.activation_bits * shape.weight_bits)
    if kind == "lqnets":
        coefficients = shape.activation_bits * shape.weight_bits
        dsp = shape.pe * float(-(-coefficients // shape.cycles))
    basis = lane.basis
    if shape.simd != DOT_LANES or shape.activation_bits != shape.weight_bits:
        basis = max(basis, Basis.INTERPOLATED)
    if kind in technology.stand_ins:
        basis = max(basis, Basis.MODEL)
    tree = shape.simd * (lane.value - DOT_ACCUMULATOR / DOT_LANES)
    lut = shape.pe * (tree + shape.accumulator)
    return Resources(lut, registers(kind, shape), dsp, basis=basis)


def cheapest_plain(shape: MacShape, technology: Technology) -> str:
    """Return ``direct`` or ``planes``, whichever takes fewer LUTs."""
    return min(
        ("direct", "planes"),
        key=lambda kind: technology.mac[kind].at(shape.activation_bits * shape.weight_bits).value,
    )


def fixed_array(shape: MacShape, technology: Technology) -> Resources:
    """Return fixed-point lanes in DSPs: a single DSP accumulates inside,
    several are added in LUTs.
    """
    tiles = dsp_tiles(shape.activation_bits, shape.weight_bits, technology)
    product = shape.activation_bits + shape.weight_bits
    glue = 0 if tiles == 1 else (tiles - 1) * product + shape.accumulator
    ff = shape.simd * shape.activation_bits + (0 if tiles == 1 else shape.pe * shape.accumulator)
    return Resources(glue * shape.lanes, ff, tiles * shape.lanes, basis=Basis.MODEL)
