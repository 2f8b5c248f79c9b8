"""The exported function: checks what the caller gave, then runs the kernels.

Written in LLVM's textual IR because TIR functions can return nothing but 0.
"""

from __future__ import annotations

NULL_POINTER, MISALIGNED, OUT_OF_RANGE = 1, 2, 3
"""What the exported function returns, besides 0."""


def guard(symbol: str, alignments: tuple[int, int, int], check: str, body: str) -> str:
    """``int32_t symbol(const T_in *input, T_out *output, void *workspace)`` as textual IR.

    Args:
        symbol: the exported name.
        alignments: of input, output and workspace, in bytes, powers of two.
        check: function (input, int32_t *flag) that sets the flag if an input value leaves its
            range; "" if none can.
        body: function (input, output, workspace) that computes.
    """
    names = ("input", "output", "workspace")
    lines = [f"define i32 @{symbol}(ptr %input, ptr %output, ptr %workspace) {{"]
    for name in names:
        lines.append(f"  %{name}.null = icmp eq ptr %{name}, null")
    for name, alignment in zip(names, alignments, strict=True):
        lines += [
            f"  %{name}.address = ptrtoint ptr %{name} to i64",
            f"  %{name}.low = and i64 %{name}.address, {alignment - 1}",
            f"  %{name}.off = icmp ne i64 %{name}.low, 0",
        ]
    for what in ("null", "off"):
        lines += [
            f"  %two.{what} = or i1 %input.{what}, %output.{what}",
            f"  %any.{what} = or i1 %two.{what}, %workspace.{what}",
        ]
    lines += [
        "  br i1 %any.null, label %null, label %given",
        "given:", "  br i1 %any.off, label %misaligned, label %aligned",
        f"null:\n  ret i32 {NULL_POINTER}", f"misaligned:\n  ret i32 {MISALIGNED}", "aligned:",
    ]
    if check:
        lines += [
            f"  call void @{check}(ptr %input, ptr %workspace)",
            "  %flag = load i32, ptr %workspace", "  %outside = icmp ne i32 %flag, 0",
            "  br i1 %outside, label %range, label %legal",
            f"range:\n  ret i32 {OUT_OF_RANGE}", "legal:",
        ]
    lines += [
        f"  %status = call i32 @{body}(ptr %input, ptr %output, ptr %workspace)",
        "  ret i32 %status", "}",
    ]
    return "\n".join(lines)
