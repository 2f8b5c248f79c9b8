"""Counts what synthesis makes of a module: LUTs, flip-flops, carry cells and blocks.

Words are mapped onto cells as yosys does it: an addition is a carry chain, a function of few bits a
LUT a bit, into which functions in front of it go that nothing else reads; a memory goes where
``memory_libmap`` puts it.  ``Terms.cells`` sums up the kinds of cells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import ceil

from .controls import find_enables
from .families import Family
from .memories import place_memory, place_table
from .module import Module
from .multiplier_blocks import bits_in_blocks, words_in_blocks
from .netlist import WIRING, Cone, Netlist
from .products import place_product
from .stores import Memory
from .sums import Operand, count_compare, count_long_sum, count_sum, partial_sums, summed
from .terms import Terms
from .truth_tables import functions, has_wires, luts

_GATES = frozenset({"and", "or", "not", "choose", "lookup", "equal"})


def count(module: Module, family: Family) -> Terms:
    """Return the terms of a module and of all that stands inside."""
    if family.id not in module.counted:
        terms = own_terms(module, family)
        for inner, copies in Counter(i.module for i in module.instances).items():
            terms.add(count(inner, family), copies)
        module.counted[family.id] = terms
    counted: Terms = module.counted[family.id]
    return counted


def own_terms(module: Module, family: Family) -> Terms:
    """Return the terms of a module without the modules inside."""
    terms = terms_without_tables(module, family)
    for table in module.tables:
        place_table(terms, table, family)
    return terms


def terms_without_tables(module: Module, family: Family) -> Terms:
    """Return the terms of a module without modules inside and memories of constants."""
    return _Mapper(module, family).terms


def _size(cone: Cone) -> int:
    return sum(cone.values())


class _Mapper:
    """Maps the words of one module; lists and sets are of the netlist's numbers.

    Attributes:
        terms: what was counted.
        free: choices that a register's enable or reset makes.
        in_block: sums and registers inside multiplier blocks.
        refs: how many cells and ports read each word.
        cones: the bits that one bit of a function looks at, by word.
        absorbed: functions that stand in the LUTs of their only reader.
        registered: what registers become.
    """

    def __init__(self, module: Module, family: Family) -> None:
        self.module, self.family, self.terms = module, family, Terms()
        self.netlist = Netlist(module)
        self.words, self.args = self.netlist.words, self.netlist.args
        self.free: set[int] = set()
        self.in_block: set[int] = set()
        # first as if each next value were made, then without what registers do themselves
        self.nexts: dict[int, tuple[int, list[int]]] = {}
        for register in module.registers:
            assert register.next is not None
            ends = self.netlist.number(register.next), [self.netlist.number(register.enable)]
            self.nexts[self.netlist.number(register)] = ends
        self.refs = self._references()
        self.free, inverters = find_enables(self.netlist, self.nexts, self.refs, family)
        self.terms.lut["inverter"] += inverters
        self.refs = self._references()
        self.registered = {self.netlist.base(value) for value, _ in self.nexts.values()}
        self.cones: list[Cone | None] = [None] * len(self.words)
        self.absorbed: set[int] = set()
        if family.adds:
            self.in_block = words_in_blocks(self.netlist, self.nexts, self.refs, family)
        self.partial = partial_sums(self.netlist, self.refs, self.in_block)
        self._cover()
        self._registers()
        for memory in module.memories:
            place_memory(self.terms, memory, family, self._masked(memory))

    def _masked(self, memory: Memory) -> int:
        """Return the ports of a memory that only a choice with a constant reads."""
        numbers = [self.netlist.ids.get(id(word), -1) for word in memory.outputs]
        found = {
            self.netlist.same(a)
            for n, word in enumerate(self.words)
            if word.op == "choose" and self.refs[n] and n not in self.free
            for a, b in zip(self.args[n][1:], self.args[n][:0:-1], strict=True)
            if self.words[self.netlist.base(b)].op == "constant"
        }
        return sum(n in found and self.refs[n] == 1 for n in numbers)

    def _references(self) -> list[int]:
        """Return how many cells and ports read each word."""
        refs = [0] * len(self.words)
        for word in self.netlist.ports():
            refs[self.netlist.number(word)] += 1
        for here, (value, controls) in self.nexts.items():
            if self.netlist.need[here]:
                for n in (value, *controls):
                    refs[n] += 1
        for n in reversed(range(len(self.words))):
            if self.words[n].op == "register" or n in self.free:
                continue
            passed = refs[n] if self.words[n].op in WIRING else int(refs[n] > 0)
            for a in self.args[n]:
                refs[a] += passed
        return refs

    # functions of few bits share LUTs with those in front of them

    def _cover(self) -> None:
        for n, word in enumerate(self.words):
            if not self.refs[n] or n in self.free or n in self.in_block:
                continue
            if word.op in _GATES:
                self.cones[n] = self._cone(n)
            elif word.op in ("add", "subtract"):
                if n not in self.partial:
                    self._sum(n)
            elif word.op == "less":
                count_compare(self.terms, self.netlist, n, self.family)
            elif word.op == "multiply":
                a, b = (self.words[x] for x in self.args[n])
                place_product(self.terms, a, b, self.family)
            elif word.op == "shift right by":
                shift = self.words[self.args[n][1]]
                each = ceil(shift.width / (self.family.lut // 2 - 1))
                self.terms.lut["shift"] += self.netlist.width(n) * each
        for n, cone in enumerate(self.cones):
            if cone is not None and n not in self.absorbed:
                self._gate(n, sum(cone.values()))

    def _cone(self, n: int) -> Cone:
        """Return the bits that one bit of a function reads: how many of each word, from where."""
        word, most = self.words[n], self.family.lut
        whole = word.op in ("lookup", "equal")
        cone: Cone = {}
        inner: list[tuple[int, int, Cone]] = []
        for k, a in enumerate(self.args[n]):
            one = word.op == "choose" and not k
            for part, start, bits in self.netlist.parts(a):
                base = self.words[part]
                if base.op == "constant":
                    continue
                looked = bits if whole else 1
                found = self.cones[part]
                alone = self.refs[part] == 1 or base.op == "not"
                if found is not None and part not in self.absorbed and alone:
                    sizes = {leaf: looked if self.words[leaf[0]].width > 1 else 1 for leaf in found}
                    inner.append(
                        (part, start, {leaf: c * sizes[leaf] for leaf, c in found.items()})
                    )
                else:
                    leaf = part, start
                    cone[leaf] = max(cone.get(leaf, 0), 1 if one else looked)
        # the largest functions in front that still fit
        waiting = len(inner)
        for part, start, found in sorted(inner, key=lambda item: sum(item[2].values())):
            waiting -= 1
            together = cone | found
            if sum(together.values()) + waiting <= most:
                cone = together
                self.absorbed.add(part)
            else:
                cone[part, start] = self.words[part].width if whole else 1
        return cone

    def _gate(self, n: int, bits: int) -> None:
        word, most, width = self.words[n], self.family.lut, self.netlist.width(n)
        if bits <= 1 or not width:
            return
        if word.op == "lookup":
            self._table(n, bits)
        elif word.op == "choose" and all(a.op == "constant" for a in word.args[1:]):
            return  # each bit is the condition, or constant
        elif word.op == "choose":
            self.terms.lut["choice"] += width * ceil((bits - 1) / (most - 1))
        else:
            self.terms.lut["gate"] += width * ceil((bits - 1) / (most - 1))

    def _table(self, n: int, bits: int) -> None:
        """Count a truth table: its bits look at the inputs on which they depend."""
        word, most = self.words[n], self.family.lut
        before = max(0, bits - (len(word.data) - 1).bit_length())
        inverter = False
        for f in functions(word.data, self.netlist.width(n)):
            inputs = f.inputs + before
            if "reset" in self.family.inverters and n in self.registered and f.cleared is not None:
                inverter |= not f.cleared
                inputs = f.alone
            if inputs > 1:
                self.terms.lut["table"] += luts(inputs, most)
        self.terms.lut["inverter"] += inverter
        # of a product of single bits yosys keeps a buffer of one of them
        if len(word.data) == 4 and not self.family.chained:
            self.terms.lut["table"] += has_wires(word.data, word.width)

    def _sum(self, n: int) -> None:
        """Count a sum: a carry chain, whose LUTs also take a function before it."""
        if not self.netlist.need[n]:
            return  # nothing reads a bit of it
        operands = summed(self.netlist, n, self.partial)
        if len(operands) > 2:
            count_long_sum(self.terms, self.netlist, n, operands, self.family)
            return
        cones = {k: cone for k, x in enumerate(operands) if (cone := self._before(x.number))}
        if self._of_bits(operands) and sum(map(_size, cones.values())) <= self.family.lut:
            self.absorbed |= {self.netlist.base(operands[k].number) for k in cones}
        elif not self.family.chained:
            for k in sorted(cones, reverse=True):
                own, other = operands[k].number, operands[1 - k].number
                whole = _size(cones[k]) >= self.family.lut
                if not whole or self.words[self.netlist.base(own)].op == "lookup":
                    self.absorbed.add(self.netlist.base(own))
                    self.terms.lut["table"] += whole and self._left(own, other)
                    count_sum(self.terms, self.netlist, n, operands, own, self.family)
                    return
        count_sum(self.terms, self.netlist, n, operands, None, self.family)

    def _before(self, n: int) -> Cone | None:
        """Return what a bit of an operand looks at, if it is a function that nothing else reads."""
        base = self.netlist.base(n)
        return self.cones[base] if self.refs[base] == 1 and base not in self.absorbed else None

    def _of_bits(self, operands: Sequence[Operand]) -> bool:
        """Tell whether a sum is of single bits, so that LUTs make all of it."""
        return all(self.words[x.number].width == 1 and not x.negative for x in operands)

    def _left(self, n: int, other: int) -> int:
        """Return the bits of a truth table for which the LUTs of a sum have no room."""
        word, zeros = self.words[self.netlist.base(n)], self.netlist.zeros(n)
        both = self.words[other].width - zeros
        return sum(
            f.bit < both and f.inputs >= self.family.lut for f in functions(word.data, word.width)
        )

    def _registers(self) -> None:
        shifted, seen = self._shift_registers(), set[tuple[object, ...]]()
        same = self.netlist.same
        for register in self.module.registers:
            n = self.netlist.number(register)
            value, controls = self.nexts[n]
            # two that always become the same are one
            form = (same(value), tuple(map(same, controls)), register.reset,
                    register.initial, register.width, register.delays and n)  # fmt: skip
            if form not in seen and n not in self.in_block and n not in shifted:
                bits = self.netlist.width(n)
                bits -= bits_in_blocks(self.netlist, value, self.refs, n, self.family)
                self.terms.ff["delay" if register.delays else "state"] += bits
            seen.add(form)

    def _shift_registers(self) -> set[int]:
        """Return registers without reset in a row, of which only the last one is read."""
        if not self.family.shifts:
            return set()
        number, base = self.netlist.number, self.netlist.base
        plain = {number(r) for r in self.module.registers if r.delays and not r.reset}
        plain -= self.in_block
        before = {n: base(self.nexts[n][0]) for n in plain}
        follows = {a: n for n, a in before.items() if a in plain and self.refs[a] == 1 and a != n}
        bits: set[int] = set()
        for n in plain - set(follows.values()):
            row = [n]
            while row[-1] in follows:
                row.append(follows[row[-1]])
            if len(row) >= self.family.shifts:
                bits.update(row)
                self.terms.lut["shift register"] += self.netlist.width(row[-1])
        return bits
