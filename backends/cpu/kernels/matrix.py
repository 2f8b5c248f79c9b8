"""Convolutions and fully connected layers as matrix products of codes with weights.

A row of the left operand is an output pixel's window.  In memory a window is a few runs of
neighboring elements: a row of the kernel by all channels, or only the channels of one tap where
taps are apart.  Each run is copied, with zeros after it up to whole vectors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tvm import s_tir, te, tirx

from n2uqc.passes.program import Conv

from . import gemm
from .body import Body, Expr, Vectors, computing_dtype
from .by_products import ProductsPlan
from .convolution import Totals, convolution_kernel
from .epilogue import lanes_of
from .gemm import Gemm
from .layer import Layer
from .tiling import grids
from .window import container, framed

_LANES = 8
_FEW = 1  # blocks of rows up to which weights are read too seldom to be expanded first
_COPY, _MASKED = 3, 4
"""Estimate: instructions that copy eight codes of a window, and that blank the surplus where a run
is no multiple of vectors long: counted in 3x3 layers of 64 and of 81 channels (LLVM 22)."""


@dataclass(frozen=True)
class WindowRuns:
    """A window as runs of neighboring elements of a padded map.

    Attributes:
        high, wide: runs of a window: rows, and taps of a row that are apart.
        length: elements of a run.
        rounded: the same with a surplus.
    """

    high: int
    wide: int
    length: int
    rounded: int

    @property
    def count(self) -> int:
        return self.high * self.wide


def runs(op: Conv, shape: tuple[int, ...], unit: int) -> WindowRuns:
    """Return the runs of a convolution's window, for weights (O, KH, KW, I / groups)."""
    _, height, width, depth = shape
    whole = op.groups == 1 and (op.dilation[1] == 1 or width == 1)
    wide, length = (1, width * depth) if whole else (width, depth)
    # A single run is rounded by the plan.
    rounded = length if height * wide == 1 else -(-length // unit) * unit
    return WindowRuns(height, wide, length, rounded)


def products(weight: NDArray[np.int64], op: Conv, each: WindowRuns, lo: int, hi: int) -> Gemm:
    """Return a matrix product for each group, K in the order of runs; their surplus meets zeros."""
    out = len(weight) // op.groups
    whole = np.zeros((op.groups, out, each.count, each.rounded), np.int64)
    whole[..., : each.length] = weight.reshape(op.groups, out, each.count, each.length)
    real = np.tile(np.arange(each.rounded) < each.length, (op.groups, each.count))
    return Gemm(whole.reshape(op.groups, out, -1), lo * real, hi * real)


@dataclass(frozen=True, eq=False, kw_only=True)
class MatrixPlan(ProductsPlan):
    """A layer whose windows are rows of a matrix.

    Attributes:
        runs: of a window.
        center: what is taken off the codes first, so that their sums stay small.
    """

    runs: WindowRuns
    center: int

    @property
    def reason(self) -> str:
        return f"{self.products.reason}; {self.products.rows}x{self.products.outs} in registers"

    @property
    def _run(self) -> int:
        """Elements of a run in the left operand, the surplus included."""
        if self.runs.count == 1:
            return self.products.depths * self.products.depth
        return self.runs.rounded

    def _map(self, body: Body) -> te.Tensor:
        """Write the input, padded and centered, as far as windows reach."""
        op, weight = self.layer.op, self.layer.weight
        (height, width), channels = self.layer.input_size, self.layer.source.shape[2]
        x = body.tensor(op.inputs[0], (height, width, channels))
        reach = [
            (n - 1) * s + (k - 1) * d + 1
            for n, s, k, d in zip(
                self.grid.extent, op.stride, weight.shape[1:3], op.dilation, strict=True
            )
        ]
        slack = -(-(self._run - self.runs.length) // channels)
        size = (max(reach[0], height), max(reach[1] + slack, width), channels)
        dtype = self.layer.source.container.name
        if any(op.pads):
            low, high = self.layer.codes
            dtype = container(low - self.center, high - self.center)
        return framed(x, op.pads[:2], size, self.layer.outside, dtype, self.center)

    def totals(self, body: Body) -> Totals:
        op, products, grid = self.layer.op, self.products, self.grid
        depth, channels = self.layer.weight.shape[3], self.layer.source.shape[2]
        source, length = self._map(body), self._run
        surplus = products.depths * products.depth > self.runs.count * length

        def window(g: Expr, s: Expr, n: Expr, k: Expr, r: Expr, d: Expr) -> Expr:
            at = k * products.depth + d
            run, at = at // length, at % length
            if surplus:  # runs after the last meet weights of zero: any run of the map will do
                run = tirx.min(run, self.runs.count - 1)
            tap = run // self.runs.wide * op.dilation[0], run % self.runs.wide * op.dilation[1]
            row, column = grid.element(s, n, r)
            y, z = row * op.stride[0] + tap[0], column * op.stride[1] + tap[1]
            place = g * depth + at
            code = source[y, z + place // channels, place % channels]
            if self.runs.length < length:
                code = tirx.Select(at < self.runs.length, code, tirx.const(0, source.dtype))
            if products.shift is None:
                return code.astype(products.left)
            # The range is that of the map, hence the same shift in every group.
            return (code.astype("int16") + int(products.shift[0])).astype(products.left)

        codes = te.compute(products.left_shape(grid.strips, grid.blocks), window, "left")
        product = products.product(codes, products.weights(body))
        offset, constant, rest = self._correction(body)
        lo, hi = body.ranges[op.output]
        dtype = _dtype(lo - offset, hi - offset)
        wide = max(dtype, products.result, key=lambda name: np.dtype(name).itemsize)

        def read(y: Expr, z: Expr, g: Expr, o: Expr) -> Expr:
            total = products.read(product, constant, wide, g, *grid.place(y, z), o).astype(dtype)
            return total + tirx.const(rest, dtype) if rest else total

        total = te.compute(self.whole, read, "total")
        return Totals(total, total, offset if offset.any() else None)

    def _correction(self, body: Body) -> tuple[NDArray[np.int64], te.Tensor | None, int]:
        """Return what is to be added to the products for the center and for their own correction.

        Returns:
            what is left to tables and biases, for each channel; a table for ``Plan.read``; a number
            for each sum.
        """
        products, (lo, hi) = self.products, body.ranges[self.layer.op.output]
        offset = np.zeros(len(lo), np.int64)
        if self.center:
            offset = self.center * self.layer.weight.sum(axis=(1, 2, 3))
        correction, table = products.correction, products.constant
        if correction is None or table is None:
            return offset, None, 0
        raw = offset + correction.ravel()
        narrow = _dtype(lo - offset, hi - offset) if products.parts > 1 else products.result
        if _dtype(lo - raw, hi - raw) == narrow:
            return raw, None, 0
        if narrow == "int16" and products.parts > 1 and not np.ptp(correction):
            # Sums of 16 bits wrap around, and wrap back with this.
            return offset, None, (int(correction.flat[0]) + (1 << 15)) % (1 << 16) - (1 << 15)
        if products.parts > 1:
            return raw, None, 0
        return offset, body.table("constant", table), 0

    def order_left(self, schedule: s_tir.Schedule) -> None:
        *_, unit, _, lane = schedule.get_loops(schedule.get_sblock("left"))
        piece = self.products.depth
        if self.runs.count > 1:  # a unit of depth is part of a run, or several of them
            piece = min(piece, self.runs.rounded)
            if self.runs.rounded % self.products.depth == 0:
                schedule.split(unit, [self.runs.count, None])
        schedule.vectorize(schedule.split(lane, [None, piece])[1])


def plans(layer: Layer, vectors: Vectors) -> Iterator[MatrixPlan]:
    """Yield every way to lay out windows, to multiply them, and to cut the map into blocks."""
    op, weight, out = layer.op, layer.weight, layer.shape[2]
    lo, hi = layer.codes_and_zero
    # Where the map is copied anyway.
    center = (lo + hi + 1) // 2 if any(op.pads) and 1 < hi < 256 else 0
    lo, hi = lo - center, hi - center
    for unit in (8, 16, 32):
        each = runs(op, weight.shape, unit)
        if unit > 8 and each == runs(op, weight.shape, unit // 2):
            continue
        product = products(weight, op, each, lo, hi)
        copying = _COPY + (_MASKED if each.rounded > each.length else 0)
        if not vectors.has("many-vectors"):
            copying *= 2  # ARMv7's loads and stores have no offsets
        for way in gemm.plans(product, vectors, packing=True, wide=True):
            if each.count > 1 and each.rounded % way.depth and way.depth % each.rounded:
                continue
            for grid in grids(*layer.output_size, way.rows):
                copied = copying * len(product.weights) * way.depths * way.depth / _LANES
                each_row = copied + way.reading * out / _LANES
                blocks = grid.strips * grid.blocks
                if way.wide and blocks > _FEW:
                    continue
                cost = (
                    blocks
                    * (way.blocks * len(product.weights) * way.instructions + way.rows * each_row)
                    + way.expanding
                )
                yield MatrixPlan(
                    layer=layer,
                    instructions=cost,
                    lanes=lanes_of(way.outs, way.result, vectors),
                    products=way,
                    grid=grid,
                    runs=each,
                    center=center,
                )


def _dtype(lo: NDArray[np.int64], hi: NDArray[np.int64]) -> str:
    return computing_dtype(int(lo.min()), int(hi.max()))


KERNELS = (convolution_kernel("matrix product", plans),)
