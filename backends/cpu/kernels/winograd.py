"""3x3 convolution of stride 1 with 16 products where 36 are plain: Winograd's F(2x2, 3x3).

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016: tiles of 2x2 outputs
are ``A^T [(G g G^T) * (B^T d B)] A``.  Their G has halves.  Here both halves of a pair of products
are whole, and their sum is halved instead; in one dimension, with taps g and codes d,

    m0 = (d0 - d2) g0             m1 = (d1 + d2) (g0 + g1 + g2)
    m3 = (d1 - d3) g2             m2 = (d2 - d1) (g0 - g1 + g2)
    y0 = m0 + h                   h = (m1 + m2) / 2
    y1 = m1 - h - m3

and ``m1 + m2 = 2 (d2 (g0 + g2) + d1 g1)`` is even, so the halving is exact; ``m1 - h`` is
``(m1 - m2) / 2``.  In two dimensions the rows' transform leaves integers that are such sums again.
Channels only add up over all that, which turns the products into 16 matrix products.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tvm import s_tir, te, tirx

from . import gemm
from .body import Body, Expr, Vectors, computing_dtype
from .by_products import ProductsPlan
from .convolution import Totals, convolution_kernel
from .epilogue import Area, computing, lanes_of
from .gemm import Gemm, Origin
from .gemm.packing import select
from .layer import Layer
from .tiling import grids
from .window import container, framed

IntArray = NDArray[np.int64]

_B = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
_G = np.array([[1, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 1]])
_POINTS = 4  # of one dimension
_LANES = 8


def products(weight: IntArray, lo: IntArray, hi: IntArray) -> Gemm:
    """Return the 16 matrix products: transformed weights and the ranges of transformed codes.

    Args:
        weight: int64 (O, 3, 3, I).
        lo, hi: range of the codes, padding included, int64 (I,).
    """
    out, _, _, depth = weight.shape
    weights = np.einsum("ar,bs,orsi->aboi", _G, _G, weight).reshape(-1, out, depth)
    both = np.einsum("ai,bj->abij", _B, _B).reshape(_POINTS**2, -1)
    plus = np.maximum(both, 0).sum(axis=1)[:, None]
    minus = np.maximum(-both, 0).sum(axis=1)[:, None]
    origin = Origin(weight.transpose(1, 2, 0, 3), _G)
    return Gemm(weights, plus * lo - minus * hi, plus * hi - minus * lo, origin)


def row_bounds(weight: IntArray, lo: IntArray, hi: IntArray) -> int:
    """Return the largest magnitude after the first of the two inverse transforms.

    What stands there is, for each of the 4 columns, the plain convolution over rows of codes that
    are transformed along columns.
    """
    plus = np.maximum(_B, 0).sum(axis=1)[:, None]
    minus = np.maximum(-_B, 0).sum(axis=1)[:, None]
    low, high = plus * lo - minus * hi, plus * hi - minus * lo
    coefficients = np.einsum("bs,orsi->bori", _G, weight)
    ends = [coefficients * row[:, None, None, :] for row in (low, high)]
    least, greatest = (f(*ends).sum(axis=(2, 3)) for f in (np.minimum, np.maximum))
    return max(-int(least.min()), int(greatest.max()))


def halve(a: Expr, b: Expr, dtype: str, fits: bool) -> Expr:
    """Compute ``(a + b) / 2`` of an even sum, which fits the type or not.

    What it need not fit is one instruction on NEON, and four on other processors.
    """
    one = tirx.const(1, dtype)
    return (a + b) >> one if fits else (a & b) + ((a ^ b) >> one)


def _transformed(x: Sequence[Expr], index: Expr) -> Expr:
    """Compute ``B^T d`` of one dimension."""
    return select(index, [x[0] - x[2], x[1] + x[2], x[2] - x[1], x[1] - x[3]])


def _inverse(m: Sequence[Expr], index: Expr, dtype: str, fits: bool) -> Expr:
    """Compute ``A^T m`` of one dimension, with the halving."""
    half = halve(m[1], m[2], dtype, fits)
    return select(index, [m[0] + half, m[1] - half - m[3]])


@dataclass(frozen=True, eq=False, kw_only=True)
class WinogradPlan(ProductsPlan):
    """A layer by transformed codes: the products' rows are tiles of 2x2 outputs.

    Attributes:
        center: what is taken off the codes first, so that their sums stay small.
        halved: dtype in which sums over points are halved first, then the second time.
        fits: whether these sums are halved after they have been added up.
    """

    center: int
    halved: tuple[str, str]
    fits: tuple[bool, bool]

    @property
    def reason(self) -> str:
        return (
            f"{self.products.reason}; {self.products.rows}x{self.products.outs} in registers, "
            f"inverse transform in {' and '.join(dict.fromkeys(self.halved))}"
        )

    @property
    def whole(self) -> Area:
        rows, columns = self.grid.extent
        return Area(2 * rows, 2 * columns, 1, self.products.blocks * self.products.outs)

    def totals(self, body: Body) -> Totals:
        op, products, grid = self.layer.op, self.products, self.grid
        tiles, deep = grid.extent, products.depths * products.depth
        x = body.tensor(op.inputs[0], self.layer.source.shape)
        size = (2 * tiles[0] + 2, 2 * tiles[1] + 2, deep)
        low, high = (end - self.center for end in self.layer.codes)
        source = framed(x, op.pads[:2], size, self.layer.outside, container(low, high), self.center)
        weights = products.weights(body)
        constant = None
        if products.constant is not None:
            constant = body.table("constant", products.constant)
        product = products.product(self._codes(source), weights)
        first, second = self.halved

        def inverse_rows(t: Expr, z: Expr, i: Expr, b: Expr, o: Expr) -> Expr:
            at = (*grid.place(t, z), o)
            m = [products.read(product, constant, first, a * _POINTS + b, *at) for a in range(4)]
            return _inverse(m, i, first, self.fits[0]).astype(second)

        rows = te.compute((*tiles, 2, _POINTS, self.whole.channels), inverse_rows, "rows")

        def inverse_columns(t: Expr, z: Expr, i: Expr, j: Expr, o: Expr) -> Expr:
            return _inverse([rows[t, z, i, b, o] for b in range(4)], j, second, self.fits[1])

        total = te.compute((*tiles, 2, 2, self.whole.channels), inverse_columns, "total")
        offset = None
        if self.center:
            offset = self.center * self.layer.weight.sum(axis=(1, 2, 3))
        return Totals(total, lambda y, z, g, o: total(y // 2, z // 2, y % 2, z % 2, o), offset)

    def _codes(self, source: te.Tensor) -> te.Tensor:
        """Write transformed codes: the stages ``columns`` and ``left``."""
        products, grid = self.products, self.grid
        # Bytes wrap around: what fits them in the end may leave them on the way.
        dtype = "int8" if products.left == "uint8" else products.left

        def transform_columns(t: Expr, a: Expr, z: Expr, c: Expr) -> Expr:
            return _transformed([source[2 * t + i, z, c].astype(dtype) for i in range(4)], a)

        _, width, deep = source.shape
        columns = te.compute((grid.extent[0], _POINTS, width, deep), transform_columns, "columns")

        def transform_rows(b: Expr, s: Expr, n: Expr, k: Expr, r: Expr, d: Expr) -> Expr:
            t, z = grid.element(s, n, r)
            c = k * products.depth + d
            row = [columns[t, b // _POINTS, 2 * z + i, c] for i in range(4)]
            code = _transformed(row, b % _POINTS)
            if products.shift is not None:
                code = code + select(b, [tirx.const(int(v), dtype) for v in products.shift])
            return code.astype(products.left)

        return te.compute(products.left_shape(grid.strips, grid.blocks), transform_rows, "left")

    def order_results(self, schedule: s_tir.Schedule) -> s_tir.schedule.LoopRV:
        grid, width = self.grid, self.lanes
        total, rows = schedule.get_sblock("total"), schedule.get_sblock("rows")
        line, pixel, _, channel = schedule.get_loops(computing(schedule))
        strip, line, i = schedule.split(line, [None, grid.high, 2])
        pixel, j = schedule.split(pixel, [None, 2])
        # Whole blocks of outputs, so that the products' region is whole too.
        channel, inner, lanes = schedule.split(channel, [None, self.products.outs // width, width])
        schedule.reorder(strip, channel, inner, line, pixel, i, j, lanes)
        schedule.compute_at(total, pixel, preserve_unit_loops=True)
        schedule.compute_at(rows, pixel, preserve_unit_loops=True)
        for block in (total, rows):
            *_, a, b, lane = schedule.get_loops(block)
            schedule.vectorize(lane)
            schedule.unroll(a)
            schedule.unroll(b)
        schedule.vectorize(lanes)
        schedule.unroll(i)
        schedule.unroll(j)
        return strip

    def order_left(self, schedule: s_tir.Schedule) -> None:
        left, columns = schedule.get_sblock("left"), schedule.get_sblock("columns")
        *_, batch, strip, block, depth, row, lane = schedule.get_loops(left)
        # Neighboring tiles share half of their columns; of only two, both would be computed at
        # once, and leave no registers.
        shared = max(n for n in (1, 3, 4, 5, 6, 7, 8) if self.grid.wide % n == 0)
        row, tile = schedule.split(row, [None, shared])
        schedule.reorder(strip, block, row, depth, tile, batch, lane)
        schedule.compute_at(columns, depth, preserve_unit_loops=True)
        schedule.unroll(tile)
        schedule.unroll(batch)
        schedule.vectorize(lane)
        *_, a, z, lane = schedule.get_loops(columns)
        schedule.unroll(a)
        schedule.unroll(z)
        schedule.vectorize(lane)


def plans(layer: Layer, vectors: Vectors) -> Iterator[WinogradPlan]:
    """Yield every way to multiply the transformed codes, and to cut the map into blocks."""
    weight, (lo, hi) = layer.weight, layer.codes
    if weight.shape[1:3] != (3, 3) or not layer.is_dense:
        return
    out, _, _, depth = weight.shape
    height, width, _ = layer.shape
    center = (lo + hi + 1) // 2 if hi < 256 and (lo or hi > 1) else 0
    lo, hi = lo - center, hi - center
    if max(-lo, hi) > 1 << 13:
        return
    ends = np.full(depth, lo), np.full(depth, hi)
    product = products(weight, *ends)
    least, greatest = product.partial_sums(depth)
    bounds = max(-int(least.min()), int(greatest.max())), row_bounds(weight, *ends)
    if max(bounds) >= 1 << 30:
        return
    first, second = (computing_dtype(bound) for bound in bounds)
    high, wide = -(-height // 2), -(-width // 2)
    for way in gemm.plans(product, vectors, packing=True):
        summed = max(first, way.result, key=lambda name: np.dtype(name).itemsize)
        halved = ("int32" if way.parts > 1 else summed, second)
        fits = tuple(
            (dtype != "int16" or not vectors.has("neon")) and 2 * bound < 1 << (int(dtype[3:]) - 1)
            for bound, dtype in zip(bounds, halved, strict=True)
        )
        for grid in grids(high, wide, way.rows):
            registers = [np.dtype(dtype).itemsize // 2 for dtype in halved]
            inverse = 16 * way.reading + 16 * registers[0] + 12 * registers[1]
            lanes = _LANES if not vectors.scalar else 1 if vectors.has("dual-issue") else 0.7
            each = (52 * way.depths * way.depth + inverse * out) / lanes
            blocks = grid.strips * grid.blocks * way.blocks * len(product.weights)
            yield WinogradPlan(
                layer=layer,
                instructions=blocks * way.instructions + grid.size * each + way.expanding,
                lanes=lanes_of(way.outs, way.result, vectors),
                products=way,
                grid=grid,
                center=center,
                halved=halved,
                fits=(fits[0], fits[1]),
            )


KERNELS = (convolution_kernel("winograd convolution", plans),)
