"""What a legal program is; run after every pass."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from n2uqc.frontend.diagnostics import reason

from .lives import check_plan
from .names import check_names
from .operation import IllegalOp, Op, integer
from .program import Program
from .types import Constant, IntType, TensorType, limits_of


@dataclass(frozen=True)
class Judged:
    """An operation that was found legal, and all that its rule looked at.

    Attributes:
        op, operands, constants, declared: the very objects, none of which ever changes.
        known: its result's type with the channels' ranges.
    """

    op: Op
    operands: tuple[TensorType, ...]
    constants: tuple[Constant, ...]
    declared: TensorType
    known: TensorType

    def holds(
        self,
        op: Op,
        operands: tuple[TensorType, ...],
        constants: tuple[Constant, ...],
        declared: TensorType,
    ) -> bool:
        """Return whether the judgment is on these same objects."""
        if self.op is not op or self.declared is not declared:
            return False
        return all(
            len(own) == len(others) and all(a is b for a, b in zip(own, others, strict=True))
            for own, others in ((self.operands, operands), (self.constants, constants))
        )


Judgments = dict[str, Judged]
"""Results of the verification after one pass, by tensor, that need no repetition after the next."""


def verify(program: Program, *, lowered: bool = True, judged: Judgments | None = None) -> None:
    """Check every rule of SPEC.md, "Legal programs".

    Args:
        program: the program.
        lowered: also require that nothing real-valued is left.
        judged: of the program before, and then of this one: an operation that stands between the
            same objects is as legal as it was.  Networks of thousands of operations pass a dozen
            passes, most of which change few of them.

    Raises:
        IllegalOp: naming the operation, tensor or constant and the broken rule.
    """
    check_names(program)
    for name, tensor_type in program.types.items():
        if len(tensor_type.shape) != 3:
            raise IllegalOp(f"%{name}: its shape {tensor_type.shape} is not (H, W, C)")
        if isinstance(tensor_type, IntType):
            low, high = (
                limits_of(tensor_type.bits, tensor_type.signed)
                if 1 <= tensor_type.bits <= 64
                else (0, -1)
            )
            if not low <= tensor_type.lo <= tensor_type.hi <= high:
                raise IllegalOp(f"%{name}: the range does not fit the width: {tensor_type}")
        elif lowered:
            raise IllegalOp(f"%{name}: a real-valued tensor is left after lowering")
    for name, constant in program.constants.items():
        if lowered and constant.encoding == "real":
            raise IllegalOp(f"@{name}: a real-valued constant is left after lowering")
        if constant.fault is not None:
            raise IllegalOp(f"@{name}: {constant.fault}")
    _check_ends(program)
    defined = set(program.inputs)
    known = {name: program.types[name] for name in program.inputs}
    used: set[str] = set()
    for op in program.ops:
        for name in op.inputs:
            op.require(name in defined, f"reads %{name} before it is defined")
        op.require(op.output not in defined, "the tensor is defined twice")
        op.require(op.output in program.types, "the tensor has no type")
        names = op.constant_names()
        for name in names:
            op.require(name in program.constants, f"constant @{name} is missing")
            used.add(name)
        op.require(not (lowered and op.real), "a real-valued operation is left after lowering")
        subject = (
            op,
            tuple(known[name] for name in op.inputs),
            tuple(program.constants[name] for name in names),
            program.types[op.output],
        )
        before = judged.get(op.output) if judged is not None else None
        if before is not None and before.holds(*subject):
            known[op.output] = before.known
        else:
            known[op.output] = _legal(op, known, program)
            if judged is not None:
                judged[op.output] = Judged(*subject, known[op.output])
        defined.add(op.output)
    for name in program.outputs:
        if name not in defined:
            raise IllegalOp(f"the output %{name} is never defined")
        if lowered and name in program.inputs:
            raise IllegalOp(f"the output %{name} is an input: nothing computes it")
    if defined != set(program.types):
        raise IllegalOp(f"types of undefined tensors: {sorted(set(program.types) - defined)}")
    if used != set(program.constants):
        raise IllegalOp(f"unused constants: {sorted(set(program.constants) - used)}")
    if lowered:
        _check_interface(program)
        check_plan(program)


def _check_ends(program: Program) -> None:
    """Check that inputs and outputs are those of the interface, each named once."""
    face = program.interface
    for what, ports, tensors in (
        ("inputs", face.inputs, program.inputs),
        ("outputs", face.outputs, program.outputs),
    ):
        if not ports or len(ports) != len(tensors):
            raise IllegalOp(f"{len(tensors)} {what} where the interface has {len(ports)}")
        if len({port.name for port in ports}) != len(ports):
            raise IllegalOp(f"two {what} of the interface have one name")
    if program.host is not None:
        own = {port.name for port in face.outputs}
        sources = {value.name for value in program.host.proto.graph.input}
        computed = {value.name for value in program.host.proto.graph.output}
        if not sources <= own or not set(program.host.outputs) <= own | computed:
            raise IllegalOp("the host's part reads or gives what no output is")
    for name in program.inputs:
        if name not in program.types or program.inputs.count(name) > 1:
            raise IllegalOp(f"the input %{name} has no type, or is listed twice")


def _legal(op: Op, known: dict[str, TensorType], program: Program) -> TensorType:
    """Return the declared type of an operation's result, which must hold all that it reaches."""
    declared = program.types[op.output]
    try:
        inferred = op.infer(known, program.constants)
    except IllegalOp:
        raise
    except (ValueError, LookupError, TypeError, ArithmeticError) as error:
        # A weight of two axes, a stride of one number: no rule foresees everything in a file.
        raise IllegalOp(
            f"%{op.output} = {op.mnemonic}: it has no such form: {reason(error)}"
        ) from error
    op.require(
        inferred.shape == declared.shape, f"shape {inferred.shape}, declared {declared.shape}"
    )
    if not isinstance(declared, IntType):
        return declared
    reached = integer(op.output, inferred)
    op.require(
        declared.lo <= reached.lo and reached.hi <= declared.hi,
        f"reaches [{reached.lo}, {reached.hi}], declared [{declared.lo}, {declared.hi}]",
    )
    return declared.with_rows_of(inferred)


def _check_interface(program: Program) -> None:
    """Check that the user's tensors have as many elements as the program's,
    and the range of pixels and of indices.
    """
    face = program.interface
    for what, ports, tensors in (
        ("input", face.inputs, program.inputs),
        ("output", face.outputs, program.outputs),
    ):
        for port, tensor in zip(ports, tensors, strict=True):
            tensor_type = program.int_type(tensor)
            if prod(port.shape) != tensor_type.size or any(size < 1 for size in port.shape):
                raise IllegalOp(
                    f"the interface's {what} {list(port.shape)} has not the elements of "
                    f"%{tensor}: {tensor_type}"
                )
            if port.indices and (what == "input" or tensor_type.lo < 0 or tensor_type.scale != 1):
                raise IllegalOp(f"%{tensor} holds no indices: {tensor_type}")
            if port.pixels and (
                what == "output" or not tensor_type.lo <= 0 <= 255 <= tensor_type.hi
            ):
                raise IllegalOp(f"%{tensor}: pixels of 8 bits leave the range of {tensor_type}")
