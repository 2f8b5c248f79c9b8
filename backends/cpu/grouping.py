"""Which operations of a program share a kernel."""

from __future__ import annotations

from dataclasses import dataclass

from n2uqc.passes.program import (
    Add,
    Clamp,
    Conv,
    Flatten,
    Op,
    PRelu,
    Program,
    Requantize,
    Thresholds,
)

ELEMENTWISE = (Add, Clamp, Flatten, PRelu, Requantize, Thresholds)
"""Operations that can follow another one in registers.

A lookup is not among them, and nothing follows a table: codes are small in memory, and TVM cannot
give a name to a vector that comes from comparisons.
"""


@dataclass(frozen=True)
class Group:
    """Operations computed by one kernel: the first reads memory, each other one its predecessor.

    Attributes:
        ops: in order; empty for a plain copy.
        inputs: tensors read from memory, the first operation's own first; each once.
        output: the tensor written to memory.
    """

    ops: tuple[Op, ...]
    inputs: tuple[str, ...]
    output: str

    @property
    def others(self) -> tuple[str, ...]:
        """Inputs of the operations after the first; the first's own may be among them."""
        read = (name for op in self.ops[1:] for name in op.inputs)
        return tuple(dict.fromkeys(name for name in read if name in self.inputs))

    @property
    def mnemonics(self) -> str:
        """What it computes, for names and tables: ``conv_thresholds``."""
        return "_".join(op.mnemonic for op in self.ops) or "copy"


@dataclass(frozen=True)
class Schedule:
    """A program as a sequence of kernels.

    Attributes:
        groups: in the order of execution.
        storage: for every tensor the one whose memory it shares (flattening moves nothing).
    """

    groups: tuple[Group, ...]
    storage: dict[str, str]


def schedule(program: Program) -> Schedule:
    """Group operations.

    An elementwise operation joins the kernel that computes its input if nothing else reads that
    tensor; of two such inputs the later one.  So 32-bit accumulators do not reach memory.
    """
    storage = {program.input: program.input}
    for op in program.ops:
        storage[op.output] = storage[op.inputs[0]] if _moves_nothing(program, op) else op.output
    reads = _reads(program, storage)
    open_groups: dict[str, list[Op]] = {}  # by the tensor that each would write
    for op in program.ops:
        if storage[op.output] != op.output:
            continue
        joined = (
            [
                source
                for name in op.inputs
                if (source := storage[name]) in open_groups
                and reads[source] == 1
                and _shape(program, name) == _shape(program, source)
                and not isinstance(open_groups[source][-1], Thresholds)
            ]
            if isinstance(op, ELEMENTWISE)
            else []
        )
        latest = max(joined, key=list(open_groups).index, default=None)
        # Taken out and put in again: a group runs where its last operation stands.
        open_groups[op.output] = [*(open_groups.pop(latest) if latest else []), op]
    groups = [_group(output, ops, storage) for output, ops in open_groups.items()]
    if storage[program.output] == program.input:
        groups.append(Group((), (program.input,), program.output))
        storage[program.output] = program.output
    return Schedule(tuple(groups), storage)


def _moves_nothing(program: Program, op: Op) -> bool:
    """Flattening keeps the order of elements; a declared type may still ask for wider ones."""
    read, written = (program.int_type(name) for name in (op.inputs[0], op.output))
    return isinstance(op, Flatten) and read.container == written.container


def _reads(program: Program, storage: dict[str, str]) -> dict[str, int]:
    """How often each stored tensor is read, by the caller too."""
    reads = dict.fromkeys(storage.values(), 0)
    for op in program.ops:
        for name in op.inputs:
            reads[storage[name]] += storage[op.output] == op.output
    reads[storage[program.output]] += 1
    return reads


def _shape(program: Program, name: str) -> tuple[int, int, int]:
    return program.types[name].shape


def _group(output: str, ops: list[Op], storage: dict[str, str]) -> Group:
    inner = {op.output for op in ops}
    read = [name for op in ops for name in op.inputs if storage[name] not in inner]
    return Group(tuple(ops), tuple(dict.fromkeys(read)), output)


def macs(group: Group, program: Program) -> int:
    """Multiply-accumulates of a group's convolutions, taps on the padding included."""
    return sum(
        program.int_type(op.output).size * program.constants[op.weight].values[0].size
        for op in group.ops
        if isinstance(op, Conv)
    )


def convolution(group: Group) -> Conv:
    """The convolution that a group starts with."""
    op = group.ops[0]
    assert isinstance(op, Conv)
    return op
