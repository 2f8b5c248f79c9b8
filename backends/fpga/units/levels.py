"""Levels of other number systems: what their codes stand for, as integers.

Levels of arbitrary codebooks are examples of ``LEVEL_BITS`` bits, as LCQ has them (Yamamoto, CVPR
2021), and so are LQ-Nets' bases: a network that was trained with either has its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

LEVEL_BITS = 8
COEFFICIENT_BITS = 8
"""Of LQ-Nets' real coefficients, products of two bases, in fixed point."""

BASES = (5, 7, 11, 15)
"""Of LQ-Nets: what the bits of a code stand for."""

RIVALS = (
    "codebook products",
    "codebook table",
    "codebook planes",
    "codebook symmetric",
    "apot",
    "lqnets",
)
"""Number systems: codebooks by a multiplier a lane, by tabulated products, by bit planes, and by
bit planes of levels that are sign-symmetric with a zero; sums of powers of two by shift and add
(APoT); levels on learned bases by bit planes (LQ-Nets)."""


def levels_of(numbers: str, operand: int, weight: int) -> tuple[list[int], list[int]]:
    """Return what codes of operands and of weights stand for, by code as an unsigned number.

    Args:
        numbers: of ``RIVALS``.
        operand, weight: bits of the codes.
    """
    if numbers == "apot":
        magnitudes = power_levels(max(1, weight - 1)) if weight > 1 else [1]
        return power_levels(operand), [*magnitudes, *(-level for level in magnitudes)]
    if numbers == "lqnets":
        return (
            [sum(b for k, b in enumerate(BASES) if code >> k & 1) for code in range(1 << operand)],
            [
                sum(b if code >> k & 1 else -b for k, b in enumerate(BASES[:weight]))
                for code in range(1 << weight)
            ],
        )
    if numbers == "codebook symmetric":
        return activation_levels(operand), symmetric_levels(weight)
    return activation_levels(operand), weight_levels(weight)


def growth(numbers: str, operand: int, weight: int) -> int:
    """Return the bits that an accumulator gains over that of even levels, the odd numbers of as
    many bits.
    """
    operands, weights = levels_of(numbers, operand, weight)
    gained = max(operands).bit_length() - operand
    return max(0, gained + max(map(abs, weights)).bit_length() - weight)


def activation_levels(bits: int) -> list[int]:
    """Return output levels of a quantizer's codes, ascending from 0: an example."""
    top = (1 << bits) - 1
    return [round(255 * (k / top) ** 1.5) for k in range(top + 1)]


def weight_levels(bits: int) -> list[int]:
    """Return levels of two's complement codes, as an index: no zero, and not symmetric."""
    half = 1 << (bits - 1)
    rising = [round(127 * ((k + 1) / half) ** 1.5) for k in range(half)]
    falling = [-round(119 * ((k + 1) / half) ** 1.3) for k in range(half)]
    return [*rising, *reversed(falling)]


def symmetric_levels(bits: int) -> list[int]:
    """Return levels of codes of sign and magnitude, the sign highest: sign-symmetric
    with a zero.
    """
    top = max(1, (1 << (bits - 1)) - 1)
    rising = [round(127 * (k / top) ** 1.5) for k in range(1 << (bits - 1))]
    return [*rising, *(-level for level in rising)]


def power_levels(bits: int) -> list[int]:
    """Return sums of powers of two (Li et al., ICLR 2020), as integers: of two bits each one of
    them.
    """
    terms = ceil(bits / 2)
    levels = [0] * (1 << bits)
    for code in range(1 << bits):
        for term in range(terms):
            digit = code >> (2 * term) & 3
            if digit:
                levels[code] += 1 << ((digit - 1) * terms + terms - 1 - term)
    return levels


def coefficients(levels: Sequence[int]) -> list[int]:
    """Return levels as a sum over sets of a code's bits: a coefficient for the product of each set.

    The set of no bits comes first; ``levels[code]`` is the sum of the coefficients of all sets of
    bits that are 1 in the code (the Möbius transform over subsets).
    """
    found = list(levels)
    bit = 1
    while bit < len(found):
        for chosen in range(len(found)):
            if chosen & bit:
                found[chosen] -= found[chosen ^ bit]
        bit <<= 1
    return found
