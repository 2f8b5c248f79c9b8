"""The real dialect: the trained network in exact real arithmetic, as it enters the passes.

Parameters are exact (``Surd``, or float32 values held in float64).  A real operation reads an
integer tensor as ``scale * integer`` (scale 1 where the type gives none).  Lowering replaces every
operation of this file; ``execute`` in float64 serves tests and reports only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..exact import Surd
from ..operation import ConstRef, Op
from ..types import Constant, IntType, RealType, Shape, TensorType
from .window import Pads, Pair, counts, output_size, pads_fit, windows

Row = tuple[Surd, ...]
"""One exact number for each channel."""
Table = tuple[Row, ...]
"""Rows of thresholds: one row for the tensor, or one for each channel."""
Rules = tuple[tuple[bool, ...], ...]
"""Rows of comparison rules, as of thresholds: true for ``>``, false for ``>=``."""

Reals = NDArray[np.float64]


def floats(row: Row) -> Reals:
    """Nearest float64 of each number."""
    return np.array([float(v) for v in row])


@dataclass(frozen=True, kw_only=True)
class RealOp(Op):
    """An operation of the real dialect with one result of the same shape by default."""

    real: ClassVar[bool] = True

    def infer(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> TensorType:
        return RealType(self.shape(types, consts))

    def shape(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> Shape:
        return types[self.inputs[0]].shape

    def _channels(self, types: Mapping[str, TensorType], *rows: Row) -> None:
        channels = types[self.inputs[0]].shape[2]
        self.require(
            all(len(r) == channels for r in rows), f"parameters do not fit {channels} channels"
        )


@dataclass(frozen=True, kw_only=True)
class Affine(RealOp):
    """``y = slope[c] * x + offset[c]``: BatchNorm, biases, scales."""

    mnemonic: ClassVar[str] = "affine"

    slope: Row
    offset: Row

    def shape(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> Shape:
        self._channels(types, self.slope, self.offset)
        return types[self.inputs[0]].shape

    def execute(self, inputs: list[Reals], consts: Mapping[str, Constant]) -> Reals:
        return inputs[0] * floats(self.slope) + floats(self.offset)


@dataclass(frozen=True, kw_only=True)
class RealPRelu(RealOp):
    """``y = x >= 0 ? x : slope[c] * x``."""

    mnemonic: ClassVar[str] = "real_prelu"

    slope: Row

    def shape(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> Shape:
        self._channels(types, self.slope)
        return types[self.inputs[0]].shape

    def execute(self, inputs: list[Reals], consts: Mapping[str, Constant]) -> Reals:
        x = inputs[0]
        return np.where(x >= 0, x, x * floats(self.slope))


@dataclass(frozen=True, kw_only=True)
class RealClip(RealOp):
    """``y = min(max(x, lo), hi)``; a bound of None is absent.  ReLU has lo 0."""

    mnemonic: ClassVar[str] = "real_clip"

    lo: Surd | None
    hi: Surd | None

    def execute(self, inputs: list[Reals], consts: Mapping[str, Constant]) -> Reals:
        lo, hi = (None if v is None else float(v) for v in (self.lo, self.hi))
        return np.clip(inputs[0], lo, hi)


@dataclass(frozen=True, kw_only=True)
class Quantize(RealOp):
    """A learned quantizer: ``code = sum_k [input_scale * x > thresholds[k]]`` (>= if not strict).

    Liu et al., CVPR 2022 (arXiv 2111.14826), section 3.1.  The result is an integer tensor whose
    scale is the step between output levels.  ``ties``, if given, holds a rule for each threshold in
    place of ``strict``, in one row or one a channel: rounding half to even alternates between them.
    """

    mnemonic: ClassVar[str] = "quantize"

    thresholds: Table
    input_scale: Surd
    strict: bool
    step: Surd
    bits: int
    ties: Rules = ()

    @cached_property  # types are inferred many times
    def _ordered(self) -> bool:
        return all(a <= b for row in self.thresholds for a, b in zip(row, row[1:], strict=False))

    @property
    def rules(self) -> Rules:
        """Of each threshold, in one row or one a channel."""
        return self.ties or ((self.strict,) * max(map(len, self.thresholds)),)

    def rules_of(self, channel: int) -> tuple[bool, ...]:
        """Of each threshold of one channel: true for ``>``, false for ``>=``."""
        return self.rules[channel if len(self.rules) > 1 else 0]

    def infer(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> IntType:
        shape = types[self.inputs[0]].shape
        self.require(len(self.thresholds) in (1, shape[2]), "thresholds do not fit the channels")
        self.require(self.step.rational is not None, "irrational step")
        top = (1 << self.bits) - 1
        self.require(all(len(row) <= top for row in self.thresholds), f"more than {top} thresholds")
        self.require(self._ordered, "thresholds out of order")
        self.require(
            all(len(row) == len(self.rules[0]) for row in (*self.thresholds, *self.rules))
            and len(self.rules) in (1, shape[2]),
            "rules do not fit thresholds",
        )
        return IntType(shape, self.bits, False, 0, top, self.step.rational)

    def execute(self, inputs: list[Reals], consts: Mapping[str, Constant]) -> NDArray[np.int64]:
        x = inputs[0] * float(self.input_scale)
        table = np.array([floats(row) for row in self.thresholds])
        result = np.zeros(x.shape, dtype=np.int64)
        rules = np.array(self.rules)
        for k in range(table.shape[1]):  # not at once: K times the memory
            result += np.where(rules[:, k], x > table[:, k], x >= table[:, k])
        return result


@dataclass(frozen=True, kw_only=True)
class RealConv(RealOp):
    """Convolution by real weights: constant (O, KH, KW, I / groups), times ``step[o]`` if given.

    Attributes:
        levels: bits of a weight's code where real weights are levels of a codebook, at most
            ``2**levels`` in an output channel; else 0.
    """

    mnemonic: ClassVar[str] = "real_conv"

    weight: ConstRef
    step: Row = ()
    stride: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    levels: int = 0

    def shape(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> Shape:
        height, width, channels = types[self.inputs[0]].shape
        out, kh, kw, depth = consts[self.weight].values.shape
        self.require(
            depth * self.groups == channels
            and out % self.groups == 0
            and len(self.step) in (0, out),
            f"weight {(out, kh, kw, depth)} with {self.groups} groups does not fit {channels} "
            "channels",
        )
        self.require(pads_fit((height, width), self.pads), f"pads {self.pads} many times its map")
        size = output_size((height, width), (kh, kw), self.stride, self.pads, self.dilation)
        self.require(min(size) > 0, f"the window does not fit a map of {height}x{width}")
        return (*size, out)

    def real_weight(self, consts: Mapping[str, Constant]) -> Reals:
        """The weights in float64."""
        weight = consts[self.weight].values.astype(np.float64)
        return weight * floats(self.step)[:, None, None, None] if self.step else weight

    def execute(self, inputs: list[Reals], consts: Mapping[str, Constant]) -> Reals:
        weight = self.real_weight(consts)
        out, kh, kw, depth = weight.shape
        view = windows(inputs[0], (kh, kw), self.stride, self.pads, self.dilation, 0.0)
        per_group = out // self.groups
        parts = []
        for g in range(self.groups):
            part = view[:, :, :, g * depth : (g + 1) * depth].transpose(0, 1, 2, 4, 5, 3)
            rows = weight[g * per_group : (g + 1) * per_group].reshape(per_group, -1)
            parts.append(part.reshape(*part.shape[:3], -1) @ rows.T)
        return np.concatenate(parts, axis=3)


@dataclass(frozen=True, kw_only=True)
class RealAdd(RealOp):
    """``y = x1 + x2``: a skip connection."""

    mnemonic: ClassVar[str] = "real_add"

    def shape(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> Shape:
        self.require(len(self.inputs) == 2, "takes two inputs")
        a, b = (types[i].shape for i in self.inputs)
        self.require(a == b, f"shapes {a} and {b} differ")
        return a

    def execute(self, inputs: list[Reals], consts: Mapping[str, Constant]) -> Reals:
        return inputs[0] + inputs[1]


@dataclass(frozen=True, kw_only=True)
class _RealPool(RealOp):
    kernel: Pair
    stride: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)

    def shape(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> Shape:
        height, width, channels = types[self.inputs[0]].shape
        self.require(pads_fit((height, width), self.pads), f"pads {self.pads} many times its map")
        size = output_size((height, width), self.kernel, self.stride, self.pads, (1, 1))
        self.require(min(size) > 0, f"the window does not fit a map of {height}x{width}")
        return (*size, channels)


@dataclass(frozen=True, kw_only=True)
class RealMaxPool(_RealPool):
    """Maximum over the window's positions inside the map."""

    mnemonic: ClassVar[str] = "real_maxpool"

    def execute(self, inputs: list[Reals], consts: Mapping[str, Constant]) -> Reals:
        view = windows(inputs[0], self.kernel, self.stride, self.pads, (1, 1), -np.inf)
        result: Reals = view.max(axis=(4, 5))
        return result


@dataclass(frozen=True, kw_only=True)
class RealAvgPool(_RealPool):
    """Sum over the window divided by the positions that count; those outside the map are zeros.

    Attributes:
        counted: see ``SumPool``.
    """

    mnemonic: ClassVar[str] = "real_avgpool"

    counted: Pads | None = None

    def execute(self, inputs: list[Reals], consts: Mapping[str, Constant]) -> Reals:
        size = inputs[0].shape[1:3]
        view = windows(inputs[0], self.kernel, self.stride, self.pads, (1, 1), 0.0)
        n = counts((size[0], size[1]), self.kernel, self.stride, self.pads, self.counted)
        result: Reals = view.sum(axis=(4, 5)) / np.multiply.outer(*map(np.array, n))[:, :, None]
        return result


@dataclass(frozen=True, kw_only=True)
class RealFlatten(RealOp):
    """(H, W, C) to (1, 1, C·H·W) in ONNX order, channels first, or in memory order if asked."""

    mnemonic: ClassVar[str] = "real_flatten"

    channels_last: bool = False

    def shape(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> Shape:
        height, width, channels = types[self.inputs[0]].shape
        return (1, 1, height * width * channels)

    def execute(self, inputs: list[Any], consts: Mapping[str, Constant]) -> Reals:
        x = inputs[0] if self.channels_last else inputs[0].transpose(0, 3, 1, 2)
        result: Reals = x.reshape(len(x), 1, 1, -1)
        return result


@dataclass(frozen=True, kw_only=True)
class RealLookup(RealOp):
    """``y = levels[code]``: the nonuniform levels of a codebook quantizer."""

    mnemonic: ClassVar[str] = "real_lookup"

    levels: Row

    def shape(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> Shape:
        (x,) = self.integer_inputs(types)
        self.require(x.scale == 1, "input is not a tensor of codes")
        self.require(0 <= x.lo and x.hi < len(self.levels), "a code without level")
        return x.shape

    def execute(self, inputs: list[Reals], consts: Mapping[str, Constant]) -> Reals:
        result: Reals = floats(self.levels)[inputs[0].astype(np.int64)]
        return result


@dataclass(frozen=True, kw_only=True)
class RealConcat(RealOp):
    """``y = [a, b]`` along the channels."""

    mnemonic: ClassVar[str] = "real_concat"

    def shape(self, types: Mapping[str, TensorType], consts: Mapping[str, Constant]) -> Shape:
        self.require(len(self.inputs) == 2, "takes two inputs")
        a, b = (types[i].shape for i in self.inputs)
        self.require(a[:2] == b[:2], f"maps {a[:2]} and {b[:2]} differ")
        return (*a[:2], a[2] + b[2])

    def execute(self, inputs: list[Reals], consts: Mapping[str, Constant]) -> Reals:
        return np.concatenate(inputs, axis=3)
