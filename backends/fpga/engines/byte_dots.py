"""Dot products of codes on x86 hosts: four bytes of activations times four of weights at once.

The simulator's matrix-vector engines use this where codes are unsigned bytes, weights are signed
bytes and no partial sum can overflow the accumulator, so that the order of summation does not
matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import jit

FOUR = 4  # products that one instruction adds to an accumulator lane
LANES = {"vnni": 16, "maddubs": 8}  # 32-bit accumulators per register
TILE = 4  # pixels for which weights are read once
SATURATION = (1 << 15) - 1
"""Largest sum of two adjacent products that VPMADDUBSW computes without saturating."""


def instruction(greatest: int, weight: int) -> str:
    """Return the host's instruction: ``vnni``, ``maddubs``, or "" if neither is available or exact.

    Args:
        greatest: the largest activation; the smallest is 0 or more.
        weight: the largest magnitude of a weight.
    """
    if greatest > 255 or weight > 127:
        return ""
    features = {str(f) for f in jit.host_target().attrs.get("mattr", ())}
    if {"+avx512vnni", "+avx512f"} <= features:
        return "vnni"
    if "+avx2" in features and 2 * greatest * weight <= SATURATION:
        return "maddubs"
    return ""


def pack(weight: NDArray[np.int64], lanes: int) -> tuple[NDArray[np.int8], int]:
    """Pack (O, KH, KW, I) as (vectors, taps, I/4, lanes of outputs, 4), zero-filled and flat."""
    outputs, rows, columns, inputs = weight.shape
    vectors, fours = -(-outputs // lanes), -(-inputs // FOUR)
    full = np.zeros((vectors * lanes, rows * columns, fours * FOUR), np.int8)
    full[:outputs, :, :inputs] = weight.reshape(outputs, rows * columns, inputs)
    parts = full.reshape(vectors, lanes, rows * columns, fours, FOUR)
    return np.ascontiguousarray(parts.transpose(0, 2, 3, 1, 4)).reshape(-1), vectors


def build_bytes(x_type: str) -> Any:
    """Build a kernel that copies maps into padded ones, as bytes, channels filled to fours."""
    from ..lanes import Else, If, KernelBuilder, Then, blocks, load, serial, store, wide

    with KernelBuilder("bytes") as kernel:
        n, height, width, channels, rows, columns, top, left, filled, pad = kernel.scalars(
            "n", "height", "width", "channels", "rows", "columns", "top", "left", "filled", "pad"
        )
        x, y = kernel.array("x", x_type), kernel.array("y", "uint8")
        with serial(0, n) as i, serial(0, rows) as r, serial(0, columns) as c:
            to = ((i * rows + r) * columns + c) * filled
            row, column = r - top, c - left
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            start = ((i * height + row) * width + column) * channels
            with If(inside):
                with Then():
                    blocks(
                        channels,
                        16,
                        lambda k, lanes: store(y, to + k, load(x, start + k, x_type, lanes)),
                    )
                with Else(), serial(0, channels) as k:
                    store(y, to + k, wide(pad, "uint8", 1))
    return kernel.function


def build_byte_dots(form: str, y_type: str, vectors: int) -> Any:
    """Build a kernel of dot products: TILE pixels by ``vectors`` registers of output channels."""
    from tvm import tirx

    from ..lanes import Else, If, KernelBuilder, Then, Variable, serial, store

    lanes = LANES[form]

    def update(total: Any, four: Any, weights: Any) -> Any:
        """Add to each lane the products of four activations, the same in all lanes,
        and its weights.
        """
        fours = f"int32x{lanes}"
        bytes_ = tirx.reinterpret(f"uint8x{lanes * FOUR}", tirx.Broadcast(four, lanes))
        if form == "vnni":
            return tirx.call_llvm_pure_intrin(
                fours, "llvm.x86.avx512.vpdpbusd.512", total, bytes_, weights
            )
        pairs = tirx.call_llvm_pure_intrin("int16x16", "llvm.x86.avx2.pmadd.ub.sw", bytes_, weights)
        ones = tirx.Broadcast(tirx.const(1, "int16"), 16)
        return total + tirx.call_llvm_pure_intrin(fours, "llvm.x86.avx2.pmadd.wd", pairs, ones)

    with KernelBuilder("byte_dots") as kernel:
        (
            n,
            out_h,
            out_w,
            stride_h,
            stride_w,
            rows,
            columns,
            filled,
            out_channels,
            taps,
            first,
            last,
        ) = kernel.scalars(
            "n",
            "out_h",
            "out_w",
            "stride_h",
            "stride_w",
            "rows",
            "columns",
            "filled",
            "out_channels",
            "taps",
            "first",
            "last",
        )
        x, w = kernel.array("x", "uint8"), kernel.array("w", "int8")
        offsets, y = kernel.array("offsets", "int32"), kernel.array("y", y_type)
        fours = tirx.floordiv(filled, FOUR)
        cells = {
            count: [[Variable("int32", lanes) for _ in range(vectors)] for _ in range(count)]
            for count in (TILE, 1)
        }

        def tile(count: int, i: Any, r: Any, c: Any, v: Any) -> None:
            sums = cells[count]
            for row in sums:
                for cell in row:
                    cell.set(0)
            corner = ((i * rows + r * stride_h) * columns + c * stride_w) * filled
            with serial(0, taps) as tap, serial(0, fours) as k:
                here = corner + offsets[tap] + k * FOUR
                factors = [
                    w[
                        tirx.Ramp(
                            (((v + u) * taps + tap) * fours + k) * (lanes * FOUR), 1, lanes * FOUR
                        )
                    ]
                    for u in range(vectors)
                ]
                for p in range(count):
                    four = tirx.reinterpret(
                        "int32", x[tirx.Ramp(here + p * stride_w * filled, 1, FOUR)]
                    )
                    for u in range(vectors):
                        cell = sums[p][u]
                        cell.set(update(cell.value, four, factors[u]))
            for p in range(count):
                for u in range(vectors):
                    at = ((i * out_h + r) * out_w + c + p) * out_channels + (v + u) * lanes
                    left = out_channels - (v + u) * lanes
                    with If(left >= lanes):
                        with Then():
                            store(y, at, sums[p][u].value)
                        with Else(), serial(0, left) as lane:
                            store(y, at + lane, sums[p][u].lane(lane))

        with (
            serial(0, n) as i,
            serial(0, out_h) as r,
            serial(0, tirx.floordiv(last - first, vectors)) as group,
        ):
            v = first + group * vectors
            whole = tirx.floordiv(out_w, TILE)
            with serial(0, whole) as t:
                tile(TILE, i, r, t * TILE, v)
            with serial(whole * TILE, out_w) as c:
                tile(1, i, r, c, v)
    return kernel.function
