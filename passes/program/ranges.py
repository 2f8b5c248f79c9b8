"""Proven ranges, derived from a program: of channels, and of partial sums of packed kernels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .ops import Conv
from .program import Program
from .types import IntArray, IntType, TensorType, limits_of

PACKED_BITS = 16  # accumulators of packed multiply-accumulate kernels (MLA.8H, VPMADDUBSW, SMLAD)


def channel_ranges(program: Program) -> dict[str, tuple[IntArray, IntArray]]:
    """Return least and greatest integer of each channel of each integer tensor, int64 (C,) each.

    Interval arithmetic forward from the input; exact worst case within each operation.
    """
    known: dict[str, TensorType] = {name: program.types[name] for name in program.inputs}
    for op in program.ops:
        declared = program.types[op.output]
        inferred = op.infer(known, program.constants)
        known[op.output] = (
            declared.with_rows_of(inferred) if isinstance(declared, IntType) else declared
        )
    return {n: t.channel_rows for n, t in known.items() if isinstance(t, IntType)}


def steps_between_drains(
    weight: ArrayLike,
    lo: ArrayLike,
    hi: ArrayLike,
    bits: int = PACKED_BITS,
    *,
    signed: bool = True,
    products: int = 1,
) -> int:
    """Return how many steps a narrow accumulator takes before it must be drained into a wider one.

    A kernel keeps ``sum_k weight[..., k] * x[k]`` in ``bits`` bits and, every so many steps, adds
    it to a wide accumulator and clears it.  The number is the largest for which no sum over *any*
    run of so many consecutive steps, wherever it begins and in whatever order its products are
    added, leaves the width.  So every smaller number is safe too, and saturating instructions
    never saturate.  It follows from the actual weights and the actual range of x (the rule of
    FINN-R, TRETS 2018, for accumulators, applied to runs).

    Args:
        weight: integers (..., K), the reduction last, in the order in which the kernel walks it.
            For odd weights as unsigned codes, ``w = 2u - n``, give u and ``signed=False``; for
            Winograd the transformed weights, (16, O, K).
        lo, hi: least and greatest value of the left operand, scalars or broadcast to ``weight``
            (e.g. (K,), or (16, 1, 1)).
        bits: width of the narrow accumulator.
        signed: two's complement; false if it is unsigned.
        products: products that one step adds to one accumulator: 1 for MLA, 2 for VPMADDUBSW and
            SMLAD, 4 for SDOT.  The last step may have fewer.

    Returns:
        At most ``ceil(K / products)`` (no drain before the end is needed), 0 if a single step can
        leave the width.
    """
    w = np.asarray(weight, dtype=np.int64)
    low, high = (np.asarray(v, dtype=np.int64) for v in (lo, hi))
    reach = float(np.abs(w).max(initial=0)) * float(max(abs(low).max(), abs(high).max()))
    if reach * max(w.shape[-1], 1) >= 2.0**62:
        raise ValueError("operands of more than 62 bits in sum have no narrow accumulator")
    ends = w * low, w * high
    # A zero may stand in for any product not added yet: partial sums count as well.
    most = _grouped(np.maximum(np.maximum(*ends), 0), products)
    least = _grouped(np.minimum(np.minimum(*ends), 0), products)
    bottom, top = limits_of(bits, signed)

    def fits(run: int) -> bool:
        return bool(
            (most[..., run:] - most[..., : most.shape[-1] - run]).max(initial=0) <= top
            and (least[..., run:] - least[..., : least.shape[-1] - run]).min(initial=0) >= bottom
        )

    safe, unsafe = 0, most.shape[-1]
    if fits(unsafe - 1):
        return int(unsafe - 1)
    unsafe -= 1  # longer runs contain shorter ones: bisect
    while unsafe - safe > 1:
        middle = (safe + unsafe) // 2
        safe, unsafe = (middle, unsafe) if fits(middle) else (safe, middle)
    return safe


def _grouped(terms: NDArray[np.int64], products: int) -> IntArray:
    """Return the sums of the terms before each step, int64 (..., steps + 1)."""
    short = -terms.shape[-1] % products
    padded = np.pad(terms, [(0, 0)] * (terms.ndim - 1) + [(0, short)])
    steps = padded.reshape(*terms.shape[:-1], -1, products).sum(axis=-1)
    sums: IntArray = np.pad(np.cumsum(steps, axis=-1), [(0, 0)] * (terms.ndim - 1) + [(1, 0)])
    return sums


@dataclass(frozen=True)
class Accumulator:
    """What a backend may know about one convolution's accumulator.

    Attributes:
        bits, signed: the narrowest legal accumulator, from the worst case of the actual weights.
        partial: the largest magnitude of any partial sum, in any order.
        taps: products of one output.
        steps: products, in the order of memory (row, column, channel), that fit a signed
            accumulator of 16 bits before it must be drained; ``taps`` if none is needed.
    """

    bits: int
    signed: bool
    partial: int
    taps: int
    steps: int


def accumulators(program: Program) -> dict[str, Accumulator]:
    """Return the accumulator of every convolution of a lowered program, by output name."""
    ranges = channel_ranges(program)
    return {
        op.output: _accumulator(op, program, ranges[op.inputs[0]])
        for op in program.ops
        if isinstance(op, Conv)
    }


def _accumulator(op: Conv, program: Program, rows: tuple[IntArray, IntArray]) -> Accumulator:
    result, source = program.int_type(op.output), program.int_type(op.inputs[0])
    weight = program.constants[op.weight].values
    out, height, width, depth = weight.shape
    lo, hi = rows
    if any(op.pads):
        lo, hi = np.minimum(lo, op.pad_value), np.maximum(hi, op.pad_value)
    group = np.arange(out) // (out // op.groups)
    channel = (group * depth)[:, None] + np.arange(depth)  # (O, I): of each weight's operand
    low, high = (np.tile(row[channel], height * width) for row in (lo, hi))
    partial = op.partial_bound(source, program.constants)
    taps = height * width * depth
    steps = steps_between_drains(weight.reshape(out, taps), low, high) if partial < 2**62 else 0
    return Accumulator(result.bits, result.signed, partial, taps, steps)
