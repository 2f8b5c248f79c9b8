"""Sums and comparisons as carry chains."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import ceil

from .families import Family
from .netlist import Netlist
from .terms import Terms
from .truth_tables import luts
from .words import Word

_ONE = 1
"""A bit that is set; other bits are positive numbers, those turned around negative ones."""


@dataclass(frozen=True)
class Operand:
    """A term of a sum.

    Attributes:
        number: of the word.
        negative: it is subtracted.
    """

    number: int
    negative: bool


def partial_sums(
    netlist: Netlist, refs: Sequence[int], in_block: Collection[int]
) -> frozenset[int]:
    """Return sums that only another sum reads, in full: yosys' ``alumacc`` adds all
    terms at once.
    """
    found = set()
    for n, word in enumerate(netlist.words):
        if word.op in ("add", "subtract") and refs[n] and n not in in_block:
            for x in netlist.args[n]:
                inner = netlist.same(x)  # not of a sum that is shifted or cut below
                if (
                    netlist.words[inner].op in ("add", "subtract")
                    and refs[inner] == 1
                    and inner not in in_block
                    and not _cut(netlist.words[inner])
                ):
                    found.add(inner)
    return frozenset(found)


def _cut(word: Word) -> bool:
    """Tell whether a difference lost its sign, which ``alumacc`` takes for a bit that
    is missing.
    """
    return word.op == "subtract" and not word.signed


def summed(
    netlist: Netlist, n: int, partial: Collection[int], negative: bool = False
) -> list[Operand]:
    """Return what a sum adds up, partial sums taken apart."""
    result = []
    for k, x in enumerate(netlist.args[n]):
        inner = netlist.same(x)
        turned = negative != (k == 1 and netlist.words[n].op == "subtract")
        if inner in partial:
            result += summed(netlist, inner, partial, turned)
        else:
            result.append(Operand(x, turned))
    return result


def chain(terms: Terms, bits: int, family: Family) -> None:
    """Count a carry chain of so many bits, and the LUTs that are part of it."""
    if bits <= 0:
        return
    if family.chained:
        terms.lut["sum"] += family.carry * ceil(bits / family.carry)
    terms.carry += ceil(bits / family.carry)


def count_long_sum(
    terms: Terms, netlist: Netlist, n: int, operands: Sequence[Operand], family: Family
) -> None:
    """Count a sum of three terms or more: rows of full adders (yosys' ``maccmap``), then one chain.

    Of a full adder of which all but one input are constant nothing is left.  Where LUTs stand in
    front of the chain, the last two rows' sums are made in them.
    """
    columns = _columns(netlist, operands, netlist.need[n])
    fresh = 2 + max((abs(bit) for column in columns for bit in column), default=0)
    made: dict[tuple[int, ...], tuple[int, int]] = {}
    rows: list[int] = []
    turned: set[int] = set()
    # a third bit at the lowest place is the chain's carry in
    while max(map(len, columns[1:]), default=0) > 2 or len(columns[0]) > 3:
        before, adders = columns, 0
        columns = [[] for _ in before]
        for at, column in enumerate(before):
            taken, left = sorted(column[:3]), column[3:]
            wires = [bit for bit in taken if bit != _ONE]
            if len(taken) == 1 or not wires and len(taken) < 2:
                total: tuple[list[int], list[int]] = (taken, [])
            elif len(wires) < 2:
                ones = len(taken) - len(wires)
                if not wires:
                    total = ([_ONE] * (ones & 1), [_ONE] * (ones >> 1))
                else:
                    total = ([wires[0]], [_ONE]) if ones == 2 else ([-wires[0]], wires)
                    turned.update(wires * (ones == 1))
            else:
                key = tuple(taken)
                if key not in made:
                    made[key] = (fresh, fresh + 1)
                    fresh += 2
                    adders += 1
                total = ([made[key][0]], [made[key][1]])
            columns[at] += total[0] + left
            if at + 1 < len(columns):
                columns[at + 1] += total[1]
        rows.append(adders)
    if family.chained:
        terms.lut["inverter"] += len(turned)
        terms.lut["full adder" if len(rows) == 1 else "full adder before"] += 2 * sum(rows)
    else:
        terms.lut["full adder"] += sum(rows[-2:])
        terms.lut["full adder before"] += sum(rows[:-2])
    bits = {tuple(sorted(c)) for c in columns if len(c) == 2 and _ONE not in c}
    if len(columns) < family.least_chain:
        terms.lut["short sum"] += short_sum(len(columns), len(bits), family) if bits else 0
        return
    chain(terms, len(columns), family)
    if not family.chained:
        terms.lut["sum"] += len(bits)


def _columns(netlist: Netlist, operands: Sequence[Operand], width: int) -> list[list[int]]:
    """Return the bits that are added at each place: wires by number, constants 1, no zeros."""
    columns: list[list[int]] = [[] for _ in range(width)]
    first = 2
    for operand in operands:
        word, zeros = netlist.words[operand.number], netlist.zeros(operand.number)
        base = netlist.words[netlist.base(operand.number)]
        if base.op == "constant":
            value = -base.lo if operand.negative else base.lo
            value <<= zeros
            for at in range(width):
                columns[at] += [_ONE] * (value >> at & 1)
            continue
        fixed = _constant_bits(netlist, operand.number)
        for at in range(width):
            if at - zeros in fixed and zeros <= at:
                columns[at] += [_ONE] * (fixed[at - zeros] != operand.negative)
            elif at < zeros:
                if operand.negative:
                    columns[at].append(_ONE)
            elif at < word.width or word.signed:
                bit = first + min(at, word.width - 1)
                columns[at].append(-bit if operand.negative else bit)
            elif operand.negative:
                columns[at].append(_ONE)
        if operand.negative:
            columns[0].append(_ONE)
        first += word.width
    return columns


def _constant_bits(netlist: Netlist, n: int) -> dict[int, bool]:
    """Return the bits that are the same whatever is chosen or looked up, from the first one that
    is no shifted zero on.
    """
    n = netlist.base(n)
    word = netlist.words[n]
    values: tuple[int, ...] = ()
    if word.op == "choose" and all(a.op == "constant" for a in word.args[1:]):
        values = word.args[1].lo, word.args[2].lo
    elif word.op == "lookup":
        values = word.data
    elif word.op == "join":
        found, at = dict[int, bool](), 0
        for a in word.args:
            if a.op == "constant":
                found |= {at + k: bool(a.lo >> k & 1) for k in range(a.width)}
            at += a.width
        return found
    bits = {k: {bool(v >> k & 1) for v in values} for k in range(word.width)}
    return {k: either.pop() for k, either in bits.items() if len(either) == 1}


def count_sum(
    terms: Terms,
    netlist: Netlist,
    n: int,
    operands: Sequence[Operand],
    function: int | None,
    family: Family,
) -> None:
    """Count a sum of two terms: a LUT where both have bits; else a bit goes into the chain as it
    is.

    ``function`` is the operand that is worked out in these LUTs: every bit of it takes one.
    """
    width = netlist.need[n]
    words = [netlist.words[x.number] for x in operands]
    low = min(width, max(netlist.zeros(x.number) for x in operands))
    # bits below those of what is taken away are there already
    taken = [netlist.zeros(x.number) for x in operands if x.negative]
    made = width - min([*taken, width] if taken else [low])
    constant = any(word.op == "constant" for word in words)
    short = min(word.width for word in words)
    signs = any(word.signed for word in words if word.width == short)
    # the sign of a sum is made by the LUT of the sign before
    reach = max(word.width for word in words) if signs else short
    if reach <= low and not (taken or constant):
        return  # side by side
    if made < family.least_chain + constant:
        both = 0 if constant else min(made, reach - low)
        terms.lut["short sum"] += short_sum(made, both, family)
        return
    chain(terms, made, family)
    if family.chained or constant:
        return
    if function is not None:
        reach = max(reach, netlist.words[function].width)
    turned = netlist.words[n].op == "subtract" and not signs
    terms.lut["sum"] += min(made, max(0, reach - low) + turned)


def short_sum(made: int, both: int, family: Family) -> int:
    """Return the LUTs of a sum too short for a carry chain.

    Args:
        made: its bits.
        both: those at which both operands have one; none if one is constant.
        family: whose LUTs.
    """
    if not both:  # a bit looks at all below it
        return sum(luts(k + 1, family.lut) for k in range(1, made))
    # the carry into every place from the third one on is a function of its own
    return made + max(0, both - family.lut // 2)


def count_compare(terms: Terms, netlist: Netlist, n: int, family: Family) -> None:
    """Count a comparison.

    A LUT decides whether three bits (of LUTs with six inputs) are equal, another whether they are
    greater; a carry chain joins them (yosys' ``cmp2lcu``).  Of a constant no bits below its last
    one are looked at.  Some families have a chain of all bits.
    """
    a, b = (netlist.words[x] for x in netlist.args[n])
    width = max(a.width + (b.signed and not a.signed), b.width + (a.signed and not b.signed))
    stored = min(a.width, b.width)
    if "constant" in (a.op, b.op):
        end = b.lo if b.op == "constant" else a.lo + 1
        width = max(1, width - ((end & -end).bit_length() - 1)) if end else 1
        if width < 2:
            return
        stored = 0
    if family.chained:
        # the highest bit goes into what reads the comparison
        terms.lut["compare"] += family.carry * ((width - 1) // family.carry)
        terms.carry += (width - 1) // family.carry
    elif width <= family.lut:
        short = float(min(stored + 1, 2) if stored < width - 1 else width - 1)
        terms.lut["compare"] += max(1.0, short) if not stored else short
    else:
        terms.lut["compare"] += (width + stored) / (family.lut // 2)
        terms.carry += ceil(ceil(width / (family.lut // 2)) / family.carry)
