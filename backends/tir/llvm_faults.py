"""Forms of textual IR that LLVM up to 22 translates wrongly, rewritten to others of the same value.

Store of three bytes that were truncated from 64 bits, AArch64: the combination of such a store into
three single ones takes a vector of four times 64 bits for one register (combineI8TruncStore; LLVM's
pull request 202039 mends it), so that the bytes 1 and 2 are wrong. Here the vector that is
truncated has four elements.
"""

from __future__ import annotations

import re

_FROM_64 = re.compile(
    r"^( *)%([\w.]+) = trunc (?:nuw |nsw )*<3 x i64> (%[\w.]+) to <3 x i(8|16|32)>(.*)$", re.M
)
_TO_BYTES = re.compile(r"= trunc (?:nuw |nsw )*<3 x i(?:16|32)> %([\w.]+) to <3 x i8>")
"""The second of two truncations; LLVM makes one of them."""


def avoid_faults(text: str, triple: str) -> str:
    """Return IR of the same meaning that LLVM translates rightly for a triple.

    Args:
        text: a module as textual IR.
        triple: LLVM triple, such as ``aarch64-linux-gnu``.
    """
    if not triple.startswith("aarch64"):
        return text
    narrowed = {*_TO_BYTES.findall(text)}

    def four(found: re.Match[str]) -> str:
        indent, name, source, bits, rest = found.groups()
        if bits != "8" and name not in narrowed:
            return found[0]
        return (
            f"{indent}%wide.{name} = shufflevector <3 x i64> {source}, <3 x i64> poison, "
            "<4 x i32> <i32 0, i32 1, i32 2, i32 poison>\n"
            f"{indent}%narrow.{name} = trunc <4 x i64> %wide.{name} to <4 x i{bits}>\n"
            f"{indent}%{name} = shufflevector <4 x i{bits}> %narrow.{name}, "
            f"<4 x i{bits}> poison, <3 x i32> <i32 0, i32 1, i32 2>{rest}"
        )

    return _FROM_64.sub(four, text)
