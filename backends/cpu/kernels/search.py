"""Search of a number among ascending bounds, for processors without vectors, as textual IR.

A call takes a step for each bit of the code; comparing every bound, LLVM keeps the outcomes for
several results at a time, which general registers do not hold.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SHORTEST = 4
"""Bounds from which a search takes fewer instructions than all comparisons."""


def search_name(stored: str, steps: int) -> str:
    """Return the name of a function that searches 2^steps - 1 bounds of a dtype."""
    return f"n2uqc_passed_{stored}_{steps}"


def searched(bounds: NDArray[np.int64], stored: str) -> tuple[NDArray[np.integer], int]:
    """Return bounds as they are searched, and the number of steps.

    Args:
        bounds: int64 (C, K), ascending in k.
        stored: their dtype in memory, whose greatest number is never passed.

    Returns:
        (C, 2^steps): bounds that never are passed follow.
    """
    steps = bounds.shape[1].bit_length()
    never = np.iinfo(stored).max
    whole = np.full((len(bounds), 1 << steps), never, dtype=np.dtype(stored))
    whole[:, : bounds.shape[1]] = bounds
    return whole, steps


def search_function(stored: str, steps: int, slt: bool) -> str:
    """Return ``int32_t name(T x, const stored *bounds)``, the number of bounds below x.

    Args:
        stored: dtype of the bounds; x has at least 32 bits.
        steps: 2^steps - 1 bounds are read.
        slt: whether a comparison gives a number in one instruction; else an addition is carried out
            conditionally.
    """
    bits = int(stored[3:])
    wide = max(bits, 32)
    lines = [
        f"define internal i32 @{search_name(stored, steps)}(i{wide} %x, ptr %p{steps}) noinline {{"
    ]
    for k in reversed(range(steps)):
        step, here = 1 << k, f"%p{k + 1}"
        lines += [
            f"  %at{k} = getelementptr i{bits}, ptr {here}, i32 {step - 1}",
            f"  %bound{k} = load i{bits}, ptr %at{k}, align {bits // 8}",
        ]
        value = f"%bound{k}"
        if bits < wide:
            value = f"%wide{k}"
            lines.append(f"  {value} = sext i{bits} %bound{k} to i{wide}")
        lines.append(f"  %above{k} = icmp sgt i{wide} %x, {value}")
        if slt:
            lines += [
                f"  %one{k} = zext i1 %above{k} to i32",
                f"  %step{k} = shl i32 %one{k}, {k}",
                f"  %p{k} = getelementptr i{bits}, ptr {here}, i32 %step{k}",
            ]
        else:
            lines += [
                f"  %next{k} = getelementptr i{bits}, ptr {here}, i32 {step}",
                f"  %p{k} = select i1 %above{k}, ptr %next{k}, ptr {here}",
            ]
    shift = (bits // 8).bit_length() - 1
    return "\n".join(
        [
            *lines,
            "  %end = ptrtoint ptr %p0 to i32",
            f"  %begin = ptrtoint ptr %p{steps} to i32",
            "  %bytes = sub i32 %end, %begin",
            f"  %passed = lshr exact i32 %bytes, {shift}",
            "  ret i32 %passed",
            "}\n",
        ]
    )
