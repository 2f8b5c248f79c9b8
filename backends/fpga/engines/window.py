"""The geometry of sliding windows, for convolutions and pooling."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n2uqc.passes.program import Conv, IntType, MaxPool, SumPool

from .. import jit
from .engine import divisors
from .token_timing import WindowTiming


def tree_depth(operands: int) -> int:
    """Return the stages of a binary tree that reduces so many operands."""
    return (operands - 1).bit_length()


@dataclass(frozen=True)
class Geometry:
    """A window that slides over a map (H, W, C), with results at (OH, OW)."""

    shape: tuple[int, int, int]
    out: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    pads: tuple[int, int, int, int]

    @classmethod
    def of(
        cls, op: Conv | MaxPool | SumPool, x: IntType, y: IntType, kernel: tuple[int, int]
    ) -> Geometry:
        """Return the geometry of an operation; ``kernel`` is (height, width)."""
        dilation = op.dilation if isinstance(op, Conv) else (1, 1)
        return cls(x.shape, y.shape[:2], kernel, op.stride, dilation, op.pads)

    @property
    def taps(self) -> int:
        return prod(self.kernel)

    @property
    def reach(self) -> tuple[int, int]:
        """Height and width of the window, dilation included."""
        (kh, kw), (dh, dw) = self.kernel, self.dilation
        return dh * (kh - 1) + 1, dw * (kw - 1) + 1

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width of the map with its padding."""
        top, left, bottom, right = self.pads
        return self.shape[0] + top + bottom, self.shape[1] + left + right

    def offsets(self, channels: int) -> NDArray[np.int32]:
        """Return the offset of each tap and channel from the window's corner in the padded map."""
        rows, columns = (np.arange(k) * d for k, d in zip(self.kernel, self.dilation, strict=True))
        taps = (rows[:, None] * self.padded[1] + columns) * self.shape[2]
        return (taps.reshape(-1, 1) + np.arange(channels)).ravel().astype(np.int32)

    def timing(self, *, words: int, results: int, result_cycles: int, latency: int) -> WindowTiming:
        """Return the timing of line buffer and reader (see DATAPATH.md, "Line buffer").

        A 1x1 window without padding needs no rows: pixels that the stride skips are dropped, and
            each of the others counts as a row.
        """
        height, width, _ = self.shape
        top, left, _, _ = self.pads
        common = {
            "arriving": (height, width),
            "words": words,
            "results": results,
            "result_cycles": result_cycles,
            "latency": latency,
        }
        if self.kernel == (1, 1) and not any(self.pads):
            pixels = (prod(self.out), 1)
            return WindowTiming(
                drop=self.stride,
                kept=pixels,
                out=pixels,
                reach=(1, 1),
                stride=(1, 1),
                top=0,
                left=0,
                **common,  # type: ignore[arg-type]
            )
        return WindowTiming(
            drop=(1, 1),
            kept=(height, width),
            out=self.out,
            reach=self.reach,
            stride=self.stride,
            top=top,
            left=left,
            **common,  # type: ignore[arg-type]
        )

    def tap_options(self, depth: int) -> tuple[int, ...]:
        """Return the legal SIMD lanes for ``depth`` channels: part of one tap,
        or several whole taps.
        """
        return divisors(depth) + tuple(depth * t for t in divisors(self.taps)[1:])

    def stage(self, x: NDArray[Any], pad: int) -> NDArray[Any]:
        """Return the padded maps (N, PH, PW, C), flat: the values that the line buffer's reader
        sees.
        """
        if not any(self.pads):
            return x.reshape(-1)
        height, width, channels = self.shape
        top, left, _, _ = self.pads
        rows, columns = self.padded
        staged = np.empty(len(x) * rows * columns * channels, x.dtype)
        jit.compiled(build_stage, x.dtype.name)(
            len(x), height, width, channels, rows, columns, top, left, pad, x.reshape(-1), staged
        )
        return staged


def build_stage(dtype: str) -> Any:
    """Build a kernel that copies maps into padded ones."""
    from ..lanes import Else, If, KernelBuilder, Then, serial, store, wide

    with KernelBuilder("stage") as kernel:
        n, height, width, channels, rows, columns, top, left = kernel.scalars(
            "n", "height", "width", "channels", "rows", "columns", "top", "left"
        )
        (pad,) = kernel.scalars("pad", dtype="int64")
        x, y = kernel.array("x", dtype), kernel.array("y", dtype)
        with serial(0, n) as i, serial(0, rows) as r, serial(0, columns) as c:
            to = ((i * rows + r) * columns + c) * channels
            row, column = r - top, c - left
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            with If(inside):
                with Then(), serial(0, channels) as k:
                    store(y, to + k, x[((i * height + row) * width + column) * channels + k])
                with Else(), serial(0, channels) as k:
                    store(y, to + k, wide(pad, dtype, 1))
    return kernel.function
