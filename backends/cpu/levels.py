"""One library that holds the kernels of several levels of an architecture.

Its function asks Linux for the processor's capabilities (getauxval, in every C library) and calls
the function of the best level that the processor has.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..processor import CAPABILITIES, Processor

_KINDS = {"AT_HWCAP": 16, "AT_HWCAP2": 26}
"""Numbers of the entries of the auxiliary vector (Linux, uapi/linux/auxvec.h)."""


def level_name(processor: Processor) -> str:
    """Return a level's part of the names of its functions: its highest need."""
    order = [*CAPABILITIES]
    return max(processor.needs, key=order.index, default="base")


def chosen_at_run_time(
    symbol: str, levels: Sequence[tuple[str, Processor]], arguments: int = 3
) -> str:
    """Return a function that calls the first level whose needs the processor has, as textual IR.

    Args:
        symbol: the exported name, ``int32_t symbol(const void *, void *, void *)``.
        levels: (name of the function, processor), the best first; the last needs nothing.
        arguments: how many addresses the functions take.
    """
    types = ", ".join(["ptr"] * arguments)
    passed = ", ".join(f"ptr %a{k}" for k in range(arguments))
    lines = ["declare i64 @getauxval(i64)"]
    lines += [f"declare i32 @{name}({types})" for name, _ in levels[:-1]]
    lines += [f"define i32 @{symbol}({passed}) {{"]
    for k, (name, processor) in enumerate(levels):
        call = f"tail call i32 @{name}({passed})"
        for need in sorted(processor.needs):
            kind, bit = CAPABILITIES[need]
            at, after = f"{k}.{need}", f"has.{k}.{need}"
            lines += [
                f"  %all.{at} = call i64 @getauxval(i64 {_KINDS[kind]})",
                f"  %one.{at} = and i64 %all.{at}, {1 << bit}",
                f"  %set.{at} = icmp ne i64 %one.{at}, 0",
                f"  br i1 %set.{at}, label %{after}, label %next{k}",
                f"{after}:",
            ]
        lines += [f"  %code{k} = {call}", f"  ret i32 %code{k}"]
        if processor.needs:
            lines.append(f"next{k}:")
    return "\n".join([*lines, "}"])
