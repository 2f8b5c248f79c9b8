"""Numbers as wires: expressions of known shape and range.

A word is an immutable expression over other words.  Each knows between which integers its value
lies, and is as wide as that range asks for, so sums grow only as far as their values do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from n2uqc.passes.program.types import width_of


class Word:
    """A number on wires, and the operation that gives it.

    Attributes:
        op: the operation, a name of ``OPERATIONS``.
        args: its operands.
        data: what else it needs: a shift, the bounds of a slice, a table.
        lo, hi: the least and the greatest value.
        width, signed: two's complement of so many bits, or an unsigned number.
        name: of a wire that people see in the RTL; "" has none of its own.
    """

    __slots__ = ("args", "data", "hi", "lo", "name", "op", "signed", "width")

    def __init__(
        self,
        op: str,
        args: tuple[Word, ...],
        lo: int,
        hi: int,
        data: Any = None,
        *,
        name: str = "",
        width: int = 0,
    ) -> None:
        self.op, self.args, self.data, self.name = op, args, data, name
        self.lo, self.hi = lo, hi
        least, self.signed = width_of(lo, hi)
        self.width = width or least

    def __repr__(self) -> str:
        label = f" {self.name}" if self.name else ""
        return f"<{self.op}{label} {'s' if self.signed else 'u'}{self.width}>"

    def __add__(self, other: Operand) -> Word:
        other = word(other)
        if is_constant(other, 0):
            return self
        if is_constant(self, 0):
            return other
        return Word("add", (self, other), self.lo + other.lo, self.hi + other.hi)

    def __radd__(self, other: int) -> Word:
        return word(other) + self

    def __sub__(self, other: Operand) -> Word:
        other = word(other)
        if is_constant(other, 0):
            return self
        return Word("subtract", (self, other), self.lo - other.hi, self.hi - other.lo)

    def __rsub__(self, other: int) -> Word:
        return word(other) - self

    def __mul__(self, other: Operand) -> Word:
        other = word(other)
        ends = [a * b for a in (self.lo, self.hi) for b in (other.lo, other.hi)]
        return Word("multiply", (self, other), min(ends), max(ends))

    def __lshift__(self, bits: int) -> Word:
        if not bits:
            return self
        return Word("shift left", (self,), self.lo << bits, self.hi << bits, bits)

    def __rshift__(self, bits: int | Word) -> Word:
        """Divide by a power of two, rounded down."""
        if isinstance(bits, int):
            if not bits:
                return self
            return Word("shift right", (self,), self.lo >> bits, self.hi >> bits, bits)
        if is_constant(bits):
            return self >> bits.lo
        lo = min(self.lo, self.lo >> bits.hi)
        return Word("shift right by", (self, bits), lo, max(self.hi, self.hi >> bits.hi))

    def __lt__(self, other: Operand) -> Word:
        return _compared("less", self, word(other))

    def __gt__(self, other: Operand) -> Word:
        return _compared("less", word(other), self)

    def __ge__(self, other: Operand) -> Word:
        return ~(self < other)

    def __le__(self, other: Operand) -> Word:
        return ~(self > other)

    def equals(self, other: Operand) -> Word:
        """Tell whether two numbers are the same."""
        other = word(other)
        if self.hi < other.lo or other.hi < self.lo:
            return ZERO
        return Word("equal", (self, other), 0, 1)

    def differs(self, other: Operand) -> Word:
        """Tell whether two numbers are not the same."""
        return ~self.equals(other)

    def __and__(self, other: Operand) -> Word:
        return _joined("and", self, word(other))

    def __or__(self, other: Operand) -> Word:
        return _joined("or", self, word(other))

    def __invert__(self) -> Word:
        """Return the complement of a bit."""
        if is_constant(self):
            return constant(1 - self.lo)
        return Word("not", (self,), 0, 1)

    def __getitem__(self, key: int | slice) -> Word:
        """Return the bits as an unsigned number."""
        start, stop, step = (slice(key, key + 1) if isinstance(key, int) else key).indices(
            self.width
        )
        if isinstance(key, int) and key < 0:
            start, stop = self.width + key, self.width + key + 1
        if step != 1 or stop <= start:
            raise ValueError(f"no bits {key} of {self!r}")
        if (start, stop, self.signed) == (0, self.width, False):
            return self
        hi = (1 << (stop - start)) - 1
        if not self.signed:
            hi = min(hi, self.hi >> start)
        return Word("slice", (self,), 0, hi, (start, stop), width=stop - start)

    def as_signed(self) -> Word:
        """Return the same bits as two's complement."""
        if self.signed:
            return self
        half = 1 << (self.width - 1)
        return Word("signed", (self,), -half, half - 1, width=self.width)

    def within(self, lo: int, hi: int) -> Word:
        """Return the same number, known to lie between two others; bits above are not there."""
        lo, hi = max(lo, self.lo), min(hi, self.hi)
        if (lo, hi) == (self.lo, self.hi):
            return self
        return Word("within", (self,), lo, hi)

    def cut(self, bits: int, signed: bool) -> Word:
        """Return what a register of so many bits keeps of the number."""
        low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
        if low <= self.lo and self.hi <= high:
            return self
        return Word("cut", (self,), low, high)

    def extended(self, bits: int) -> Word:
        """Return the number on so many wires, unsigned: its sign, or zeros, repeated above."""
        if self.width == bits and not self.signed:
            return self
        hi = self.hi if self.lo >= 0 else (1 << bits) - 1
        return Word("extended", (self,), 0, hi, width=bits)

    def named(self, name: str) -> Word:
        """Return the same number on a wire that has a name in the RTL."""
        return Word("wire", (self,), self.lo, self.hi, name=name)


Operand = Word | int


def constant(value: int) -> Word:
    """Return a number that does not change."""
    return Word("constant", (), value, value)


def pattern(value: int, width: int) -> Word:
    """Return a constant on so many wires."""
    value &= (1 << width) - 1
    return Word("constant", (), value, value, width=width)


ZERO, ONE = constant(0), constant(1)


def word(value: Operand) -> Word:
    """Return a word of an integer, or the word itself."""
    return constant(value) if isinstance(value, int) else value


def is_constant(value: Word, of: int | None = None) -> bool:
    """Tell whether a word never changes, and is a certain number."""
    return value.lo == value.hi and (of is None or value.lo == of)


def _compared(op: str, a: Word, b: Word) -> Word:
    if a.hi < b.lo:
        return ONE
    if a.lo >= b.hi:
        return ZERO
    return Word(op, (a, b), 0, 1)


def _joined(op: str, a: Word, b: Word) -> Word:
    """Return the conjunction or disjunction of bits, without constants."""
    for one, other in ((a, b), (b, a)):
        if is_constant(one) and one.width == other.width == 1:
            return other if one.lo == (op == "and") else constant(int(op == "or"))
    top = (1 << max(a.width, b.width)) - 1
    return Word(op, (a, b), 0, min(a.hi, b.hi) if op == "and" else top)


def choose(condition: Word, then: Operand, otherwise: Operand) -> Word:
    """Return one of two numbers."""
    then, otherwise = word(then), word(otherwise)
    if is_constant(condition):
        return then if condition.lo else otherwise
    if then is otherwise:
        return then
    return Word(
        "choose",
        (condition, then, otherwise),
        min(then.lo, otherwise.lo),
        max(then.hi, otherwise.hi),
    )


def join(parts: Iterable[Word]) -> Word:
    """Return the bits side by side, the first part lowest."""
    parts = tuple(parts)
    if len(parts) == 1 and not parts[0].signed:
        return parts[0]
    width = sum(part.width for part in parts)
    return Word("join", parts, 0, (1 << width) - 1, width=width)


def lookup(index: Word, values: Sequence[int]) -> Word:
    """Return a function of few bits as a truth table: ``values[index]``, indices of
    unsigned bits.
    """
    if len(set(values)) == 1:
        return constant(values[0])
    return Word("lookup", (index,), min(values), max(values), tuple(values))


def every(bits: Iterable[Word]) -> Word:
    """Tell whether all of the bits are set."""
    result: Word = ONE
    for bit in bits:
        result = result & bit
    return result


def elements(data: Word, bits: int, signed: bool) -> list[Word]:
    """Return a word of whole elements cut into them, the first one lowest."""
    parts = [data[k : k + bits] for k in range(0, data.width, bits)]
    return [part.as_signed() for part in parts] if signed else parts


def times(value: Word, factor: int) -> Word:
    """Return a number times a constant by shifts and sums: synthesis would take a multiplier for
    it.

    The constant in signed digits of which no two follow each other: a run of ones is one
    subtraction.
    """
    total: Word | None = None
    shift = 0
    while factor:
        if factor & 1:
            digit = 2 - (factor & 3)
            factor -= digit
            term = value << shift
            if total is None:
                total = term if digit > 0 else 0 - term
            else:
                total = total + term if digit > 0 else total - term
        factor >>= 1
        shift += 1
    return ZERO if total is None else total


def clamped(value: Word, lo: int, hi: int) -> Word:
    """Return ``value`` clamped to two constants; bounds that it cannot pass cost nothing."""
    # both ends are compared with the value itself: side by side, and one LUT a bit chooses
    inside = choose(constant(hi) < value, hi, value) if hi < value.hi else value
    return (choose(value < lo, lo, inside) if lo > value.lo else inside).within(lo, hi)
