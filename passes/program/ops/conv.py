"""Integer convolution; a fully connected layer is one of kernel 1x1 on a 1x1 map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..operation import ConstRef, Op
from ..rounding import fits_int64
from ..types import Constant, IntArray, IntType, TensorType
from .window import Pads, Pair, is_window, output_size, pads_fit, windows


@dataclass(frozen=True, kw_only=True)
class Conv(Op):
    """``acc[o] = sum weight[o, r, s, i] * x[.., i]`` over the window, exact, no saturation.

    Attributes:
        weight: constant (O, KH, KW, I / groups).
        pad_value: the code that stands outside the map, nearer to 0 than ``farthest_pad``.
        levels: bits of a weight's code, where weights are uneven levels: at most ``2**levels``
            values in an output channel.  0: any values of the constant's width.
    """

    mnemonic: ClassVar[str] = "conv"
    farthest_pad: ClassVar[int] = 1 << 31  # executors pad narrow maps by it

    weight: ConstRef
    stride: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    pad_value: int = 0
    levels: int = 0

    def channel_ranges(
        self, x: IntType, consts: Mapping[str, Constant]
    ) -> tuple[IntArray, IntArray]:
        """Return exact least and greatest accumulator of each output channel, int64 (O,) each.

        The worst case over independent inputs in ``[x.lo, x.hi]`` (FINN-R, TRETS 2018): every
        product takes the end of its own sign.
        """
        weight = consts[self.weight].values
        per_group, depth = len(weight) // self.groups, weight.shape[3]
        lo, hi = x.channel_rows
        if any(self.pads):
            lo, hi = np.minimum(lo, self.pad_value), np.maximum(hi, self.pad_value)
        even = all((row == row[0]).all() for row in (lo, hi))  # channels alike, as codes are
        constant = consts[self.weight]
        positive, negative = constant.row_sums if even else constant.window_sums
        if self.partial_bound(x, consts) >= 2**62:  # beyond int64: Python integers, then a check
            positive, negative = positive.astype(object), negative.astype(object)
            lo, hi = lo.astype(object), hi.astype(object)
        if even:
            least = positive * lo[0] + negative * hi[0]
            greatest = positive * hi[0] + negative * lo[0]
        elif self.groups == 1:
            least, greatest = positive @ lo + negative @ hi, positive @ hi + negative @ lo
        else:
            part = (np.arange(len(weight)) // per_group * depth)[:, None] + np.arange(depth)
            least = (positive * lo[part] + negative * hi[part]).sum(axis=1)
            greatest = (positive * hi[part] + negative * lo[part]).sum(axis=1)
        self.require(
            fits_int64(least.min(), greatest.max()),
            "the accumulator needs more than 64 bits; lower the widths of weights or input",
        )
        return least.astype(np.int64), greatest.astype(np.int64)

    def partial_bound(self, x: IntType, consts: Mapping[str, Constant]) -> int:
        """Return the largest magnitude that any partial sum, in any order, can reach."""
        return consts[self.weight].row_bound * max(abs(x.lo), abs(x.hi), abs(self.pad_value))

    def infer(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> IntType:
        (x,) = self.integer_inputs(types)
        out, kh, kw, depth = consts[self.weight].values.shape
        height, width, channels = x.shape
        self.require(
            depth * self.groups == channels and out % self.groups == 0,
            f"weight {consts[self.weight].values.shape} with {self.groups} groups does not fit "
            f"{channels} channels",
        )
        self.require(
            is_window((kh, kw), self.stride, self.pads, self.dilation), "no window has such numbers"
        )
        self.require(pads_fit((height, width), self.pads), f"pads {self.pads} many times its map")
        self.require(
            not self.levels
            or (0 < self.levels <= 8 and consts[self.weight].row_values <= 1 << self.levels),
            f"more than 2**{self.levels} values in an output channel, or than 256",
        )
        size = output_size((height, width), (kh, kw), self.stride, self.pads, self.dilation)
        self.require(min(size) > 0, f"the window does not fit a map of {height}x{width}")
        self.require(abs(self.pad_value) < self.farthest_pad, f"{self.pad_value} outside the map")
        least, greatest = self.channel_ranges(x, consts)
        return IntType.of_rows((*size, out), least, greatest)

    def execute(self, inputs: list[NDArray[Any]], consts: Mapping[str, Constant]) -> IntArray:
        weight = consts[self.weight].values
        out, kh, kw, depth = weight.shape
        x = inputs[0]
        view = windows(x, (kh, kw), self.stride, self.pads, self.dilation, self.pad_value)
        n, oh, ow = view.shape[:3]
        per_group = out // self.groups
        result = np.empty((n, oh, ow, out), dtype=np.int64)
        for g in range(self.groups):
            rows = slice(g * per_group, (g + 1) * per_group)
            part = view[:, :, :, g * depth : (g + 1) * depth]
            part = part.transpose(0, 1, 2, 4, 5, 3).reshape(n * oh * ow, -1)
            result[..., rows] = exact_matmul(part, weight[rows].reshape(per_group, -1).T).reshape(
                n, oh, ow, per_group
            )
        return result


def exact_matmul(a: NDArray[Any], b: NDArray[Any]) -> IntArray:
    """Return an integer matrix product; by floating-point BLAS if no partial sum can be rounded.

    Every partial sum is an integer of magnitude at most ``max|a| * sum|b|``; below 2**53 all of
    them are exact in float64 in any order of addition, and far faster than numpy's int64 product.
    """
    if not a.size or not b.size:
        return np.zeros((a.shape[0], b.shape[1]), dtype=np.int64)
    bound = float(np.abs(a).max()) * float(np.abs(b).astype(np.float64).sum(axis=0).max())
    if bound < 2.0**52:
        return (a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)
    return a.astype(np.int64) @ b.astype(np.int64)
