"""Counts what synthesis makes of a module: LUTs, flip-flops, carry cells and blocks.

Words are mapped onto cells as yosys does it: an addition is a carry chain, a function of few bits a
LUT a bit, into which functions in front of it go that nothing else reads; a memory goes where
``memory_libmap`` puts it.  ``Terms.cells`` sums up the kinds of cells.
"""

from __future__ import annotations

from collections import Counter
from math import ceil

from .families import Family
from .memories import blocks_of, distinct_functions, place_memory, place_product, place_table
from .module import Module
from .netlist import WIRING, Cone, Netlist
from .sums import count_compare, count_long_sum, count_sum, partial_sums, summed
from .terms import Terms

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


class _Mapper:
    """Maps the words of one module; lists and sets are of the netlist's numbers.

    Attributes:
        terms: what was counted.
        free: choices that a register's enable or reset makes.
        in_block: sums and registers inside multiplier blocks.
        refs: how many cells and ports read each word.
        cones: the bits that one bit of a function looks at, by word.
        absorbed: functions that stand in the LUTs of their only reader.
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
        self._find_enables()
        self.refs = self._references()
        self.cones: list[Cone | None] = [None] * len(self.words)
        self.absorbed: set[int] = set()
        if family.adds:
            self._fill_blocks()
        self.partial = partial_sums(self.netlist, self.refs, self.in_block)
        self._cover()
        self._registers()
        for memory in module.memories:
            place_memory(self.terms, memory, family)

    # registers take a choice between a new and the old value, or a constant, as enable and reset

    def _find_enables(self) -> None:
        base = self.netlist.base
        for here, (value, controls) in self.nexts.items():
            resets = 0  # a bit is set or reset by one signal
            for _ in range(3):
                n = base(value)
                if self.words[n].op != "choose" or n in self.free or self.refs[n] > 1:
                    break
                condition, *sides = self.args[n]
                old = [s for s in sides if base(s) == here]
                fixed = [s for s in sides if self.words[base(s)].op == "constant"]
                resets += not old
                if not (old or fixed) or resets > 1:
                    break
                leaves = [s for s in sides if s not in (old or fixed)]
                self.free.add(n)
                controls.append(condition)
                value = leaves[0] if leaves else sides[0]
                if not leaves:
                    break
            self.nexts[here] = value, controls

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

    # a multiplier block holds its product's register, adds to it, and holds the sum's register

    def _blocks(self, n: int) -> int:
        """Return how many multiplier blocks a product takes."""
        a, b = (self.words[x] for x in self.args[n])
        return blocks_of(a, b, self.family)

    def _fill_blocks(self) -> None:
        base = self.netlist.base
        products = {
            n for n, word in enumerate(self.words) if word.op == "multiply" and self._blocks(n) == 1
        }
        nexts = {here: base(value) for here, (value, _) in self.nexts.items()}
        held = {
            here for here, value in nexts.items() if value in products and self.refs[value] == 1
        }
        self.in_block |= held
        for n, word in enumerate(self.words):
            if word.op in ("add", "subtract") and any(
                base(a) in held and self.refs[base(a)] == 1 for a in self.args[n]
            ):
                self.in_block.add(n)
                self.in_block.update(filter(self._starts_anew, map(base, self.args[n])))
        self.in_block |= {
            here
            for here, value in nexts.items()
            if value in self.in_block and self.refs[value] == 1
        }

    def _starts_anew(self, n: int) -> bool:
        """Tell whether a choice is 0, or a register to add to: multiplier blocks do that."""
        if self.words[n].op != "choose" or self.refs[n] != 1:
            return False
        _, *sides = map(self.netlist.base, self.args[n])
        zero = any(self.words[s].op == "constant" and self.words[s].lo == 0 for s in sides)
        return zero and any(self.words[s].op == "register" for s in sides)

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
            each = 1 << max(0, bits - most - 2)
            each = 1 if bits <= most else each * (1 << min(2, bits - most))
            self.terms.lut["table"] += each * distinct_functions(word.data, width)
        elif word.op == "choose" and all(a.op == "constant" for a in word.args[1:]):
            return  # each bit is the condition, or constant
        elif word.op == "choose":
            self.terms.lut["choice"] += width * ceil((bits - 1) / (most - 1))
        else:
            self.terms.lut["gate"] += width * ceil((bits - 1) / (most - 1))

    def _sum(self, n: int) -> None:
        """Count a sum: a carry chain, whose LUTs also take a function before it."""
        operands = summed(self.netlist, n, self.partial)
        if len(operands) > 2:
            count_long_sum(self.terms, self.netlist, n, operands, self.family)
            return
        function = None
        for x in reversed([self.netlist.base(x.number) for x in operands]):
            cone = self.cones[x]
            if (
                cone is not None
                and not self.family.chained
                and self.refs[x] == 1
                and x not in self.absorbed
                and sum(cone.values()) < self.family.lut
            ):
                self.absorbed.add(x)
                function = x
                break
        count_sum(self.terms, self.netlist, n, operands, function, self.family)

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
                bits = self.netlist.width(n) - self._bits_in_blocks(n)
                self.terms.ff["delay" if register.delays else "state"] += bits
            seen.add(form)

    def _bits_in_blocks(self, n: int) -> int:
        """Return how many bits of a product of two blocks the second one holds."""
        value, _ = self.nexts[n]
        word = self.words[value]
        if not self.family.adds or word.op != "multiply" or self.refs[value] != 1:
            return 0
        if self._blocks(value) != 2:
            return 0
        assert self.family.dsp is not None
        return max(0, self.netlist.need[n] - self.family.dsp[1])

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
