"""Products: multiplier blocks, several of which make a wide one, or LUTs."""

from __future__ import annotations

from math import ceil

from .families import Family
from .sums import chain, short_sum
from .terms import Terms
from .words import Word


def blocks_of(a: Word, b: Word, family: Family) -> int:
    """Return the multiplier blocks that synthesis makes of a product; none if it is too narrow, or
    no product.

    A constant counts without its sign.
    """
    wide, narrow = max(a.width, b.width), min(a.width, b.width)
    for factor in (a, b):
        if factor.op == "constant" and not factor.lo & (factor.lo - 1):
            return 0
    if family.dsp is None or wide + narrow < family.least or narrow < 2:
        return 0
    if family.packs > family.dsp[0]:  # parts that are tiny are LUTs
        return sum(min(x, y) >= 2 and x + y >= family.least for x, y in _tiles(a, b, family))
    high, low = ceil((wide - 1) / family.dsp[0]), ceil((narrow - 1) / family.dsp[1])
    return max(1, high) * max(1, low)


def _widths(a: Word, b: Word) -> tuple[int, int]:
    """Return the bits of both operands, which both have a sign if one has."""
    signed = a.signed or b.signed
    return a.width + (signed and not a.signed), b.width + (signed and not b.signed)


def _tiles(a: Word, b: Word, family: Family) -> list[tuple[int, int]]:
    """Return the bits of each product of parts of the operands."""
    parts = []
    for width in _widths(a, b):
        rest = width % family.packs
        parts.append([family.packs] * (width // family.packs) + [rest] * (rest > 0))
    return [(x, y) for x in parts[0] for y in parts[1]]


def place_product(terms: Terms, a: Word, b: Word, family: Family) -> None:
    """Count a product: multiplier blocks, or LUTs if it is too narrow."""
    tiles = blocks_of(a, b, family)
    if tiles:
        terms.dsp += tiles
        if family.dsp and family.packs > family.dsp[0]:
            if not family.adds:
                parts = max(_widths(a, b)), min(_widths(a, b))
                _join(terms, *parts, a.width + b.width, family, signed=a.signed or b.signed)
                return
            tiles = len(_tiles(a, b, family))
        # a block adds another one's product
        joined = max(0, tiles - (2 if family.adds else 1))
        terms.lut["product join"] += joined * (a.width + b.width)
    elif "constant" not in (a.op, b.op):
        terms.lut["product"] += a.width * b.width


def _join(terms: Terms, wide: int, narrow: int, most: int, family: Family, *, signed: bool) -> None:
    """Count the sums of the products of parts, as ``mul2dsp`` takes a product apart: the wider
    operand first.  A part of a single bit, the sign, takes the other operand away.

    Args:
        terms: where it is counted.
        wide, narrow: bits of the operands.
        most: bits of the product that there are at all.
        family: whose blocks.
        signed: the operands have signs.
    """
    wide, narrow = max(wide, narrow), min(wide, narrow)
    if wide > family.packs:
        rest = wide - family.packs
        _sum(terms, min(rest + narrow, most - family.packs), family)
        _join(terms, family.packs, narrow, family.packs + narrow, family, signed=signed)
        _join(terms, rest, narrow, most - family.packs, family, signed=signed)
    elif narrow == 1:
        terms.lut["mask"] += wide
        if signed:
            _sum(terms, min(wide + 1, most), family)
    elif wide + narrow < family.least:
        terms.lut["product"] += wide * narrow


def _sum(terms: Terms, bits: int, family: Family) -> None:
    if bits < family.least_chain:
        terms.lut["short sum"] += short_sum(bits, bits, family)
    else:
        chain(terms, bits, family)
