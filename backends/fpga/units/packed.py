"""Several low-bit products in one multiplier block: results side by side share an operand.

Processing elements see the same operands.  So weights of several of them lie side by side in the
wide operand of one block, far enough apart for their products not to meet:

    a (u_0 + 2**s u_1 + 2**2s u_2) = a u_0 + 2**s a u_1 + 2**2s a u_2

Signed weights would borrow from the product above.  With w = c u - n (u the code from 0 on; of odd
weights c is 2 and n is 2**bits - 1, else c is 1 and n half of the codes) nothing is negative, and
n times the sum of all operands, one sum for all elements, is taken from each result at the end: the
correction of all borrows at once.  Where blocks add, the products of two operands are summed in
them before they are taken apart, so the adder tree begins with half of its terms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil

from ..hdl.families import Family
from ..hdl.module import Module
from ..hdl.words import Word, elements, join, pattern
from .element import Element, accumulated, tree


@dataclass(frozen=True)
class BlockPacking:
    """How products share a block.

    Attributes:
        results: processing elements whose products one block makes.
        stride: bits from one product to the next.
        paired: products of two operands are added before they are taken apart.
    """

    results: int
    stride: int
    paired: bool


def packing(element: Element, results: int, family: Family) -> BlockPacking:
    """Return the packing of at most so many results, of which a block holds as many as fit."""
    paired = family.adds and element.simd > 2
    most = element.greatest * ((1 << element.weight) - 1) * (1 + paired)
    stride, fixed = most.bit_length(), element.weight
    fit = max(1, min(results, (family.packs - fixed) // stride + 1))
    if fit > 1:  # narrow products would not go into a block
        short = family.least - element.operand - fixed - (fit - 1) * stride
        stride += max(0, ceil(short / (fit - 1)))
    return BlockPacking(fit, stride, paired)


def packed_elements(element: Element, pe: int, family: Family) -> list[tuple[Module, int]]:
    """Return the modules that so many processing elements are, each of several, with how many
    there are.

    As few blocks as possible, and of those as even as possible.
    """
    most = packing(element, pe, family).results
    groups = ceil(pe / most)
    fewer, larger = divmod(pe, groups)
    made = [(fewer + 1, larger), (fewer, groups - larger)]
    return [
        (packed_element(element, packing(element, results, family), results), copies)
        for results, copies in made
        if copies
    ]


@cache
def packed_element(element: Element, how: BlockPacking, results: int) -> Module:
    """Return several processing elements, in the stages of ``element.processing_element``.

    Ports: as there, but ``w`` holds codes from 0 on, those of an element side by side, and there is
    a ``sum{k}`` of each element.
    """
    e = element
    m = Module(f"{e.name}_in{results}x{how.stride}{'_paired' * how.paired}")
    operands = elements(m.input("x", e.simd * e.operand), e.operand, False)
    weights = elements(m.input("w", results * e.simd * e.weight), e.weight, False)
    offset = m.input("offset", e.most_offset.bit_length()).within(0, e.most_offset)
    packed = []
    for lane, a in enumerate(operands):
        parts: list[Word] = []
        for k in range(results):
            parts += [weights[k * e.simd + lane], pattern(0, how.stride - e.weight)]
        wide = join(parts[:-1])
        packed.append(m.register(a * wide))
    stages = (e.simd - 1).bit_length()
    if how.paired:
        packed, stages = tree(m, packed, "sum", 1), stages - 1
    most = e.greatest * ((1 << e.weight) - 1) * (1 + how.paired)
    for k in range(results):
        at = k * how.stride
        terms = [_field(word, at, how.stride, most, last=k == results - 1) for word in packed]
        # the last stage adds all that is left, and the offset
        terms = tree(m, terms, "sum", stages - 1)
        total = terms[0] if len(terms) == 1 else terms[0] + terms[1]
        total = (total << e.scale) - offset
        term = m.register(total.within(-e.most_offset, e.most_offset))
        m.output(f"sum{k}", accumulated(m, e, term, f"sum{k}"))
    return m


def _field(word: Word, at: int, stride: int, most: int, *, last: bool) -> Word:
    stop = min(word.width, at + most.bit_length()) if last else at + stride
    return word[at:stop].within(0, most)
