"""The exported function of a model: checks the arguments, then calls the kernels.

It is textual IR, added to the module after optimization, for two reasons. TIR functions can only
return 0. And TVM marks accesses through different buffers as not aliasing, which is true within a
kernel but false between kernels that use the same memory: inlined into one function, a kernel could
read before the previous one has written. So kernels remain separate functions, which also have
names in profiles.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NULL_POINTER, MISALIGNED, OUT_OF_RANGE = 1, 2, 3
"""Error codes of the exported function; it returns 0 on success."""

_ROLES = ("input", "output", "workspace")


def workspace(offset: int) -> str:
    """Return the operand for an address at an offset in bytes in the caller's workspace."""
    return f"getelementptr i8, ptr %workspace, i64 {offset}"


def text_constant(symbol: str, text: str) -> str:
    """Return an exported ``const char symbol[]`` as textual IR;
    the text is ASCII without quotes.
    """
    return f'@{symbol} = constant [{len(text) + 1} x i8] c"{text}\\00", align 1'


def entry(
    symbol: str,
    alignments: tuple[int, int, int],
    check: str,
    calls: Iterable[tuple[str, Sequence[str]]],
) -> str:
    """Return ``int32_t symbol(const T_in *input, T_out *output, void *workspace)`` as textual IR.

    Args:
        symbol: the exported name.
        alignments: alignments of input, output and workspace, in bytes, powers of two.
        check: name of a function (input, int32_t *flag) that sets the flag if an input value is
            outside its range; "" if no value can be.
        calls: kernels in order, with operands: ``%input``, ``%output``, ``@constant``, or results
            of ``workspace``.
    """
    lines = [f"define i32 @{symbol}(ptr %input, ptr %output, ptr %workspace) {{"]
    for role, alignment in zip(_ROLES, alignments, strict=True):
        lines += [
            f"  %{role}.null = icmp eq ptr %{role}, null",
            f"  %{role}.address = ptrtoint ptr %{role} to i64",
            f"  %{role}.low = and i64 %{role}.address, {alignment - 1}",
            f"  %{role}.off = icmp ne i64 %{role}.low, 0",
        ]
    for fault in ("null", "off"):
        lines += [
            f"  %two.{fault} = or i1 %input.{fault}, %output.{fault}",
            f"  %any.{fault} = or i1 %two.{fault}, %workspace.{fault}",
        ]
    lines += [
        "  br i1 %any.null, label %null, label %given",
        "given:",
        "  br i1 %any.off, label %misaligned, label %aligned",
        "null:",
        f"  ret i32 {NULL_POINTER}",
        "misaligned:",
        f"  ret i32 {MISALIGNED}",
        "aligned:",
    ]
    if check:
        lines += [
            f"  call void @{check}(ptr %input, ptr %workspace)",
            "  %flag = load i32, ptr %workspace",
            "  %outside = icmp ne i32 %flag, 0",
            "  br i1 %outside, label %range, label %legal",
            "range:",
            f"  ret i32 {OUT_OF_RANGE}",
            "legal:",
        ]
    for k, (kernel, operands) in enumerate(calls):
        names = []
        for n, operand in enumerate(operands):
            names.append(operand if operand[0] in "%@" else f"%p{k}.{n}")
            if names[-1] != operand:
                lines.append(f"  {names[-1]} = {operand}")
        lines.append(f"  call void @{kernel}({', '.join(f'ptr {name}' for name in names)})")
    return "\n".join([*lines, "  ret i32 0", "}"])
