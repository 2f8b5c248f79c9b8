"""Grouping of operations into kernels."""

from __future__ import annotations

from dataclasses import dataclass, replace

from n2uqc.passes.program import (
    Clamp,
    Conv,
    Flatten,
    Interpolate,
    Lookup,
    Op,
    Program,
    Thresholds,
)
from n2uqc.passes.rewrite import fresh


@dataclass(frozen=True)
class Group:
    """Operations computed by one kernel: the first reads memory, each other reads its predecessor.

    Attributes:
        ops: the operations in order.
        inputs: tensors read from memory, each once; those of the first operation come first.
        output: the tensor that is written to memory.
    """

    ops: tuple[Op, ...]
    inputs: tuple[str, ...]
    output: str

    @property
    def others(self) -> tuple[str, ...]:
        """Inputs of the operations after the first; they may include inputs of the first."""
        read = (name for op in self.ops[1:] for name in op.inputs)
        return tuple(dict.fromkeys(name for name in read if name in self.inputs))

    @property
    def mnemonics(self) -> str:
        """Mnemonics of the operations, for names and tables: ``conv_thresholds``."""
        return "_".join(op.mnemonic for op in self.ops)


@dataclass(frozen=True)
class Schedule:
    """A program as a sequence of kernels.

    Attributes:
        groups: the kernels in order of execution.
        storage: for every tensor, the tensor whose memory it uses (a flattening moves nothing).
    """

    groups: tuple[Group, ...]
    storage: dict[str, str]


def with_own_outputs(program: Program) -> Program:
    """Return a program each of whose outputs has memory of its own: a buffer of the caller.

    Where an output is an input, only flattened, or the same tensor as another output, a clamp to
    the whole range copies it.
    """
    stored = _storage(program)
    taken, ops, types = set(program.inputs), list(program.ops), dict(program.types)
    outputs = []
    for name in program.outputs:
        if stored[name] in taken:
            tensor_type, copy = program.int_type(name), fresh(types, f"{name}.copy")
            ops.append(Clamp(output=copy, inputs=(name,), lo=tensor_type.lo, hi=tensor_type.hi))
            types[copy], stored[copy], name = tensor_type, copy, copy
        taken.add(stored[name])
        outputs.append(name)
    return replace(program, outputs=tuple(outputs), ops=tuple(ops), types=types)


def schedule(program: Program) -> Schedule:
    """Group the operations of a program, whose outputs have memory of their own, into kernels.

    An elementwise operation joins the kernel that computes its input if nothing else reads that
    tensor; of two such inputs, the later one. So 32-bit accumulators are not written to memory.
    """
    storage = _storage(program)
    reads = _reads(program, storage)
    open_groups: dict[str, list[Op]] = {}  # by output tensor
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
                and _fills(program, name, op)
                and not isinstance(open_groups[source][-1], Thresholds)
            ]
            if follows(op)
            else []
        )
        latest = max(joined, key=list(open_groups).index, default=None)
        # Removed and added again: a group runs at the position of its last operation.
        open_groups[op.output] = [*(open_groups.pop(latest) if latest else []), op]
    groups = [_group(output, ops, storage) for output, ops in open_groups.items()]
    return Schedule(tuple(groups), storage)


def _storage(program: Program) -> dict[str, str]:
    """Return for every tensor the tensor whose memory it uses."""
    storage = {name: name for name in program.inputs}
    for op in program.ops:
        storage[op.output] = storage[op.inputs[0]] if _moves_nothing(program, op) else op.output
    return storage


def follows(op: Op) -> bool:
    """Return whether a kernel can apply an operation to another one's results in registers.

    It cannot apply what reads a table at a computed place, and nothing is applied to the results of
    thresholds: codes need little memory, and TVM cannot bind a vector of comparison results to a
    variable.
    """
    return isinstance(op, Flatten) or (op.elementwise and not isinstance(op, Interpolate | Lookup))


def _fills(program: Program, name: str, op: Op) -> bool:
    """Return whether an operand has a value for each of the result's, none of them repeated."""
    return program.int_type(name).size == program.int_type(op.output).size


def _moves_nothing(program: Program, op: Op) -> bool:
    """Return whether an operation keeps every value in its place, and the dtype."""
    read, written = (program.int_type(name) for name in (op.inputs[0], op.output))
    return read.container == written.container and op.in_place(program.types, program.constants)


def _reads(program: Program, storage: dict[str, str]) -> dict[str, int]:
    """Return how often each stored tensor is read, including reads by the caller."""
    reads = dict.fromkeys(storage.values(), 0)
    for op in program.ops:
        for name in op.inputs:
            reads[storage[name]] += storage[op.output] == op.output
    for name in program.outputs:
        reads[storage[name]] += 1
    return reads


def _shape(program: Program, name: str) -> tuple[int, int, int]:
    return program.types[name].shape


def _group(output: str, ops: list[Op], storage: dict[str, str]) -> Group:
    inner = {op.output for op in ops}
    read = [name for op in ops for name in op.inputs if storage[name] not in inner]
    return Group(tuple(ops), tuple(dict.fromkeys(read)), output)


def macs(group: Group, program: Program) -> int:
    """Return the multiply-accumulates of a group's convolutions, including those on padding."""
    return sum(
        program.int_type(op.output).size * program.constants[op.weight].values[0].size
        for op in group.ops
        if isinstance(op, Conv)
    )


def convolution(group: Group) -> Conv:
    """Return the convolution that a group starts with."""
    op = group.ops[0]
    assert isinstance(op, Conv)
    return op
