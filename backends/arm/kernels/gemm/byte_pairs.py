"""Two outputs in each 16-bit lane: NEON ``MLA.8H`` by element as 16 multiply-accumulates.

A lane of weights is ``w0 + 256 w1``, so a lane of sums is ``s0 + 256 s1``, and both can be read
back while neither leaves a byte.  Sums start from 128 in each byte, which makes them unsigned: no
borrow passes from one to the other.  As few-bit codes times few-bit weights are small, a byte lasts
for some dozens of steps; then the reader adds the bytes up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tvm import tirx
from tvm.script.ir_builder import tirx as ir

from ..base import Expr, Vectors
from .base import Emit, Gemm, Micro, Plan

_START = 128  # in the middle of a byte
_DEPTH, _LANES, _OUTS = 8, 8, 16
_ROWS = 9  # as in mla16.py
_SHORTEST = 2  # units between drains, fewer are not worth it


@dataclass(frozen=True, eq=False)
class BytePairs(Plan):
    """A plan whose weights lie in pairs of bytes, low and high half of a 16-bit number."""

    @property
    def packed(self) -> NDArray[np.integer]:
        low, high = (super(BytePairs, self).packed[..., n::2, :].astype(np.int16) for n in (0, 1))
        pairs = (low + 256 * high).astype("<i2")
        return np.ascontiguousarray(pairs[..., 0]).view(np.int8)[..., None]


def plans(gemm: Gemm, vectors: Vectors) -> Iterator[Plan]:
    """Tiles of every number of rows that the registers allow."""
    if "neon" not in vectors.features or gemm.most > 127 or max(map(abs, gemm.range)) > 127:
        return
    for parts, steps in gemm.chunks(_DEPTH, -_START, 255 - _START):
        if steps < _SHORTEST and parts > 1:
            return
        least, greatest = gemm.partial_sums(steps * _DEPTH)
        reason = (
            f"pairs of bytes, sums of at most {steps * _DEPTH} steps, "
            f"{int(least.min())} <= partial <= {int(greatest.max())}"
        )
        for columns in range(1, min(4, -(-gemm.weights.shape[1] // _OUTS)) + 1):
            for rows in range(1, _ROWS + 1):
                if rows * columns + rows + columns > vectors.count - 3:
                    break
                step = rows * columns * _LANES + (rows + _LANES * columns) / 2 + 4
                yield BytePairs(
                    "byte_pairs", gemm, rows, columns * _OUTS, _DEPTH, 1, "int16", "int8", "uint8",
                    parts, steps, parts * (steps * step + 1.5 * rows * columns + 8), reason,
                    _update(rows, columns), start=_START,
                )


def _update(rows: int, columns: int) -> Emit:
    """Step by step over K: a row of weights is read, then meets one element of every row."""

    def emit(left: Expr, weights: Expr, sums: Expr) -> None:
        for k in range(_DEPTH):
            for r in range(rows):
                element = tirx.Shuffle(
                    [left.vload([r, 0], f"int16x{_DEPTH}")], [tirx.const(k, "int32")] * _LANES
                )
                for c in range(columns):
                    at = [r, tirx.Ramp(c * _OUTS, 1, _OUTS)]
                    factor = tirx.reinterpret(
                        "int16x8", weights.vload([k, c * _OUTS, 0], f"int8x{_OUTS}")
                    )
                    total = tirx.reinterpret("int16x8", sums[tuple(at)]) + element * factor
                    ir.buffer_store(sums, tirx.reinterpret(f"uint8x{_OUTS}", total), at)

    return emit


MICRO = Micro("byte_pairs", plans)
