"""Integer types of the host that hold the values of the datapath's registers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.diagnostics import CompileError, Problem
from n2uqc.passes.program import IntType


def storage(tensor_type: IntType, name: str = "") -> str:
    """Return the simulator's dtype for a tensor: int32, or int64 if 32 bits are not enough.

    Raises:
        CompileError: an unsigned tensor of 64 bits.
    """
    if tensor_type.bits <= 31 or (tensor_type.bits == 32 and tensor_type.signed):
        return "int32"
    if tensor_type.bits <= 63 or tensor_type.signed:
        return "int64"
    raise CompileError(
        Problem(
            node=name,
            op="",
            found="an unsigned tensor of 64 bits",
            supported="unsigned to 63 bits, signed to 64",
            hint="declare it signed, or lower the widths of weights or input",
        )
    )


def magnitude(tensor_type: IntType) -> int:
    """Return the largest magnitude that a register of the type can hold,
    not only the proven range.
    """
    low, high = tensor_type.limits
    return max(-low, high)


def register_dtype(bound: int, *widths: int, least: int = 32) -> str:
    """Return the host type of arithmetic whose intermediates stay below ``bound`` in magnitude.

    Args:
        bound: bound on the magnitude of every value before it is wrapped.
        widths: bits of the registers that values are wrapped to; wrapping needs ``bound +
            2**bits``.
        least: bits of the narrowest type to return; 16 for kernels that are faster with it.

    Returns:
        "int16", "int32", "int64" or "int128".

    Raises:
        CompileError: not even 128 bits hold it.
    """
    need = bound + sum(1 << bits for bits in widths)
    for bits in (16, 32, 64, 128):
        if bits >= least and need < 1 << (bits - 1):
            return f"int{bits}"
    raise CompileError(
        f"datapath arithmetic needs {need.bit_length() + 1} bits; at most 128 are simulated"
    )


def weight_dtype(values: NDArray[np.int64]) -> str:
    """Return the narrowest array type for constants that kernels read: int8, int32 or int64."""
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    for dtype in ("int8", "int32"):
        info = np.iinfo(dtype)
        if info.min <= low and high <= info.max:
            return dtype
    return "int64"
