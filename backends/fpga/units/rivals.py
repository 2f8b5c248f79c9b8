"""Processing elements of other number systems, built as this datapath's are.

A comparison puts them in the place of a unit's own; RTL and cells are read off them as off any
other module.  Levels of arbitrary codebooks are examples of ``LEVEL_BITS`` bits, as LCQ has them
(Yamamoto, CVPR 2021): a network that was trained with a codebook has its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from math import ceil

from ..hdl.module import Module
from ..hdl.words import ONE, ZERO, Word, choose, elements, join, lookup
from .element import Element, tree

LEVEL_BITS = 8
COEFFICIENT_BITS = 8
"""Of LQ-Nets' real coefficients, in fixed point."""

RIVALS = ("codebook products", "codebook table", "codebook planes", "apot", "lqnets")
"""Number systems: codebooks by a multiplier a lane, by tabulated products and by bit planes, sums
of powers of two by shift and add (APoT), levels on learned bases by bit planes (LQ-Nets)."""


def growth(element: Element, numbers: str) -> int:
    """Bits that an accumulator gains: codebook levels reach 255 and 127, APoT's a power of two."""
    if numbers == "apot":
        magnitude = max(1, element.weight - 1)
        operands, weights = (max(power_levels(b)) for b in (element.operand, magnitude))
        return operands.bit_length() - element.operand + weights.bit_length() - magnitude
    if not numbers.startswith("codebook"):
        return 0
    return max(0, LEVEL_BITS - element.operand) + max(0, LEVEL_BITS - 1 - element.weight)


def inside(element: Element, numbers: str, cycles: int) -> list[Module]:
    """The module of one processing element, and those that a unit has once."""
    wide = replace(
        element,
        accumulator=element.accumulator + growth(element, numbers),
        accumulator_signed=True,
        group=0,
    )
    made = [rival_element(wide, numbers, cycles)]
    if numbers == "codebook products":
        made.append(decoder(element.operand, element.simd))
    elif numbers == "codebook planes":
        made.append(masks(element.operand, element.simd))
    return made


def activation_levels(bits: int) -> list[int]:
    """Output levels of a quantizer's codes, ascending from 0: an example."""
    top = (1 << bits) - 1
    return [round(255 * (k / top) ** 1.5) for k in range(top + 1)]


def weight_levels(bits: int) -> list[int]:
    """Levels of two's complement codes, as an index: sign-symmetric, no zero."""
    half = 1 << (bits - 1)
    rising = [round(127 * ((k + 1) / half) ** 1.5) for k in range(half)]
    return [*rising, *(-level for level in reversed(rising))]


def power_levels(bits: int) -> list[int]:
    """Sums of powers of two (Li et al., ICLR 2020), as integers: of two bits each one of them."""
    terms = ceil(bits / 2)
    levels = [0] * (1 << bits)
    for code in range(1 << bits):
        for term in range(terms):
            digit = code >> (2 * term) & 3
            if digit:
                levels[code] += 1 << ((digit - 1) * terms + terms - 1 - term)
    return levels


@cache
def decoder(bits: int, lanes: int) -> Module:
    """The levels of the operands, once for all processing elements."""
    m = Module(f"levels{lanes}_u{bits}")
    levels = activation_levels(bits)
    found = [
        lookup(x, levels).extended(LEVEL_BITS)
        for x in elements(m.input("x", lanes * bits), bits, False)
    ]
    m.output("levels", join(found))
    return m


@cache
def masks(bits: int, lanes: int) -> Module:
    """The products of the operands' bits, once for all processing elements."""
    m = Module(f"masks{lanes}_u{bits}")
    found = [_masks(x, True) for x in elements(m.input("x", lanes * bits), bits, False)]
    m.output("masks", join(bit for lane in found for bit in lane))
    return m


@cache
def rival_element(element: Element, numbers: str, cycles: int) -> Module:
    """A processing element of another number system, with the ports and stages of ``Element``'s.

    Args:
        element: what it stands for.
        numbers: of ``RIVALS``.
        cycles: of a result, in which LQ-Nets' and codebooks' planes share their multipliers.
    """
    m = Module(f"{element.name}_{numbers.replace(' ', '_')}{cycles}")
    if numbers in ("lqnets", "codebook planes"):
        _planes(m, element, numbers, cycles)
        return m
    width = LEVEL_BITS if numbers == "codebook products" else element.operand
    operands = elements(m.input("x", element.simd * width), width, False)
    weights = elements(m.input("w", element.simd * element.weight), element.weight, False)
    terms = [_product(element, numbers, a, q) for a, q in zip(operands, weights, strict=True)]
    (term,) = tree(m, [m.register(term) for term in terms], "sum")
    m.output("sum", _accumulated(m, element, term, "sum"))
    return m


def _accumulated(m: Module, element: Element, term: Word, name: str) -> Word:
    valid, first = _controls(m)
    total = m.holder(element.accumulator, name)
    kept = total.as_signed() if element.accumulator_signed else total
    result = (term + choose(first, 0, kept)).cut(element.accumulator, element.accumulator_signed)
    m.assign(total, result.extended(element.accumulator), valid)
    return kept


def _controls(m: Module) -> tuple[Word, Word]:
    ports = [m.inputs[name] if name in m.inputs else m.input(name) for name in ("valid", "first")]
    return ports[0], ports[1]


def _product(element: Element, numbers: str, a: Word, q: Word) -> Word:
    if numbers == "codebook products":
        return a * lookup(q, weight_levels(element.weight))
    if numbers == "codebook table":
        activations, weights = activation_levels(element.operand), weight_levels(element.weight)
        return lookup(join([a, q]), [x * w for w in weights for x in activations])
    # powers of two: each pair of digits is a shift, its sign that of the weight
    total: Word = ZERO
    magnitude = max(1, element.weight - 1)
    negative = q[element.weight - 1]
    for i in range(0, element.operand, 2):
        left = _digit(i, element.operand)
        for j in range(0, magnitude, 2):
            right = _digit(j, magnitude) if element.weight > 1 else [1, 1]
            parts = [a[i : i + 2] if i + 2 <= element.operand else a[i]]
            parts.append(q[j : j + 2] if j + 2 <= magnitude else q[j])
            values = [
                x * w for w in right[: 1 << parts[1].width] for x in left[: 1 << parts[0].width]
            ]
            shifted = lookup(join([*parts, negative]), [*values, *(-v for v in values)])
            total = total + shifted
    return total


def _digit(at: int, bits: int) -> list[int]:
    """What the two bits of a code from ``at`` on stand for."""
    levels = power_levels(bits)
    return [levels[min(k << at, len(levels) - 1)] for k in range(4)]


def _planes(m: Module, element: Element, numbers: str, cycles: int) -> None:
    """Sums of pairs of bits (of codebooks: products of bits), then a coefficient for each sum."""
    whole = numbers == "codebook planes"
    width = (1 << element.operand) - 1 if whole else element.operand
    operands = elements(m.input("x", element.simd * width), width, False)
    weights = elements(m.input("w", element.simd * element.weight), element.weight, False)
    left = [_masks(a, False) for a in operands]
    right = [_masks(q, whole) for q in weights]
    valid, first = _controls(m)
    least = element.accumulator - element.operand - element.weight
    counter = max(4, least - (2 * LEVEL_BITS - element.operand - element.weight) * whole)
    sums: list[Word] = []
    for p in range(len(left[0])):
        for q in range(len(right[0])):
            bits = [part for a, w in zip(left, right, strict=True) for part in (a[p], w[q])]
            # three pairs are six inputs: a LUT for each bit of their count
            groups = [join(bits[k : k + 6]) for k in range(0, len(bits), 6)]
            (term,) = tree(m, [m.register(_pairs(group)) for group in groups], "sum")
            total = m.holder(counter, f"sum{p}_{q}")
            result = (term + choose(first, 0, total)).cut(counter, False)
            m.assign(total, result.extended(counter), valid)
            sums.append(total)
    _weighted(m, element, sums, cycles, first)


def _masks(code: Word, whole: bool) -> list[Word]:
    """The bits of a code; with ``whole``, products of every set of them but the empty one."""
    bits = [code[k] for k in range(code.width)]
    if not whole:
        return bits
    found = []
    for chosen in range(1, 1 << len(bits)):
        product: Word = ONE
        for k, bit in enumerate(bits):
            if chosen >> k & 1:
                product = product & bit
        found.append(product)
    return found


def _pairs(bits: Word) -> Word:
    """How many pairs of bits, side by side, are both set."""
    ones = [bin(k & k >> 1 & 0x15).count("1") for k in range(1 << bits.width)]
    return lookup(bits, ones)


def _weighted(m: Module, element: Element, sums: Sequence[Word], cycles: int, first: Word) -> None:
    """Multiply finished sums by coefficients, by as few multipliers as the cycles allow."""
    lanes = min(len(sums), ceil(len(sums) / cycles))
    turns = ceil(len(sums) / lanes)
    finished = []
    for total in sums:
        kept = m.holder(total.width, "finished")
        m.assign(kept, total, first)
        finished.append(kept)
    turn = m.state(0, max(1, turns - 1), name="turn")
    m.assign(turn, choose(first, 0, turn + 1).within(0, max(1, turns - 1)))
    terms = []
    for lane in range(lanes):
        own: list[Word] = [*finished[lane::lanes]]
        chosen: Word = own[0]
        for k, each in enumerate(own[1:], 1):
            chosen = choose(turn.equals(k), each, chosen)
        coefficients = [(37 * (lane + k * lanes) + 29) % 255 - 127 for k in range(len(own))]
        padded = coefficients + [0] * ((1 << turn.width) - len(coefficients))
        terms.append(m.register(chosen * lookup(turn, padded)))
    (term,) = tree(m, terms, "sum")
    bits = element.accumulator
    result = m.holder(bits, "weighted")
    so_far = choose(turn.equals(0), 0, result.as_signed())
    m.assign(result, (term + so_far).cut(bits, True).extended(bits))
    m.output("sum", result.as_signed())
