"""Engines with a line buffer that treat each channel separately: depthwise and pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from n2uqc.passes.program import Conv, MaxPool, SumPool

from .. import jit
from ..widths import magnitude, register_dtype, storage, weight_dtype
from .engine import Arrays, Engine, Run
from .token_timing import Beat, Timing
from .window import Geometry, tree_depth


@dataclass(frozen=True, kw_only=True, eq=False)
class _Channelwise(Engine):
    """PE channels in parallel, SIMD taps of each: ``OH * OW * C / PE * KH * KW / SIMD`` cycles."""

    reduction: ClassVar[str] = "sum"

    @property
    def geometry(self) -> Geometry:
        raise NotImplementedError

    @property
    def simd_options(self) -> tuple[int, ...]:
        return self.geometry.tap_options(1)

    @property
    def latency(self) -> int:
        """Register stages: buffer read, tree, result."""
        return 2 + tree_depth(self.fold.simd)

    @property
    def timing(self) -> Timing:
        return self.geometry.timing(
            words=self.inputs[0].shape[2] // self.fold.pe,
            results=self.output.shape[2] // self.fold.pe,
            result_cycles=self.geometry.taps // self.fold.simd,
            latency=self.latency,
        )

    def weights(self) -> NDArray[np.int64]:
        """Return the weights, (taps, C); ones for pools."""
        return np.ones((self.geometry.taps, self.inputs[0].shape[2]), np.int64)

    def pad_value(self) -> int:
        return 0

    def prepare(self) -> Run:
        g, weight, pad = self.geometry, self.weights(), self.pad_value()
        x_type, y_type = storage(self.inputs[0], self.name), storage(self.output, self.name)
        rows = np.abs(weight).astype(object).sum(axis=0)
        bound = int(rows.max()) * max(magnitude(self.inputs[0]), abs(pad))
        sums = register_dtype(bound, self.output.bits + 1)
        w_type = weight_dtype(weight)
        kernel = jit.compiled(build_reduction, self.reduction, x_type, w_type, sums, y_type)
        packed, offsets = weight.astype(w_type).reshape(-1), g.offsets(1)

        def run(inputs: Arrays, y: NDArray[Any], counts: NDArray[np.int64]) -> None:
            kernel(
                len(y),
                *g.out,
                *g.stride,
                *g.padded,
                g.shape[2],
                g.taps // self.fold.simd,
                self.fold.simd,
                self.output.bits,
                int(self.output.signed),
                g.stage(inputs[0], pad),
                packed,
                offsets,
                y.reshape(-1),
                counts,
            )

        return run


@dataclass(frozen=True, kw_only=True, eq=False)
class Depthwise(_Channelwise):
    """Depthwise convolution: each PE holds one channel's filter (VVAU of FINN)."""

    kind: ClassVar[str] = "depthwise"

    op: Conv

    @property
    def geometry(self) -> Geometry:
        _, kh, kw, _ = self.constants[self.op.weight].values.shape
        return Geometry.of(self.op, self.inputs[0], self.output, (kh, kw))

    @property
    def multipliers(self) -> int:
        return self.fold.pe * self.fold.simd

    @property
    def latency(self) -> int:
        """Register stages: buffer and weight read, product, adder tree, accumulator."""
        return 3 + tree_depth(self.fold.simd)

    def weights(self) -> NDArray[np.int64]:
        weight = self.values(self.op.weight)
        return np.ascontiguousarray(weight.reshape(len(weight), -1).T)

    def pad_value(self) -> int:
        return self.op.pad_value


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool(_Channelwise):
    """Sum pooling over windows."""

    kind: ClassVar[str] = "pool"

    op: SumPool | MaxPool

    @property
    def factors(self) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Factors of the sums, by row and by column of results; None if all are 1."""
        return None

    @property
    def sum_limits(self) -> tuple[int, int]:
        """Least and largest sum in the accumulator, before multiplication by the factors."""
        low, high = self.inputs[0].limits
        return low * self.geometry.taps, high * self.geometry.taps

    @property
    def geometry(self) -> Geometry:
        return Geometry.of(self.op, self.inputs[0], self.output, self.op.kernel)


@dataclass(frozen=True, kw_only=True, eq=False)
class WeightedPool(Pool):
    """Sum pooling that scales sums at the edges,
    where windows hold padding (``SumPool.counted``).
    """

    op: SumPool

    @property
    def multipliers(self) -> int:
        return self.fold.pe

    @property
    def latency(self) -> int:
        """Register stages of a sum, and one for the product."""
        return super().latency + 1

    @property
    def factors(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        rows, columns = self.op.factors(self.geometry.shape)
        return np.array(rows, np.int64), np.array(columns, np.int64)

    def prepare(self) -> Run:
        g, (rows, columns) = self.geometry, self.factors
        x_type, y_type = storage(self.inputs[0], self.name), storage(self.output, self.name)
        most = max(map(abs, self.sum_limits)) * int(rows.max()) * int(columns.max())
        sums = register_dtype(most, self.output.bits + 1)
        kernel = jit.compiled(build_weighted, x_type, sums, y_type)
        offsets = g.offsets(1)

        def run(inputs: Arrays, y: NDArray[Any], counts: NDArray[np.int64]) -> None:
            kernel(
                len(y),
                *g.out,
                *g.stride,
                *g.padded,
                g.shape[2],
                g.taps,
                self.output.bits,
                int(self.output.signed),
                g.stage(inputs[0], 0),
                offsets,
                rows,
                columns,
                y.reshape(-1),
                counts,
            )

        return run


@dataclass(frozen=True, kw_only=True, eq=False)
class Maximum(Pool):
    """Maximum pooling; the padding is the least value of the input type,
    so it never changes a result.
    """

    reduction: ClassVar[str] = "max"

    def pad_value(self) -> int:
        return self.inputs[0].limits[0]


@dataclass(frozen=True, kw_only=True, eq=False)
class GlobalPool(Pool):
    """A pool over the whole map: a register per channel, no line buffer, H * W * C / PE cycles."""

    kind: ClassVar[str] = "global pool"

    @property
    def simd_options(self) -> tuple[int, ...]:
        return (1,)

    @property
    def latency(self) -> int:
        """One register stage."""
        return 1

    @property
    def timing(self) -> Beat:
        firings = self.inputs[0].size // self.fold.pe
        return Beat(
            firings, give=(firings, self.output.shape[2] // self.fold.pe), latency=self.latency
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class GlobalMaximum(GlobalPool):
    """Maximum over the whole map."""

    reduction: ClassVar[str] = "max"


def pool_engine(op: SumPool | MaxPool, shape: tuple[int, int, int]) -> type[Pool]:
    """Return the engine class that pools a map of this shape."""
    whole = op.kernel == shape[:2] and not any(op.pads)
    if isinstance(op, MaxPool):
        return GlobalMaximum if whole else Maximum
    if op.weighted(shape):
        return WeightedPool
    return GlobalPool if whole else Pool


def build_reduction(reduction: str, x_type: str, w_type: str, sums: str, y_type: str) -> Any:
    """Build a kernel of a folded reduction over taps, with channels in the lanes of a vector."""
    from tvm import tirx

    from ..accumulator import Accumulators
    from ..lanes import LANES, KernelBuilder, Variable, blocks, load, serial, store

    most = LANES[sums]
    with KernelBuilder(f"channelwise_{reduction}") as kernel:
        (
            n,
            out_h,
            out_w,
            stride_h,
            stride_w,
            rows,
            columns,
            channels,
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
            "folds",
            "simd",
            "bits",
            "signed",
        )
        x, w = kernel.array("x", x_type), kernel.array("w", w_type)
        offsets, y = kernel.array("offsets", "int32"), kernel.array("y", y_type)
        counts = kernel.array("counts", "int64")
        accumulators = Accumulators(sums, {most, 1}, bits, signed)
        greatest = {k: Variable(sums, k) for k in {most, 1}}
        with serial(0, n) as i:
            with serial(0, out_h) as r, serial(0, out_w) as c:
                corner = ((i * rows + r * stride_h) * columns + c * stride_w) * channels
                pixel = ((i * out_h + r) * out_w + c) * channels

                def compute_block(
                    first: Any, lanes: int, corner: Any = corner, pixel: Any = pixel
                ) -> None:
                    def tap(k: Any) -> Any:
                        return load(x, corner + offsets[k] + first, sums, lanes)

                    if reduction == "max":
                        best = greatest[lanes]
                        best.set(tap(0))
                        with serial(1, folds * simd) as k:
                            best.set(tirx.max(best.value, tap(k)))
                        store(y, pixel + first, accumulators.keep(best.value, lanes))
                        return
                    total = accumulators.sum(
                        lanes,
                        folds,
                        simd,
                        lambda k: tap(k) * load(w, k * channels + first, sums, lanes),
                    )
                    store(y, pixel + first, total.value)

                blocks(channels, most, compute_block)
            accumulators.flush(counts)
    return kernel.function


def build_weighted(x_type: str, sums: str, y_type: str) -> Any:
    """Build a kernel of exact sums over taps, times a factor by row and a factor by column."""
    from ..accumulator import Accumulators, plain_sum
    from ..lanes import LANES, KernelBuilder, blocks, load, serial, store, wide

    most = LANES[sums]
    with KernelBuilder("channelwise_weighted") as kernel:
        n, out_h, out_w, stride_h, stride_w, rows, columns, channels, taps, bits, signed = (
            kernel.scalars(
                "n",
                "out_h",
                "out_w",
                "stride_h",
                "stride_w",
                "rows",
                "columns",
                "channels",
                "taps",
                "bits",
                "signed",
            )
        )
        x, offsets = kernel.array("x", x_type), kernel.array("offsets", "int32")
        of_row, of_column = kernel.array("of_row", "int64"), kernel.array("of_column", "int64")
        y, counts = kernel.array("y", y_type), kernel.array("counts", "int64")
        accumulators = Accumulators(sums, {most, 1}, bits, signed)
        with serial(0, n) as i:
            with serial(0, out_h) as r, serial(0, out_w) as c:
                corner = ((i * rows + r * stride_h) * columns + c * stride_w) * channels
                pixel = ((i * out_h + r) * out_w + c) * channels
                factor = load(of_row, r, sums, 1) * load(of_column, c, sums, 1)

                def compute_block(
                    first: Any,
                    lanes: int,
                    corner: Any = corner,
                    pixel: Any = pixel,
                    factor: Any = factor,
                ) -> None:
                    total = plain_sum(
                        sums,
                        lanes,
                        taps,
                        lambda k: load(x, corner + offsets[k] + first, sums, lanes),
                    )
                    result = total.value * wide(factor, sums, lanes)
                    store(y, pixel + first, accumulators.keep(result, lanes))

                blocks(channels, most, compute_block)
            accumulators.flush(counts)
    return kernel.function
