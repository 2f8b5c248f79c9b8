"""A module as hardware description.  Importing this file imports Amaranth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from amaranth import hdl
from amaranth.hdl import Array, Cat, ClockSignal, Const, Elaboratable, Mux, ResetSignal, Shape
from amaranth.hdl import Instance as Black
from amaranth.lib.memory import Memory as Block

from .module import Instance, Module, Register
from .stores import Memory, Table
from .words import Word

ROM, PE = "rom_", "pe"
"""How names of modules of constants and of processing elements begin.  Synthesis keeps them apart
(``KEEP``): of constants mixed with arithmetic, yosys' ABC9 makes up to four times the LUTs, and it
takes up to 15% more where what stands in front of processing elements goes into each of them."""

KEEP = f"setattr -mod -set keep_hierarchy 1 *.{ROM}* *.{PE}* {PE}_*"


class Hardware(Elaboratable):
    """A module in Amaranth.

    Args:
        module: what it is.
        shared: instances and tables refer to modules written elsewhere, each kind once
            (``kinds``); else they are inside.

    Attributes:
        ports: signals by name of the module's inputs and outputs.
        inner: hardware of the instances, by name; none where they are shared.
    """

    def __init__(self, module: Module, *, shared: bool = False) -> None:
        self.module, self.shared = module, shared
        self.ports = {
            name: hdl.Signal(_shape(word), name=name)
            for name, word in (*module.inputs.items(), *module.outputs.items())
        }
        self.inner = {} if shared else {i.name: Hardware(i.module) for i in module.instances}

    def elaborate(self, platform: Any) -> hdl.Module:
        """Return the module that Amaranth asks for."""
        return _Writer(self).written()


def kinds(module: Module) -> Iterator[Module]:
    """Return every module that stands inside, each name once, the innermost first."""
    seen: dict[str, Module] = {}

    def visit(outer: Module) -> None:
        for instance in outer.instances:
            if instance.module.name not in seen:
                visit(instance.module)
                seen[instance.module.name] = instance.module

    visit(module)
    return iter(seen.values())


def rom_module(module: Module, table: Table) -> str:
    """Return the name of the module of a table, where instances refer to modules elsewhere."""
    return f"{module.name}.{ROM}{table.name}"


def _shape(word: Word) -> Shape:
    return Shape(word.width, word.signed)


class _Rom(Elaboratable):
    def __init__(self, table: Table) -> None:
        self.table = table
        self.address = hdl.Signal(range(table.rows))
        self.data = hdl.Signal(table.width)

    def elaborate(self, platform: Any) -> hdl.Module:
        m = hdl.Module()
        m.submodules.memory = memory = Block(
            shape=self.table.width, depth=self.table.rows, init=self.table.words
        )
        port = memory.read_port()
        m.d.comb += [port.addr.eq(self.address), self.data.eq(port.data)]
        return m


class _Writer:
    """Turns words into Amaranth's values, each once."""

    def __init__(self, hardware: Hardware) -> None:
        self.hardware, self.module = hardware, hardware.module
        self.m = hdl.Module()
        self.values: dict[int, Any] = {}
        self.reads: dict[int, Any] = {}

    def written(self) -> hdl.Module:
        m, module = self.m, self.module
        for name, port in module.inputs.items():
            self.values[id(port)] = self.hardware.ports[name]
        for register in module.registers:
            self.values[id(register)] = hdl.Signal(
                _shape(register),
                init=register.initial,
                reset_less=not register.reset,
                name=register.name or "held",
            )
        addresses = [self._rom(table) for table in module.tables]
        blocks = [self._block(memory) for memory in module.memories]
        places = [self._instance(instance) for instance in module.instances]
        for table, address in zip(module.tables, addresses, strict=True):
            m.d.comb += address.eq(self.value(table.address))
        for memory, (write, reads) in zip(module.memories, blocks, strict=True):
            m.d.comb += [
                write.en.eq(self.value(memory.enable)),
                write.addr.eq(self.value(memory.address)),
                write.data.eq(self.value(memory.data)),
            ]
            for port, address in zip(reads, memory.reads, strict=True):
                m.d.comb += port.addr.eq(self.value(address))
        for instance, signals in zip(module.instances, places, strict=True):
            for name in instance.module.inputs:
                m.d.comb += signals[name].eq(self.value(instance.inputs[name]))
        for register in module.registers:
            self._assign(register)
        for name, word in module.outputs.items():
            m.d.comb += self.hardware.ports[name].eq(self.value(word))
        return m

    def _assign(self, register: Register) -> None:
        if register.next is None:
            raise ValueError(f"{register!r} of {self.module.name} is never assigned")
        signal, value = self.values[id(register)], self.value(register.next)
        if register.enable.op == "constant" and register.enable.lo:
            self.m.d.sync += signal.eq(value)
        else:
            with self.m.If(self.value(register.enable)):
                self.m.d.sync += signal.eq(value)

    def _rom(self, table: Table) -> hdl.Signal:
        """Add a table; return the signal of its address."""
        if self.hardware.shared:
            address, data = hdl.Signal(range(table.rows)), hdl.Signal(table.width)
            rom = Black(
                rom_module(self.module, table), i_clk=ClockSignal(), i_address=address, o_data=data
            )
        else:
            rom = _Rom(table)
            address, data = rom.address, rom.data
        self.m.submodules[f"{ROM}{table.name}"] = rom
        self.values[id(table.data)] = data
        return address

    def _block(self, memory: Memory) -> tuple[Any, list[Any]]:
        block = Block(
            shape=memory.width,
            depth=memory.depth,
            init=[],
            attrs={"ram_style": "distributed"} if memory.in_luts else {},
        )
        self.m.submodules[memory.name] = block
        write = block.write_port()
        seen = (write,) if memory.transparent else ()
        reads = [block.read_port(transparent_for=seen) for _ in memory.reads]
        for port, output in zip(reads, memory.outputs, strict=True):
            self.values[id(output)] = port.data
        return write, reads

    def _instance(self, instance: Instance) -> dict[str, Any]:
        if self.hardware.shared:
            ports = {
                name: hdl.Signal(_shape(word), name=f"{instance.name}_{name}")
                for name, word in (
                    *instance.module.inputs.items(),
                    *instance.module.outputs.items(),
                )
            }
            inputs = {f"i_{name}": ports[name] for name in instance.module.inputs}
            outputs = {f"o_{name}": ports[name] for name in instance.module.outputs}
            self.m.submodules[instance.name] = Black(
                instance.module.name, i_clk=ClockSignal(), i_rst=ResetSignal(), **inputs, **outputs
            )
        else:
            self.m.submodules[instance.name] = inner = self.hardware.inner[instance.name]
            ports = inner.ports
        for name, word in instance.outputs.items():
            self.values[id(word)] = ports[name]
        return ports

    def value(self, word: Word) -> Any:
        """Return a word as Amaranth's value, of the word's own shape.

        Operands before results, without recursion: trees may be thousands deep.
        """
        stack = [word]
        while stack:
            top = stack[-1]
            if id(top) in self.values:
                stack.pop()
                continue
            missing = [a for a in top.args if id(a) not in self.values]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            self.values[id(top)] = self._written(top)
        return self.values[id(word)]

    def _written(self, word: Word) -> Any:
        if word.op == "constant":
            return Const(word.lo, _shape(word))
        args = [self.values[id(a)] for a in word.args]
        if word.op in _SIGNALS:
            signal = hdl.Signal(_shape(word), name=word.name or word.op.replace(" ", "_"))
            self.m.d.comb += signal.eq(_OPERATIONS[word.op](word, *args))
            return signal
        return _fitted(_OPERATIONS[word.op](word, *args), word)


_SIGNALS = {"lookup", "wire", "cut", "within"}
"""Operations whose results get a signal: arrays need one, and cuts are easier to read."""


def _fitted(value: Any, word: Word) -> Any:
    """Return a value in its word's shape: cut, or extended by its sign or by zeros."""
    shape = value.shape()
    if shape.width >= word.width:
        value = value[: word.width] if shape.width > word.width else value
    else:
        missing = word.width - shape.width
        above = value[-1].replicate(missing) if shape.signed else Const(0, missing)
        value = Cat(value, above)
    if value.shape().signed != word.signed:
        value = value.as_signed() if word.signed else value.as_unsigned()
    return value


def _unit(word: Word, x: Any) -> Any:
    return x


def _lookup(word: Word, index: Any) -> Any:
    shape = _shape(word)
    return Array(Const(v, shape) for v in word.data)[index]


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": lambda word, a, b: a + b,
    "subtract": lambda word, a, b: a - b,
    "multiply": lambda word, a, b: a * b,
    "shift left": lambda word, a: a.shift_left(word.data),
    "shift right": lambda word, a: a.shift_right(word.data),
    "shift right by": lambda word, a, b: a >> b,
    "less": lambda word, a, b: a < b,
    "equal": lambda word, a, b: a == b,
    "and": lambda word, a, b: a & b,
    "or": lambda word, a, b: a | b,
    "not": lambda word, a: ~a[0],
    "slice": lambda word, a: a[word.data[0] : word.data[1]],
    "signed": lambda word, a: a.as_signed(),
    "join": lambda word, *parts: Cat(*parts),
    "choose": lambda word, c, a, b: Mux(c, a, b),
    "extended": _unit,
    "within": _unit,
    "cut": _unit,
    "wire": _unit,
    "lookup": _lookup,
}
"""What each operation is in Amaranth; the result is then fitted to the word's shape."""

OPERATIONS = frozenset(_OPERATIONS)
"""Names of all operations."""
