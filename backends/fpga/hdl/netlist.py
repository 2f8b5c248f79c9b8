"""The words of a module, each once, with what is looked at of them."""

from __future__ import annotations

from collections.abc import Iterable

from .module import Module, Register
from .words import Word

WIRING = frozenset(
    {"slice", "signed", "join", "extended", "within", "cut", "wire", "shift left", "shift right"}
)
"""Operations that take no cells."""

_WHOLE = frozenset({"lookup", "less", "equal", "shift right by"})
"""Operations of which every bit looks at all bits of the operands."""

_CARRIES = frozenset({"add", "subtract", "multiply"})
"""Operations of which a bit looks at all bits below."""


Cone = dict[tuple[int, int], int]
"""How many bits of a word are looked at, by the word's number and the first of these bits."""


class Netlist:
    """Words are numbered, equal ones once, operands before results; lists hold a fact of each.

    Attributes:
        module: whose words they are.
        words, args: the words, and the numbers of their operands.
        ids: numbers by a word's id.
        first, need: which bits are looked at: from the first list's to below the second's.
    """

    def __init__(self, module: Module) -> None:
        self.module = module
        self.ids: dict[int, int] = {}
        self.words: list[Word] = []
        self.args: list[tuple[int, ...]] = []
        self._forms: dict[tuple[object, ...], int] = {}
        self._kept: list[Word] = []
        for word in self._roots():
            self._number(word)
        self.first, self.need = self._demand()

    def number(self, word: Word) -> int:
        """Return the number of a word of the module."""
        return self.ids[id(word)]

    def ports(self) -> Iterable[Word]:
        """Return what memories, other modules and outputs read."""
        m = self.module
        for table in m.tables:
            yield table.address
        for memory in m.memories:
            yield from (memory.enable, memory.address, memory.data, *memory.reads)
        for instance in m.instances:
            yield from instance.inputs.values()
        yield from m.outputs.values()

    def width(self, n: int) -> int:
        """Return how many bits of a word are made at all."""
        return max(0, self.need[n] - self.first[n])

    def base(self, n: int) -> int:
        """Return what a word's bits come from, wiring left out."""
        while self.words[n].op in WIRING and len(self.args[n]) == 1:
            (n,) = self.args[n]
        return n

    def same(self, n: int) -> int:
        """Return what identifies a word, its known range left out."""
        while self.words[n].op in ("within", "cut", "wire", "extended", "signed"):
            (n,) = self.args[n]
        return n

    def parts(self, n: int) -> list[tuple[int, int, int]]:
        """Return the words that a word's bits come from, each from which bit on, and how many."""
        word = self.words[n]
        if word.op == "join":
            return [part for a in self.args[n] for part in self.parts(a)]
        if word.op in WIRING:
            (inner,) = self.args[n]
            start = 0
            if word.op == "slice":
                start = word.data[0]
            elif word.op in ("shift left", "shift right"):
                start = word.data if word.op == "shift right" else -word.data
            found = self.parts(inner)
            if word.op == "slice" and len(found) > 1:
                return _cut(found, *word.data)
            # of a join each part keeps its own first bit: which of its bits is which is not told
            start = start if len(found) == 1 else 0
            return [(part, at + start, min(bits, word.width)) for part, at, bits in found]
        return [(n, 0, word.width)]

    def zeros(self, n: int) -> int:
        """Return the low bits of a word that are always zero."""
        word, zeros = self.words[n], 0
        while word.op in WIRING and word.op not in ("join", "slice", "shift right"):
            if word.op == "shift left":
                zeros += word.data
            (n,) = self.args[n]
            word = self.words[n]
        return zeros

    def _roots(self) -> Iterable[Word]:
        m = self.module
        for register in m.registers:
            assert register.next is not None, f"{register!r} of {m.name} is never assigned"
            yield from (register, register.next, register.enable)
        yield from self.ports()

    def _number(self, root: Word) -> None:
        ids, stack = self.ids, [root]
        while stack:
            word = stack[-1]
            if id(word) in ids:
                stack.pop()
                continue
            operands, found = _operands(word), []
            for a in operands:
                number = ids.get(id(a))
                if number is None:
                    stack.append(a)
                else:
                    found.append(number)
            if len(found) < len(operands):
                continue
            stack.pop()
            args = tuple(found)
            form: tuple[object, ...] = (id(word),)
            if args or word.op == "constant":
                form = (word.op, args, word.data, word.lo, word.hi, word.width)
            number = self._forms.setdefault(form, len(self.words))
            if number == len(self.words):
                self.words.append(word)
                self.args.append(args)
            ids[id(word)] = number
            self._kept.append(word)

    def _demand(self) -> tuple[list[int], list[int]]:
        """Return the bits looked at by what stands outside, and by registers that are looked at
        themselves.
        """
        widths = [word.width for word in self.words]
        first, need = list(widths), [0] * len(widths)
        for word in self.ports():
            self._look_at(word, 0, word.width, first, need)
        registers = [(self.number(r), r) for r in self.module.registers if not r.delays]
        before: list[tuple[int, int]] = []
        asked = [(0, 0)] * len(widths)  # nothing new is asked for by the same bits
        while (now := [(first[n], need[n]) for n, _ in registers]) != before or not before:
            before = now
            for n, register in registers:
                if need[n]:
                    assert register.next is not None
                    self._look_at(register.next, first[n], need[n], first, need)
                    self._look_at(register.enable, 0, 1, first, need)
            for n in reversed(range(len(widths))):
                if need[n] and self.args[n] and asked[n] != (bits := (first[n], need[n])):
                    asked[n] = bits
                    self._ask(n, widths, first, need)
            if not registers:
                break
        return first, need

    def _look_at(
        self, word: Word, start: int, stop: int, first: list[int], need: list[int]
    ) -> None:
        n = self.number(word)
        stop = min(stop, self.words[n].width)
        start = min(start, max(0, stop - 1))
        first[n], need[n] = min(first[n], start), max(need[n], stop)

    def _ask(self, n: int, widths: list[int], first: list[int], need: list[int]) -> None:
        """Record which bits of its operands a word's bits need."""
        word, low, high = self.words[n], first[n], need[n]
        op, data, at = word.op, word.data, 0
        whole, from_zero = op in _WHOLE, op in _CARRIES
        if op == "slice":
            low, high = data[0] + low, data[0] + high
        elif op == "shift left":
            low, high = low - data, high - data
        elif op == "shift right":
            low, high = low + data, high + data
        for k, a in enumerate(self.args[n]):
            wide = widths[a]
            start, stop = low, high
            if op == "join":
                start, stop, at = low - at, high - at, at + wide
            elif whole:
                start, stop = 0, wide
            elif from_zero:
                start = 0
            elif op == "choose" and not k:
                start, stop = 0, 1
            if stop > wide:
                stop = wide
            if stop <= 0:
                continue
            if start >= stop:
                # a sign that is repeated above is the last bit; zeros above are none
                if op == "join" or not self.words[a].signed:
                    continue
                start = stop - 1
            elif start < 0:
                start = 0
            if start < first[a]:
                first[a] = start
            if stop > need[a]:
                need[a] = stop


def _cut(
    parts: Iterable[tuple[int, int, int]], start: int, stop: int
) -> list[tuple[int, int, int]]:
    """Return what bits ``start`` to ``stop`` of words side by side come from."""
    found, at = [], 0
    for part, first, bits in parts:
        low, high = max(start - at, 0), min(stop - at, bits)
        if low < high:
            found.append((part, first + low, high - low))
        at += bits
    return found


def _operands(word: Word) -> tuple[Word, ...]:
    if isinstance(word, Register) and word.delays:
        assert word.next is not None
        return (word.next,)
    return word.args
