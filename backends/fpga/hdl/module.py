"""A module of hardware: registers, memories, tables of constants, and other modules inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from n2uqc.passes.program.types import limits_of, width_of

from .stores import Longs, Memory, Table, packed_places, varying_bits
from .words import ONE, ZERO, Operand, Word, choose, constant, join, pattern, word


class Register(Word):
    """A number that is kept from cycle to cycle.

    Attributes:
        next: what it becomes; set by ``Module.assign``.
        enable: in which cycles it does.
        initial: its value after reset.
        reset: whether reset puts it there; data needs none.
        delays: it holds the value of the cycle before, and nothing else.
    """

    __slots__ = ("delays", "enable", "initial", "next", "reset")

    def __init__(
        self, lo: int, hi: int, *, initial: int = 0, reset: bool, name: str = "", width: int = 0
    ) -> None:
        super().__init__("register", (), lo, hi, name=name, width=width)
        self.next: Word | None = None
        self.enable: Word = ONE
        self.initial, self.reset, self.delays = initial, reset, False


class Instance:
    """A module inside another one.

    Attributes:
        name: of the instance.
        module: what stands there; equal instances share it.
        inputs: words by the module's input name, once connected.
        outputs: words by the module's output name.
    """

    def __init__(self, name: str, module: Module) -> None:
        self.name, self.module = name, module
        self.inputs: dict[str, Word] = {}
        self.outputs = {
            port: Word("output", (), w.lo, w.hi, (self, port), width=w.width)
            for port, w in module.outputs.items()
        }

    def connect(self, inputs: Mapping[str, Operand]) -> None:
        """Give words to inputs, each once.

        Raises:
            ValueError: there is no such input, or it is connected already.
        """
        for name, value in inputs.items():
            if name not in self.module.inputs or name in self.inputs:
                raise ValueError(f"instance {self.name} of {self.module.name}: input {name}")
            self.inputs[name] = word(value)


class Module:
    """Hardware with named ports.

    Attributes:
        name: equal names are equal modules.
        inputs, outputs: words by port, outputs in the order in which they were given.
        registers, tables, memories, instances: what stands in it.
        counted: what analyses worked out of it, by family.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.inputs: dict[str, Word] = {}
        self.outputs: dict[str, Word] = {}
        self.registers: list[Register] = []
        self.tables: list[Table] = []
        self.memories: list[Memory] = []
        self.instances: list[Instance] = []
        self.counted: dict[str, Any] = {}
        self._delayed: dict[tuple[int, bool], Register] = {}
        self._kept: list[Word] = []
        self._scope: list[str] = []

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Begin the names of what is made inside with this one."""
        self._scope.append(name)
        yield
        self._scope.pop()

    def local(self, name: str) -> str:
        """Return a name within the scope."""
        return "_".join((*self._scope, name)) if name else ""

    def input(self, name: str, width: int = 1, *, signed: bool = False) -> Word:
        """Add a port that gets a word."""
        lo, hi = limits_of(width, signed) if width <= 64 else (0, (1 << width) - 1)
        self.inputs[name] = Word("input", (), lo, hi, name=name, width=width)
        return self.inputs[name]

    def output(self, name: str, value: Operand) -> None:
        """Add a port that gives a word."""
        self.outputs[name] = word(value)

    def state(self, lo: int, hi: int, *, initial: int = 0, name: str = "") -> Register:
        """Add a register of control, whose next value follows by ``assign``; reset puts it back."""
        kept = Register(lo, hi, initial=initial, reset=True, name=self.local(name))
        self.registers.append(kept)
        return kept

    def holder(self, width: int, name: str = "") -> Register:
        """Add a register of data, of so many bits, whose next value follows by ``assign``."""
        kept = Register(0, (1 << width) - 1, reset=False, name=self.local(name), width=width)
        self.registers.append(kept)
        return kept

    def assign(self, kept: Register, value: Operand, when: Word = ONE) -> None:
        """State the next value of a register in the cycles of ``when``."""
        kept.next, kept.enable = word(value), when

    def register(self, value: Operand, *, reset: bool = False, name: str = "") -> Word:
        """Return the value of the cycle before; only control needs a reset."""
        value = word(value)
        if value.op == "constant" and not reset:
            return value
        key = (id(value), reset)
        if key not in self._delayed:
            kept = Register(
                value.lo, value.hi, reset=reset, name=self.local(name), width=value.width
            )
            kept.next, kept.delays = value, True
            self.registers.append(kept)
            self._delayed[key] = kept
            self._kept.append(value)  # so that its id stays its own
        return self._delayed[key]

    def delayed(self, value: Operand, cycles: int, *, reset: bool = False) -> Word:
        """Return a value some cycles ago."""
        result = word(value)
        for _ in range(cycles):
            result = self.register(result, reset=reset)
        return result

    def memory(self, name: str, depth: int, width: int, *, transparent: bool = False) -> Memory:
        """Add a memory without contents."""
        made = Memory(self.local(name), depth, width, transparent=transparent)
        self.memories.append(made)
        return made

    def table(
        self, name: str, values: Longs, address: Word, *, compared: bool = False
    ) -> list[Word]:
        """Add a table of constants (words, lanes), one word read a cycle: the word of the address
        a cycle ago.

        Bits that are the same in all words are wiring.  Constants that are ``compared`` are stored
        whole if they differ at all: yosys' ``cmp2lcu`` makes more LUTs of a comparison of which it
        knows some bits.

        Returns:
            a word a lane.
        """
        least, greatest = values.min(axis=0).tolist(), values.max(axis=0).tolist()
        codes = [width_of(*ends) for ends in zip(least, greatest, strict=True)]
        varying = varying_bits(values, [bits for bits, _ in codes])
        if compared and varying:
            varying = [(k, bit) for k, (bits, _) in enumerate(codes) for bit in range(bits)]
        stored: dict[tuple[int, int], int] = {place: at for at, place in enumerate(varying)}
        data = self._stored(name, values, varying, address)
        first = values[0].tolist()
        lanes = []
        for k, (bits, signed) in enumerate(codes):
            places = [stored.get((k, bit)) for bit in range(bits)]
            if None not in places:
                at = stored[k, 0]
                lane = data[at : at + bits]
            else:
                lane = join(
                    pattern(first[k] >> bit, 1) if at is None else data[at : at + 1]
                    for bit, at in enumerate(places)
                )
            lo, hi = least[k], greatest[k]
            if lo == hi:
                lanes.append(constant(lo))
            else:
                lanes.append((lane.as_signed() if signed else lane).within(lo, hi))
        return lanes

    def packed_table(self, name: str, values: Longs, bits: int, address: Word) -> list[Word]:
        """Add a table of constants (words, lanes, elements) of so many bits each, one word read a
        cycle.

        Returns:
            a word a lane, its elements side by side, the first one lowest.
        """
        lanes, each = values.shape[1:]
        flat, varying = packed_places(values, bits)
        data = self._stored(name, flat, varying, address)
        if len(varying) == flat.shape[1] * bits:
            wide = each * bits
            return [data[k * wide : (k + 1) * wide] for k in range(lanes)]
        stored = {place: at for at, place in enumerate(varying)}
        first = flat[0].tolist()
        return [
            join(
                pattern(first[k] >> bit, 1)
                if (at := stored.get((k, bit))) is None
                else data[at : at + 1]
                for k in range(lane * each, (lane + 1) * each)
                for bit in range(bits)
            )
            for lane in range(lanes)
        ]

    def _stored(
        self, name: str, values: Longs, places: Sequence[tuple[int, int]], address: Word
    ) -> Word:
        """Return the memory of some bits of constants; none of no bits."""
        if not places:
            return ZERO
        made = Table(self.local(name), values, places, address)
        self.tables.append(made)
        return made.data

    def place(
        self, name: str, module: Module, inputs: Mapping[str, Operand] | None = None
    ) -> Instance:
        """Place another module inside; inputs not given here follow by ``Instance.connect``."""
        made = Instance(self.local(name), module)
        made.connect(inputs or {})
        self.instances.append(made)
        return made


class Counter:
    """Counts 0 .. period - 1 and begins anew; nothing at all where the period is 1.

    Attributes:
        value: now.
        last: whether it is the period's last.
    """

    def __init__(self, module: Module, period: int, name: str, *, initial: int = 0) -> None:
        self.module, self.period = module, period
        self.value: Word = (
            module.state(0, period - 1, initial=initial, name=name) if period > 1 else ZERO
        )
        self.last: Word = self.value.equals(period - 1) if period > 1 else ONE
        self._next: tuple[Any, Word] | None = None

    def following(self, step: Word) -> Word:
        """Return the value after this cycle, if it counts when ``step``."""
        if self.period == 1:
            return self.value
        if self._next is None or self._next[0] is not step:
            onward = choose(self.last, 0, (self.value + 1).cut(self.value.width, False))
            self._next = step, choose(step, onward, self.value).within(0, self.period - 1)
        return self._next[1]

    def count(self, step: Word) -> None:
        """Count in the cycles of ``step``."""
        if isinstance(self.value, Register):
            self.module.assign(self.value, self.following(step))

    def count_from(self, step: Word, anew: Word) -> None:
        """Count in the cycles of ``step``, and begin anew where ``anew`` says so, too."""
        if isinstance(self.value, Register):
            self.module.assign(
                self.value,
                choose(anew | self.last, 0, self.value + 1).within(0, self.period - 1),
                step,
            )
