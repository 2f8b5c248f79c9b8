"""Fixed-point convolution as products of bytes, where the processor multiplies bytes best.

With the dot products and matrix products of bytes that ARM has since Armv8.2 and 8.6, sixteen
bits times sixteen bits cost less as four products of bytes than as one.  Numbers are cut into
digits of base 256 with a sign (limbs): ``x = 256 h + l + 128`` with ``h = x >> 8`` and ``l`` the
low byte less 128; weights ``w = 256 h + l`` with ``l`` the low byte taken as signed.  Every pair of
digits is a matrix product of its own; afterwards all are added up.  The 128 adds a constant to each
output channel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tvm import s_tir, te, tirx

from . import gemm
from .body import Body, Expr, Vectors
from .by_products import ProductsPlan
from .convolution import Totals, convolution_kernel
from .gemm import Gemm
from .layer import Layer
from .tiling import grids
from .window import container, framed

IntArray = NDArray[np.int64]

_PIECE = 8  # bytes of a window row that are copied at once
_LANES = 8  # outputs whose sums of 32 bits are joined at once
_BYTE = 8
_FEATURES = {"dotprod", "i8mm"}


@dataclass(frozen=True)
class ByteDigits:
    """Numbers of a range as bytes.

    Attributes:
        offset: subtracted before.
        ends: (least, greatest) of each digit, the high one first.
    """

    offset: int
    ends: tuple[tuple[int, int], ...]


def digits_of(lo: int, hi: int) -> ByteDigits | None:
    """Return the digits of a range: one byte, or two; None for a wider range."""
    for offset in (0, 128):
        if -128 <= lo - offset and hi - offset <= 127:
            return ByteDigits(offset, ((lo - offset, hi - offset),))
    if -(1 << 15) <= lo and hi < 1 << 15:
        return ByteDigits(128, ((lo >> _BYTE, hi >> _BYTE), (-128, 127)))
    return None


def weight_digits(weight: IntArray) -> tuple[IntArray, IntArray] | None:
    """Cut weights into signed bytes (digits, *shape), the high one first; a sign for each output.

    The digits of 16 bits reach a little further below zero than above, so outputs with a weight
    close to the upper end are computed negated.  None if that does not help.
    """
    if -128 <= weight.min() and weight.max() <= 127:
        return weight[None], np.ones(len(weight), np.int64)
    flat = weight.reshape(len(weight), -1)
    signs = np.where(flat.max(axis=1) + 128 >= 1 << 15, -1, 1)
    turned = weight * signs.reshape(-1, *[1] * (weight.ndim - 1))
    low = (turned + 128 & 255) - 128
    high = turned - low >> _BYTE
    return (np.stack([high, low]), signs) if high.min() >= -128 and high.max() <= 127 else None


@dataclass(frozen=True, eq=False, kw_only=True)
class LimbsPlan(ProductsPlan):
    """A layer by products of each digit of the input with each digit of the weights.

    Attributes:
        digits: of the input.
        signs: of the outputs.
        run: bytes of a window row, rounded up.
    """

    digits: ByteDigits
    signs: IntArray
    run: int

    @property
    def reason(self) -> str:
        return (
            f"{self.products.reason}; {len(self.digits.ends)} by {self.weight_digits} digits of 8 "
            f"bits; {self.products.rows}x{self.products.outs} in registers"
        )

    @property
    def size(self) -> int:
        # Priced as one byte each, like those of other fixed-point kernels.
        return self.layer.weight.size

    @property
    def weight_digits(self) -> int:
        """Digits of a weight."""
        return len(self.products.gemm.weights) // len(self.digits.ends)

    def totals(self, body: Body) -> Totals:
        op, products, grid = self.layer.op, self.products, self.grid
        cuts = self._cuts(self._map(body))
        step = op.stride[1] * self.layer.source.shape[2]

        def window(b: Expr, s: Expr, n: Expr, k: Expr, r: Expr, d: Expr) -> Expr:
            at = k * products.depth + d
            row, column = grid.element(s, n, r)
            y = row * op.stride[0] + at // self.run * op.dilation[0]
            z = column * step + at % self.run
            return cuts[b // self.weight_digits, y, z]

        left = te.compute(products.left_shape(grid.strips, grid.blocks), window, "left")
        product = products.product(left, body.table("weight", products.arranged_weights))
        sign = body.row("sign", self.signs, "int32")

        def read(y: Expr, z: Expr, g: Expr, o: Expr) -> Expr:
            sums: dict[int, Expr] = {}
            for b in range(len(products.gemm.weights)):
                place = len(self.digits.ends) - 1 - b // self.weight_digits
                place += self.weight_digits - 1 - b % self.weight_digits
                each = products.read(product, None, "int32", b, *grid.place(y, z), o)
                sums[place] = sums[place] + each if place in sums else each
            total = None
            for place, each in sums.items():
                term = (each * sign(o)).astype("int64") << tirx.const(_BYTE * place, "int64")
                total = term if total is None else total + term
            return total

        total = te.compute(self.whole, read, "total")
        offset = None
        if self.digits.offset:
            weight = self.layer.weight
            offset = self.digits.offset * weight.reshape(len(weight), -1).sum(axis=1)
        return Totals(total, total, offset)

    def _map(self, body: Body) -> te.Tensor:
        """Write the input, padded as far as windows reach; a row of it is one run of numbers."""
        op, (height, width, channels) = self.layer.op, self.layer.source.shape
        x = body.tensor(op.inputs[0], (height, width * channels, 1))
        # The last row of a window may be followed by surplus of K, and every row by its own.
        taps = -(-self.products.depths * self.products.depth // self.run)
        rows, columns = self.grid.extent
        size = (
            max((rows - 1) * op.stride[0] + (taps - 1) * op.dilation[0] + 1, op.pads[0] + height),
            max(
                (columns - 1) * op.stride[1] * channels + self.run,
                (op.pads[1] + width) * channels,
            ),
            1,
        )
        origin = (op.pads[0], op.pads[1] * channels)
        return framed(x, origin, size, self.layer.outside, container(*self.layer.codes))

    def _cuts(self, source: te.Tensor) -> te.Tensor:
        """Write the digits of all numbers: the stage ``digits``."""

        def digit(k: Expr, y: Expr, z: Expr) -> Expr:
            number = source[y, z, 0]
            if len(self.digits.ends) == 1:
                return (number.astype("int16") - self.digits.offset).astype("int8")
            number = number.astype("int16")
            # Bytes wrap around: the low one less 128 is itself with the top bit turned.
            least = number.astype("int8") ^ tirx.const(-128, "int8")
            return tirx.Select(k == 0, (number >> tirx.const(_BYTE, "int16")).astype("int8"), least)

        return te.compute((len(self.digits.ends), *source.shape[:2]), digit, "digits")

    def order_left(self, schedule: s_tir.Schedule) -> None:
        left, digits = schedule.get_sblock("left"), schedule.get_sblock("digits")
        schedule.vectorize(schedule.split(schedule.get_loops(left)[-1], [None, _PIECE])[1])
        schedule.unroll(schedule.get_loops(digits)[0])


def plans(layer: Layer, vectors: Vectors) -> Iterator[LimbsPlan]:
    """Yield every way to multiply the digits, and to cut the map into blocks."""
    op, weight, (height, width, out) = layer.op, layer.weight, layer.shape
    digits, cut = digits_of(*layer.codes_and_zero), weight_digits(weight)
    if digits is None or cut is None or not any(map(vectors.has, _FEATURES)):
        return
    parts, signs = cut
    if op.groups > 1 or op.dilation[1] > 1 or len(parts) * len(digits.ends) == 1:
        return
    kh, length = weight.shape[1], weight.shape[2] * weight.shape[3]
    run = -(-length // _PIECE) * _PIECE
    rows = np.zeros((len(parts), out, kh, run), np.int64)
    rows[..., :length] = parts.reshape(len(parts), out, kh, length)
    weights = np.concatenate([rows.reshape(len(parts), out, -1)] * len(digits.ends))
    ends = np.repeat(np.array(digits.ends), len(parts), axis=0)
    low, high = (np.repeat(ends[:, k, None], kh * run, axis=1) for k in range(2))
    batch = len(weights)
    for way in gemm.plans(Gemm(weights, low, high), vectors):
        if way.left != "int8" or way.correction is not None or way.parts > 1 or way.depth % _PIECE:
            continue
        for grid in grids(height, width, way.rows):
            each_row = 2 * batch * way.depths * way.depth / _PIECE + (2 * batch + 6) * out / 4
            yield LimbsPlan(
                layer=layer,
                instructions=grid.strips
                * grid.blocks
                * (way.blocks * batch * way.instructions + way.rows * each_row),
                lanes=math.gcd(way.outs, _LANES),
                products=way,
                grid=grid,
                digits=digits,
                signs=signs,
                run=run,
            )


KERNELS = (convolution_kernel("fixed-point convolution by bytes", plans),)
