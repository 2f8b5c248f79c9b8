"""Processing elements of other number systems, built as this datapath's are.

A comparison puts them in the place of a unit's own; RTL and cells are read off them as off any
other module, and ``rival_unit`` is the whole of them, for simulation and synthesis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from ..hdl.module import Module
from ..hdl.words import ZERO, Word, elements, join, lookup
from .element import Element, accumulated, tree
from .level_planes import PLANES, offset_name, plane_element, plane_offset, product_of, stages
from .levels import LEVEL_BITS, activation_levels, growth, levels_of, power_levels, weight_levels


def widened(element: Element, numbers: str) -> Element:
    """Return the element with an accumulator for a number system's levels."""
    more = growth(numbers, element.operand, element.weight)
    return replace(
        element, accumulator=element.accumulator + more, accumulator_signed=True, group=0
    )


def inside(element: Element, numbers: str, cycles: int, lut: int) -> list[Module]:
    """Return the module of one processing element, and those that a unit has once.

    Args:
        element: what it stands for.
        numbers: of ``RIVALS``.
        cycles: of a result, in which bit planes share their multipliers.
        lut: inputs of the device's LUTs.
    """
    wide = widened(element, numbers)
    made = [rival_element(wide, numbers, cycles, lut)]
    if numbers == "codebook products":
        made.append(decoder(element.operand, element.simd))
    elif numbers.startswith("codebook") and numbers in PLANES:
        made.append(masks(element.operand, element.simd))
    if "offset" in made[0].inputs:
        made.append(plane_offset(wide, numbers, cycles, lut))
    return made


@cache
def decoder(bits: int, lanes: int) -> Module:
    """Return the levels of the operands, once for all processing elements."""
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
    """Return the products of every set of an operand's bits, once for all processing elements."""
    m = Module(f"masks{lanes}_u{bits}")
    found = [
        product_of(x, chosen)
        for x in elements(m.input("x", lanes * bits), bits, False)
        for chosen in range(1, 1 << bits)
    ]
    m.output("masks", join(found))
    return m


@cache
def rival_element(element: Element, numbers: str, cycles: int, lut: int) -> Module:
    """Return a processing element of another number system, with the ports of ``Element``'s.

    Bit planes have an ``offset``, too, where codes of 0 stand for something; their results come
    ``level_planes.Stages`` later.
    """
    if numbers in PLANES:
        return plane_element(element, numbers, cycles, lut)
    m = Module(f"{element.name}_{numbers.replace(' ', '_')}")
    width = LEVEL_BITS if numbers == "codebook products" else element.operand
    operands = elements(m.input("x", element.simd * width), width, False)
    weights = elements(m.input("w", element.simd * element.weight), element.weight, False)
    terms = [_product(element, numbers, a, q) for a, q in zip(operands, weights, strict=True)]
    (term,) = tree(m, [m.register(term) for term in terms], "sum")
    m.output("sum", accumulated(m, element, term, "sum"))
    return m


def rival_unit(element: Element, numbers: str, cycles: int, lut: int, pe: int) -> Module:
    """Return processing elements of another number system with what they share, for whole results.

    Ports: ``x``, codes of operands; ``w{k}``, codes of an element's weights; ``valid``: they are
    there, ``first``: as the first ones of a result; ``sum{k}``, from ``waiting`` cycles after the
    ``first`` of the next result.
    """
    first, *once = inside(element, numbers, cycles, lut)
    m = Module(f"unit{pe}_{first.name}")
    x = m.input("x", element.simd * element.operand)
    counting = stages(element, numbers, cycles, lut).counting
    controls = {
        name: m.delayed(m.input(name), counting, reset=name == "valid")
        for name in ("valid", "first")
    }
    shared: dict[str, Word] = {"x": x}
    for module in once:
        if module.name.startswith(offset_name(numbers)):
            inner = m.place("offset", module, {"x": x, **controls})
            shared["offset"] = inner.outputs["offset"]
        else:
            (shared["x"],) = m.place("shared", module, {"x": x}).outputs.values()
    for k in range(pe):
        w = m.input(f"w{k}", element.simd * element.weight)
        inner = m.place(f"pe{k}", first, {**shared, **controls, "w": w})
        m.output(f"sum{k}", inner.outputs["sum"])
    return m


def waiting(element: Element, numbers: str, cycles: int, lut: int) -> int:
    """Return cycles from the ``first`` of the next result until a result of ``rival_unit`` is
    there.
    """
    how = stages(element, numbers, cycles, lut)
    return how.counting + how.settled


def _product(element: Element, numbers: str, a: Word, q: Word) -> Word:
    if numbers == "codebook products":
        return a * lookup(q, weight_levels(element.weight))
    if numbers == "codebook table":
        activations, weights = levels_of(numbers, element.operand, element.weight)
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


def _digit(at: int, bits: int) -> Sequence[int]:
    """Return what the two bits of a code from ``at`` on stand for."""
    levels = power_levels(bits)
    return [levels[min(k << at, len(levels) - 1)] for k in range(4)]
