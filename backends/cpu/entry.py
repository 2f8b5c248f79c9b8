"""The exported functions of a model: each checks the arguments, then calls the kernels.

One of them also calls a function of the application's after each kernel; it is an object of its
own, so what does not use it does not hold it.

It is textual IR, added to the module after optimization, for two reasons. TIR functions can only
return 0. And TVM marks accesses through different buffers as not aliasing, which is true within a
kernel but false between kernels that use the same memory: inlined into one function, a kernel could
read before the previous one has written. So kernels remain separate functions, which also have
names in profiles.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

NULL_POINTER, MISALIGNED, OUT_OF_RANGE = 1, 2, 3
"""Error codes of the exported function; it returns 0 on success."""


@dataclass(frozen=True)
class Argument:
    """A tensor of the caller.

    Attributes:
        alignment: in bytes, a power of two.
        check: name of a function (tensor, int32_t *flag) that sets the flag if a value is outside
            its range; "" if none can be.
    """

    alignment: int
    check: str = ""


@dataclass(frozen=True)
class Arguments:
    """What the caller passes.

    Attributes:
        inputs, outputs: the tensors. One of each is passed by its address, several by the address
            of a structure of their addresses.
        workspace: alignment of the workspace.
    """

    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    workspace: int

    @property
    def is_single(self) -> bool:
        """Whether there is one input and one output."""
        return len(self.inputs) == len(self.outputs) == 1

    def operand(self, role: str, index: int) -> str:
        """Return the operand for the address of an input or output."""
        return f"%{role}" if self.is_single else f"%{role}{index}"

    def all(self) -> list[tuple[str, Argument]]:
        """Return all tensors and the workspace with their operands."""
        roles = ("input", self.inputs), ("output", self.outputs)
        tensors = [
            (self.operand(role, k), each) for role, group in roles for k, each in enumerate(group)
        ]
        return [*tensors, ("%workspace", Argument(self.workspace))]


@dataclass(frozen=True)
class Step:
    """A call of a kernel.

    Attributes:
        kernel: its symbol.
        operands: operands of ``Arguments``, ``@constant``, or results of ``workspace``.
        result: the operand of the tensor that it writes.
    """

    kernel: str
    operands: tuple[str, ...]
    result: str


def workspace(offset: int) -> str:
    """Return the operand for an address at an offset in bytes in the caller's workspace."""
    return f"getelementptr i8, ptr %workspace, i64 {offset}"


def text_constant(symbol: str, text: str) -> str:
    """Return an exported ``const char symbol[]`` as textual IR;
    the text is ASCII without quotes.
    """
    return f'@{symbol} = constant [{len(text) + 1} x i8] c"{text}\\00", align 1'


def entry(symbol: str, arguments: Arguments, steps: Iterable[Step], observed: bool = False) -> str:
    """Return the exported function as textual IR.

    It is ``int32_t symbol(const T_in *input, T_out *output, void *workspace)``, or, with several
    inputs or outputs, ``int32_t symbol(const struct inputs *, const struct outputs *, void *)``.

    Args:
        symbol: the exported name.
        arguments: what the caller passes.
        steps: the kernels in order.
        observed: whether two arguments follow, a function and an address for it: after each step it
            is called as ``void observe(void *address, int32_t step, const void *result)``, and
            before the first one with a step of -1 and no result.
    """
    ends = ("%input", "%output") if arguments.is_single else ("%inputs", "%outputs")
    lines = [f"define i32 @{symbol}(ptr {ends[0]}, ptr {ends[1]}, ptr %workspace"]
    lines[0] += ", ptr %observe, ptr %context) {" if observed else ") {"
    if not arguments.is_single:
        lines += _loaded(arguments, ends)
    given = arguments.all()
    for operand, each in given:
        lines += [
            f"  {operand}.null = icmp eq ptr {operand}, null",
            f"  {operand}.address = ptrtoint ptr {operand} to i64",
            f"  {operand}.low = and i64 {operand}.address, {each.alignment - 1}",
            f"  {operand}.off = icmp ne i64 {operand}.low, 0",
        ]
    operands = [operand for operand, _ in given]
    lines += [*_any(operands, "null"), *_any(operands, "off")]
    lines += [
        f"  br i1 {operands[-1]}.any.null, label %null, label %given",
        "given:",
        f"  br i1 {operands[-1]}.any.off, label %misaligned, label %aligned",
        "null:",
        f"  ret i32 {NULL_POINTER}",
        "misaligned:",
        f"  ret i32 {MISALIGNED}",
        "range:",
        f"  ret i32 {OUT_OF_RANGE}",
        "aligned:",
    ]
    for k, (operand, each) in enumerate(given):
        if each.check:
            lines += [
                f"  call void @{each.check}(ptr {operand}, ptr %workspace)",
                f"  %flag{k} = load i32, ptr %workspace",
                f"  %outside{k} = icmp ne i32 %flag{k}, 0",
                f"  br i1 %outside{k}, label %range, label %legal{k}",
                f"legal{k}:",
            ]
    if observed:
        lines.append("  call void %observe(ptr %context, i32 -1, ptr null)")
    for k, step in enumerate(steps):
        *names, result = _named((*step.operands, step.result), k, lines)
        lines.append(f"  call void @{step.kernel}({', '.join(f'ptr {name}' for name in names)})")
        if observed:
            lines.append(f"  call void %observe(ptr %context, i32 {k}, ptr {result})")
    return "\n".join([*lines, "  ret i32 0", "}"])


def declared(functions: Iterable[tuple[str, int]], constants: Iterable[str]) -> str:
    """Return declarations of an object's functions, each with its number of arguments, and of its
    constants, for textual IR of another object.
    """
    lines = [f"declare hidden void @{name}({', '.join(['ptr'] * n)})" for name, n in functions]
    return "\n".join([*lines, *(f"@{name} = external hidden constant i8" for name in constants)])


def _named(operands: Iterable[str], step: int, lines: list[str]) -> list[str]:
    """Return names of operands, after lines that compute addresses in the workspace."""
    names: dict[str, str] = {}
    for operand in operands:
        if operand not in names:
            names[operand] = operand if operand[0] in "%@" else f"%p{step}.{len(names)}"
            if names[operand] != operand:
                lines.append(f"  {names[operand]} = {operand}")
    return [names[operand] for operand in operands]


def _any(operands: Sequence[str], fault: str) -> list[str]:
    """Return lines after which the last operand's ``.any`` tells of a fault of any of them."""
    lines, before = [], "0"
    for operand in operands:
        lines.append(f"  {operand}.any.{fault} = or i1 {before}, {operand}.{fault}")
        before = f"{operand}.any.{fault}"
    return lines


def _loaded(arguments: Arguments, ends: tuple[str, str]) -> list[str]:
    """Return lines that load the addresses of the tensors from the caller's structures."""
    lines = [f"  {end}.null = icmp eq ptr {end}, null" for end in ends]
    lines += [
        f"  %ends.null = or i1 {ends[0]}.null, {ends[1]}.null",
        "  br i1 %ends.null, label %null, label %structures",
        "structures:",
    ]
    for role, group in (("input", arguments.inputs), ("output", arguments.outputs)):
        for k in range(len(group)):
            operand = arguments.operand(role, k)
            lines += [
                f"  {operand}.at = getelementptr ptr, ptr %{role}s, i64 {k}",
                f"  {operand} = load ptr, ptr {operand}.at",
            ]
    return lines
