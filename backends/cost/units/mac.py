"""Multiply-accumulate arrays of PE x SIMD lanes.

Low-bit lanes come from synthesized 16-lane dot products (tree and accumulator included); at another
SIMD the accumulator's share is taken out and put back once a PE.  Fixed-point lanes multiply in
DSPs and are a model.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..technology import Basis, Technology
from .requantizer import dsp_tiles
from .resources import Resources

DOT_LANES = 16
DOT_ACCUMULATOR = 16  # bits, so LUT, of the accumulator inside the synthesized dots
LEVEL_BITS = 8  # of an arbitrary codebook's output levels (LCQ, Yamamoto, CVPR 2021, uses 8)


@dataclass(frozen=True)
class MacShape:
    """What an array computes: operand bits, accumulator bits, its lanes, cycles an output."""

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
    """Width of one product entering the adder tree."""
    if kind.startswith("codebook"):
        return 2 * LEVEL_BITS
    return shape.activation_bits + shape.weight_bits + 1


def registers(kind: str, shape: MacShape) -> float:
    """FF: input word, one register behind the adder tree of each PE, its accumulator."""
    tree = product_bits(kind, shape) + (shape.simd - 1).bit_length()
    return shape.simd * shape.activation_bits + shape.pe * (tree + shape.accumulator)


def low_bit_array(kind: str, shape: MacShape, technology: Technology) -> Resources:
    """An array of low-bit lanes.

    Args:
        kind: ``direct`` (b x b product), ``planes`` (AND, popcount, shared sum of activations),
            ``apot`` (shift and add), ``lqnets`` (planes, and b_a*b_w real coefficients an output),
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
    """``direct`` or ``planes``, whichever takes fewer LUTs."""
    return min(
        ("direct", "planes"),
        key=lambda kind: technology.mac[kind].at(shape.activation_bits * shape.weight_bits).value,
    )


def fixed_array(shape: MacShape, technology: Technology) -> Resources:
    """Fixed-point lanes in DSPs: a single tile accumulates inside, several add in LUTs."""
    tiles = dsp_tiles(shape.activation_bits, shape.weight_bits, technology)
    product = shape.activation_bits + shape.weight_bits
    glue = 0 if tiles == 1 else (tiles - 1) * product + shape.accumulator
    ff = shape.simd * shape.activation_bits + (0 if tiles == 1 else shape.pe * shape.accumulator)
    return Resources(glue * shape.lanes, ff, tiles * shape.lanes, basis=Basis.MODEL)
