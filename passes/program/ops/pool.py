"""Pooling: maximum, and sum (an average's division joins the next requantization)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import lcm, prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..operation import Op, OperationCount
from ..rounding import fits_int64
from ..types import Constant, IntArray, IntType, Shape, TensorType
from .window import Counts, Pads, Pair, counts, is_window, output_size, pads_fit, windows


@dataclass(frozen=True, kw_only=True)
class _Pool(Op):
    """Fields common to both; pads of MaxPool never win, pads of SumPool count as zero."""

    kernel: Pair
    stride: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)

    @property
    def steps(self) -> int:
        """Positions beyond the first."""
        return self.kernel[0] * self.kernel[1] - 1

    def _shape(self, types: Mapping[str, TensorType]) -> tuple[IntType, Shape]:
        (x,) = self.integer_inputs(types)
        self.require(
            is_window(self.kernel, self.stride, self.pads, (1, 1)), "no window has such numbers"
        )
        self.require(pads_fit(x.shape[:2], self.pads), f"pads {self.pads} many times its map")
        size = output_size(x.shape[:2], self.kernel, self.stride, self.pads, (1, 1))
        self.require(min(size) > 0, f"the window does not fit a map of {x.shape[0]}x{x.shape[1]}")
        self.require(
            all(p < k for p, k in zip(self.pads, self.kernel * 2, strict=True)),
            "padding as wide as the window",
        )
        return x, (*size, x.shape[2])


@dataclass(frozen=True, kw_only=True)
class MaxPool(_Pool):
    """``y = max`` over the window's positions inside the map."""

    mnemonic: ClassVar[str] = "maxpool"
    arithmetic: ClassVar[OperationCount] = OperationCount(compares=1)

    def infer(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> IntType:
        x, shape = self._shape(types)
        return IntType.of_rows(shape, *x.channel_rows)

    def execute(self, inputs: list[NDArray[Any]], consts: Mapping[str, Constant]) -> IntArray:
        least = np.iinfo(np.int64).min
        view = windows(inputs[0], self.kernel, self.stride, self.pads, (1, 1), least)
        result: IntArray = view.max(axis=(4, 5))
        return result


@dataclass(frozen=True, kw_only=True)
class SumPool(_Pool):
    """``y = sum`` over the window, zeros outside the map; a mean once divided by ``divisor``.

    Where windows reach over the edge and not all of their positions count, those with fewer
    are multiplied up: ``y[i, j] = L / n[i, j] * sum``, n the positions that count and L their least
    common multiple, which for rows and columns is taken apart.

    Attributes:
        counted: rows and columns outside the map whose positions count (ONNX AveragePool: 0 for
            count_include_pad 0, the pads without what ceil_mode adds for 1); None: all count.
    """

    mnemonic: ClassVar[str] = "sumpool"
    arithmetic: ClassVar[OperationCount] = OperationCount(adds=1)

    counted: Pads | None = None

    def _counts(self, size: tuple[int, ...], counted: Pads | None) -> Counts:
        return counts((size[0], size[1]), self.kernel, self.stride, self.pads, counted)

    def _common(self, size: tuple[int, ...]) -> Pair:
        rows, columns = self._counts(size, self.counted)
        return lcm(*rows), lcm(*columns)

    def divisor(self, size: tuple[int, ...]) -> int:
        """Return the divisor that makes the sums means; ``size`` is the map's."""
        return prod(self._common(size))

    def factors(self, size: tuple[int, ...]) -> Counts:
        """Return the factors of the sums by row and by column of windows."""
        rows, columns = (
            tuple(common // n for n in line)
            for common, line in zip(
                self._common(size), self._counts(size, self.counted), strict=True
            )
        )
        return rows, columns

    def weighted(self, size: tuple[int, ...]) -> bool:
        """Return whether any factor is not 1."""
        return any(f != 1 for line in self.factors(size) for f in line)

    def infer(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> IntType:
        x, shape = self._shape(types)
        lo, hi = x.channel_rows
        least = most = self.kernel[0] * self.kernel[1]
        if self.counted is not None:
            self.require(
                all(0 <= c <= p for c, p in zip(self.counted, self.pads, strict=True)),
                f"counted {self.counted} beyond the pads {self.pads}",
            )
            inside = self._counts(x.shape, (0, 0, 0, 0))
            weights = [
                [n * f for n, f in zip(*lines, strict=True)]
                for lines in zip(inside, self.factors(x.shape), strict=True)
            ]
            least, most = prod(map(min, weights)), prod(map(max, weights))
        most_factor = prod(max(line) for line in self.factors(x.shape))
        self.require(
            fits_int64(x.lo * most, x.hi * most) and fits_int64(0, most_factor),
            "the sum needs more than 64 bits",
        )
        lo, hi = np.minimum(lo * least, lo * most), np.maximum(hi * least, hi * most)
        if self.counted is None and any(self.pads):
            lo, hi = np.minimum(lo, 0), np.maximum(hi, 0)
        return IntType.of_rows(shape, lo, hi)

    def execute(self, inputs: list[NDArray[Any]], consts: Mapping[str, Constant]) -> IntArray:
        view = windows(inputs[0], self.kernel, self.stride, self.pads, (1, 1), 0)
        rows, columns = (np.array(line, np.int64) for line in self.factors(inputs[0].shape[1:3]))
        result: IntArray = view.sum(axis=(4, 5)) * np.multiply.outer(rows, columns)[:, :, None]
        return result
