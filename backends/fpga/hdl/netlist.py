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
        """Of a word of the module."""
        return self.ids[id(word)]

    def ports(self) -> Iterable[Word]:
        """What memories, other modules and outputs read."""
        m = self.module
        for table in m.tables:
            yield table.address
        for memory in m.memories:
            yield from (memory.enable, memory.address, memory.data, *memory.reads)
        for instance in m.instances:
            yield from instance.inputs.values()
        yield from m.outputs.values()

    def width(self, n: int) -> int:
        """Bits of a word that are made at all."""
        return max(0, self.need[n] - self.first[n])

    def base(self, n: int) -> int:
        """What a word's bits come from, wiring left out."""
        while self.words[n].op in WIRING and len(self.args[n]) == 1:
            (n,) = self.args[n]
        return n

    def parts(self, n: int) -> list[tuple[int, int]]:
        """The words that a word's bits come from, and how many of each."""
        word = self.words[n]
        if word.op == "join":
            return [part for a in self.args[n] for part in self.parts(a)]
        if word.op in WIRING:
            (inner,) = self.args[n]
            return [(part, min(bits, word.width)) for part, bits in self.parts(inner)]
        return [(n, word.width)]

    def zeros(self, n: int) -> int:
        """Low bits of a word that are always zero."""
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
        stack = [root]
        while stack:
            word = stack[-1]
            if id(word) in self.ids:
                stack.pop()
                continue
            operands = _operands(word)
            missing = [a for a in operands if id(a) not in self.ids]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            args = tuple(self.ids[id(a)] for a in operands)
            form: tuple[object, ...] = (id(word),)
            if args or word.op == "constant":
                form = (word.op, args, word.data, word.lo, word.hi, word.width)
            number = self._forms.get(form)
            if number is None:
                number = self._forms[form] = len(self.words)
                self.words.append(word)
                self.args.append(args)
            self.ids[id(word)] = number
            self._kept.append(word)

    def _demand(self) -> tuple[list[int], list[int]]:
        """Bits looked at by what stands outside, and by registers that are looked at themselves."""
        first, need = [word.width for word in self.words], [0] * len(self.words)
        for word in self.ports():
            self._look_at(word, 0, word.width, first, need)
        registers = [(self.number(r), r) for r in self.module.registers if not r.delays]
        before: list[tuple[int, int]] = []
        while (now := [(first[n], need[n]) for n, _ in registers]) != before or not before:
            before = now
            for n, register in registers:
                if need[n]:
                    assert register.next is not None
                    self._look_at(register.next, first[n], need[n], first, need)
                    self._look_at(register.enable, 0, 1, first, need)
            for n in range(len(self.words) - 1, -1, -1):
                if need[n]:
                    self._ask(n, first, need)
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

    def _ask(self, n: int, first: list[int], need: list[int]) -> None:
        """Bits of the operands that a word's bits ask for."""
        word, low, high, at = self.words[n], first[n], need[n], 0
        for k, a in enumerate(self.args[n]):
            wide = self.words[a].width
            start, stop = low, high
            if word.op == "slice":
                start, stop = word.data[0] + low, word.data[0] + high
            elif word.op == "shift left":
                start, stop = low - word.data, high - word.data
            elif word.op == "shift right":
                start, stop = low + word.data, high + word.data
            elif word.op == "join":
                start, stop, at = low - at, high - at, at + wide
            elif word.op in _WHOLE:
                start, stop = 0, wide
            elif word.op in ("add", "subtract", "multiply"):
                start = 0
            elif word.op == "choose" and not k:
                start, stop = 0, 1
            stop = min(wide, stop)
            # a sign that is repeated above is the last bit
            start = min(max(0, start), max(0, stop - 1))
            if stop > 0:
                first[a], need[a] = min(first[a], start), max(need[a], stop)


def _operands(word: Word) -> tuple[Word, ...]:
    if isinstance(word, Register) and word.delays:
        assert word.next is not None
        return (word.next,)
    return word.args
