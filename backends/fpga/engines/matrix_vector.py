"""The matrix-vector engine: convolution with folded processing elements and SIMD lanes."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from n2uqc.passes.program import Conv

from .. import jit
from ..widths import magnitude, register_dtype, storage, weight_dtype
from . import byte_dots
from .engine import Arrays, Engine, Run, divisors
from .token_timing import WindowTiming
from .window import Geometry, tree_depth

PLANE_BITS = 4
"""Codes and weights of up to this width may be multiplied by bit planes, or several in a block."""

PACKED = "packed"
"""The form with several low-bit products in one multiplier block."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MatrixVector(Engine):
    """Line buffer, then PE dot products of SIMD operands per cycle (MVU of FINN, FPGA 2017).

    For each output pixel and group there are ``NF = O / groups / PE`` neuron folds of ``SF = KH *
    KW * I / groups / SIMD`` cycles each, so ``OH * OW * (O / PE) * SF`` cycles per image. SIMD is a
    divisor of the group's input channels, or a whole number of taps (then the buffer is read at
    several positions at once): no fold covers part of a tap and another tap. All PEs work on one
    group. Every cycle each PE adds the sum of one fold to its accumulator, which wraps at the
    declared width.
    """

    kind: ClassVar[str] = "matrix-vector"
    reduction: ClassVar[str] = "sum"

    op: Conv

    def pad_value(self) -> int:
        """Return the code of padding."""
        return self.op.pad_value

    @property
    def geometry(self) -> Geometry:
        _, kh, kw, _ = self.constants[self.op.weight].values.shape
        return Geometry.of(self.op, self.inputs[0], self.output, (kh, kw))

    @property
    def depth(self) -> int:
        """Input channels of a group."""
        return self.inputs[0].shape[2] // self.op.groups

    @property
    def pe_options(self) -> tuple[int, ...]:
        return divisors(self.output.shape[2] // self.op.groups)

    @property
    def simd_options(self) -> tuple[int, ...]:
        return self.geometry.tap_options(self.depth)

    @property
    def forms(self) -> tuple[str, ...]:
        """``products``; of low-bit codes and weights ``packed``, several products in a multiplier
        block, where there are several results side by side; of odd weights also ``planes``.
        """
        x = self.inputs[0]
        if x.signed or x.bits > PLANE_BITS or self.fold.simd == 1:
            return ("products",)
        low, odd = self.fact("low weights", self._low_weights)
        packed = low and 1 < x.bits and self.fold.pe > 1
        return ("products", *(["planes"] if odd else []), *([PACKED] if packed else []))

    def _low_weights(self) -> tuple[bool, bool]:
        """Tell whether weights are of few bits, and whether these are odd."""
        weight = self.values(self.op.weight)
        odd = bool((weight % 2 != 0).all())
        most = (1 << PLANE_BITS) - 1 if odd else (1 << (PLANE_BITS - 1)) - 1
        low = -most - (not odd) <= int(weight.min()) and int(weight.max()) <= most
        return low, low and odd

    @property
    def tap_lanes(self) -> int:
        return self.depth

    @property
    def multipliers(self) -> int:
        return self.fold.pe * self.fold.simd

    @property
    def in_lanes(self) -> int:
        return min(self.fold.simd, self.tap_lanes)

    @property
    def latency(self) -> int:
        """Buffer and weight read, product, adder tree, accumulator."""
        return 3 + tree_depth(self.fold.simd)

    @property
    def timing(self) -> WindowTiming:
        operands = self.geometry.taps * self.depth
        return self.geometry.timing(
            words=self.inputs[0].shape[2] // self.in_lanes,
            results=self.output.shape[2] // self.fold.pe,
            result_cycles=operands // self.fold.simd,
            latency=self.latency,
        )

    def bound(self) -> int:
        """Return a bound on the magnitude of all partial sums, for any input of the
        declared width.
        """
        weight = self.values(self.op.weight)
        rows = np.abs(weight).reshape(len(weight), -1).astype(object).sum(axis=1)
        return int(rows.max()) * max(magnitude(self.inputs[0]), abs(self.op.pad_value))

    def partial_range(self) -> tuple[int, int]:
        """Return the range of all partial sums in any order, for any input of the
        declared width.
        """
        weight = self.values(self.op.weight)
        rows = weight.reshape(len(weight), -1).astype(object)
        least, greatest = self.inputs[0].limits
        ends = rows * min(least, self.op.pad_value), rows * max(greatest, self.op.pad_value)
        low, high = np.minimum(*ends), np.maximum(*ends)
        return (
            int(np.minimum(low, 0).sum(axis=1).min()),
            int(np.maximum(high, 0).sum(axis=1).max()),
        )

    def prepare(self) -> Run:
        return self._by_bytes() or self._by_lanes()

    def _by_bytes(self) -> Run | None:
        """Return the arithmetic with four products per instruction, or None if it is
        not possible.
        """
        weight, g, op, x = self.values(self.op.weight), self.geometry, self.op, self.inputs[0]
        (low, high), limits = self.partial_range(), self.output.limits
        form = byte_dots.instruction(
            max(x.limits[1], op.pad_value), int(np.abs(weight).max(initial=0))
        )
        signed = x.signed or op.pad_value < 0 or op.groups > 1
        if not form or signed or low < limits[0] or high > limits[1] or self.output.bits > 32:
            return None
        x_type, y_type = storage(x, self.name), storage(self.output, self.name)
        if (x_type, y_type) != ("int32", "int32"):
            return None
        packed, vectors = byte_dots.pack(weight, byte_dots.LANES[form])
        channels, rows, columns = self.depth, *g.padded
        filled = -(-channels // byte_dots.FOUR) * byte_dots.FOUR
        stage = jit.compiled(byte_dots.build_bytes, x_type)
        offsets = g.offsets(1) // g.shape[2] * filled
        parts = [
            (width, start, end)
            for width, start, end in ((4, 0, vectors // 4 * 4), (1, vectors // 4 * 4, vectors))
            if start < end
        ]
        kernels = [
            (jit.compiled(byte_dots.build_byte_dots, form, y_type, width), start, end)
            for width, start, end in parts
        ]

        def run(inputs: Arrays, y: NDArray[Any], counts: NDArray[np.int64]) -> None:
            n = len(y)
            staged = np.zeros(n * rows * columns * filled, np.uint8)
            stage(
                n,
                *g.shape[:2],
                channels,
                rows,
                columns,
                *g.pads[:2],
                filled,
                op.pad_value,
                inputs[0].reshape(-1),
                staged,
            )
            for kernel, start, end in kernels:
                kernel(
                    n,
                    *g.out,
                    *g.stride,
                    rows,
                    columns,
                    filled,
                    y.shape[-1],
                    len(offsets),
                    start,
                    end,
                    staged,
                    packed,
                    offsets,
                    y.reshape(-1),
                )

        return run

    def _by_lanes(self) -> Run:
        from ..lanes import LANES

        weight, g, op = self.values(self.op.weight), self.geometry, self.op
        x_type, y_type = storage(self.inputs[0], self.name), storage(self.output, self.name)
        (low, high), limits = self.partial_range(), self.output.limits
        wraps = low < limits[0] or high > limits[1]
        # 16 bits: twice the lanes, and a cheaper multiplication
        sums = (
            register_dtype(self.bound(), self.output.bits + 1)
            if wraps
            else register_dtype(max(-low, high), least=16)
        )
        w_type = weight_dtype(weight)
        lanes = LANES[sums]
        kernel = jit.compiled(build_dots, x_type, w_type, sums, y_type, wraps)
        packed, vectors = pack_weights(weight, op.groups, lanes, w_type)
        offsets = g.offsets(self.depth)
        folds = len(offsets) // self.fold.simd

        def run(inputs: Arrays, y: NDArray[Any], counts: NDArray[np.int64]) -> None:
            staged = g.stage(inputs[0], op.pad_value)
            kernel(
                len(y),
                *g.out,
                *g.stride,
                *g.padded,
                g.shape[2],
                y.shape[-1],
                op.groups,
                self.depth,
                vectors,
                folds,
                self.fold.simd,
                self.output.bits,
                int(self.output.signed),
                staged,
                packed,
                offsets,
                y.reshape(-1),
                counts,
            )

        return run


def pack_weights(
    weight: NDArray[np.int64], groups: int, lanes: int, dtype: str
) -> tuple[NDArray[Any], int]:
    """Pack (O, KH, KW, I) as flat (groups, vectors, KH*KW*I, lanes), zero-filled."""
    per_group, operands = len(weight) // groups, prod(weight.shape[1:])
    vectors = -(-per_group // lanes)
    packed = np.zeros((groups, vectors * lanes, operands), dtype)
    packed[:, :per_group] = weight.reshape(groups, per_group, operands)
    lanes_last = packed.reshape(groups, vectors, lanes, operands).transpose(0, 1, 3, 2)
    return np.ascontiguousarray(lanes_last).reshape(-1), vectors


def build_dots(x_type: str, w_type: str, sums: str, y_type: str, wraps: bool) -> Any:
    """Build a kernel of folded dot products, with rows of the weight matrix in host lanes.

    The results of a pixel are independent, so the host computes a vector of them at once. Each is
    summed fold by fold in the hardware's order and wrapped after each fold, or summed without
    wrapping where no partial sum can overflow.
    """
    from ..accumulator import Accumulators, plain_sum
    from ..lanes import LANES, Else, If, KernelBuilder, Then, load, serial, store, wide

    lanes = LANES[sums]
    with KernelBuilder("dots") as kernel:
        (
            n,
            out_h,
            out_w,
            stride_h,
            stride_w,
            rows,
            columns,
            channels,
            out_channels,
            groups,
            depth,
            vectors,
            folds,
            simd,
            bits,
            signed,
        ) = kernel.scalars(
            "n",
            "out_h",
            "out_w",
            "stride_h",
            "stride_w",
            "rows",
            "columns",
            "channels",
            "out_channels",
            "groups",
            "depth",
            "vectors",
            "folds",
            "simd",
            "bits",
            "signed",
        )
        x, w = kernel.array("x", x_type), kernel.array("w", w_type)
        offsets, y = kernel.array("offsets", "int32"), kernel.array("y", y_type)
        counts = kernel.array("counts", "int64")
        accumulators = Accumulators(sums, {lanes}, bits, signed) if wraps else None
        per_group, operands = out_channels // groups, folds * simd
        with serial(0, n) as i:
            with (
                serial(0, out_h) as r,
                serial(0, out_w) as c,
                serial(0, groups) as g,
                serial(0, vectors) as v,
            ):
                corner = ((i * rows + r * stride_h) * columns + c * stride_w) * channels + g * depth
                row = (g * vectors + v) * operands

                def term(k: Any, corner: Any = corner, row: Any = row) -> Any:
                    operand = wide(x[corner + offsets[k]], sums, lanes)
                    return operand * load(w, (row + k) * lanes, sums, lanes)

                if accumulators is None:
                    total = plain_sum(sums, lanes, operands, term)
                else:
                    total = accumulators.sum(lanes, folds, simd, term)
                pixel = (i * out_h + r) * out_w + c
                first = pixel * out_channels + g * per_group + v * lanes
                left = per_group - v * lanes
                with If(left >= lanes):
                    with Then():
                        store(y, first, total.value)
                    with Else(), serial(0, left) as lane:
                        store(y, first + lane, total.lane(lane))
            if accumulators is not None:
                accumulators.flush(counts)
    return kernel.function
