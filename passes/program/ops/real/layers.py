"""Operations of the real dialect that mix channels or positions, or look levels up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...operation import ConstRef
from ...types import Constant, Shape, TensorType
from ..window import Pads, Pair, counts, output_size, pads_fit, windows
from .algebra import Reals, Row, floats
from .interval import Interval
from .operation import RealOp

Types = Mapping[str, TensorType]
Constants = Mapping[str, Constant]


@dataclass(frozen=True, kw_only=True)
class RealConv(RealOp):
    """Convolution by real weights: constant (O, KH, KW, I / groups), times ``step[o]`` if given.

    Attributes:
        levels: bits of a weight's code where the weights are levels of a codebook, at most
            ``2**levels`` per output channel; else 0.
    """

    mnemonic: ClassVar[str] = "real_conv"

    weight: ConstRef
    step: Row = ()
    stride: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    levels: int = 0

    def shape(self, types: Types, consts: Constants) -> Shape:
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

    def real_weight(self, consts: Constants) -> Reals:
        """Return the weights in float64."""
        weight = consts[self.weight].values.astype(np.float64)
        return weight * floats(self.step)[:, None, None, None] if self.step else weight

    def ranges(self, inputs: list[Interval], types: Types, consts: Constants) -> Interval:
        weight, x = self.real_weight(consts), inputs[0]
        if any(self.pads):  # with zeros
            x = Interval(np.minimum(x.lo, 0.0), np.maximum(x.hi, 0.0))
        depth, per_group = weight.shape[3], weight.shape[0] // self.groups
        least, greatest = [], []
        for o, rows in enumerate(weight):
            part = slice((o // per_group) * depth, (o // per_group + 1) * depth)
            up, down = np.maximum(rows, 0).sum(axis=(0, 1)), np.minimum(rows, 0).sum(axis=(0, 1))
            least.append(up @ x.lo[part] + down @ x.hi[part])
            greatest.append(up @ x.hi[part] + down @ x.lo[part])
        return Interval(np.array(least), np.array(greatest))

    def execute(self, inputs: list[Reals], consts: Constants) -> Reals:
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

    def shape(self, types: Types, consts: Constants) -> Shape:
        self.require(len(self.inputs) == 2, "takes two inputs")
        a, b = (types[i].shape for i in self.inputs)
        self.require(a == b, f"shapes {a} and {b} differ")
        return a

    def ranges(self, inputs: list[Interval], types: Types, consts: Constants) -> Interval:
        a, b = inputs
        return Interval(a.lo + b.lo, a.hi + b.hi)

    def execute(self, inputs: list[Reals], consts: Constants) -> Reals:
        return inputs[0] + inputs[1]


@dataclass(frozen=True, kw_only=True)
class _RealPool(RealOp):
    kernel: Pair
    stride: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)

    def shape(self, types: Types, consts: Constants) -> Shape:
        height, width, channels = types[self.inputs[0]].shape
        self.require(pads_fit((height, width), self.pads), f"pads {self.pads} many times its map")
        size = output_size((height, width), self.kernel, self.stride, self.pads, (1, 1))
        self.require(min(size) > 0, f"the window does not fit a map of {height}x{width}")
        return (*size, channels)


@dataclass(frozen=True, kw_only=True)
class RealMaxPool(_RealPool):
    """Maximum over the window's positions inside the map."""

    mnemonic: ClassVar[str] = "real_maxpool"

    def ranges(self, inputs: list[Interval], types: Types, consts: Constants) -> Interval:
        return inputs[0]

    def execute(self, inputs: list[Reals], consts: Constants) -> Reals:
        view = windows(inputs[0], self.kernel, self.stride, self.pads, (1, 1), -np.inf)
        result: Reals = view.max(axis=(4, 5))
        return result


@dataclass(frozen=True, kw_only=True)
class RealAvgPool(_RealPool):
    """Mean over the window; positions outside the map are zeros.

    Attributes:
        counted: whether positions outside the map count in the divisor; see ``SumPool``.
    """

    mnemonic: ClassVar[str] = "real_avgpool"

    counted: Pads | None = None

    def ranges(self, inputs: list[Interval], types: Types, consts: Constants) -> Interval:
        x = inputs[0]
        zeros = any(self.pads if self.counted is None else self.counted)
        return Interval(np.minimum(x.lo, 0), np.maximum(x.hi, 0)) if zeros else x

    def execute(self, inputs: list[Reals], consts: Constants) -> Reals:
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

    def shape(self, types: Types, consts: Constants) -> Shape:
        height, width, channels = types[self.inputs[0]].shape
        return (1, 1, height * width * channels)

    def ranges(self, inputs: list[Interval], types: Types, consts: Constants) -> Interval:
        height, width, _ = types[self.inputs[0]].shape
        spread = np.tile if self.channels_last else np.repeat
        return Interval(*(spread(end, height * width) for end in (inputs[0].lo, inputs[0].hi)))

    def execute(self, inputs: list[Any], consts: Constants) -> Reals:
        x = inputs[0] if self.channels_last else inputs[0].transpose(0, 3, 1, 2)
        result: Reals = x.reshape(len(x), 1, 1, -1)
        return result


@dataclass(frozen=True, kw_only=True)
class RealLookup(RealOp):
    """``y = levels[code]``: the nonuniform levels of a codebook quantizer."""

    mnemonic: ClassVar[str] = "real_lookup"

    levels: Row

    def shape(self, types: Types, consts: Constants) -> Shape:
        (x,) = self.integer_inputs(types)
        self.require(x.scale == 1, "input is not a tensor of codes")
        self.require(0 <= x.lo and x.hi < len(self.levels), "a code without level")
        return x.shape

    def execute(self, inputs: list[Reals], consts: Constants) -> Reals:
        result: Reals = floats(self.levels)[inputs[0].astype(np.int64)]
        return result


@dataclass(frozen=True, kw_only=True)
class RealConcat(RealOp):
    """``y = [a, b]`` along the channels."""

    mnemonic: ClassVar[str] = "real_concat"

    def shape(self, types: Types, consts: Constants) -> Shape:
        self.require(len(self.inputs) == 2, "takes two inputs")
        a, b = (types[i].shape for i in self.inputs)
        self.require(a[:2] == b[:2], f"maps {a[:2]} and {b[:2]} differ")
        return (*a[:2], a[2] + b[2])

    def ranges(self, inputs: list[Interval], types: Types, consts: Constants) -> Interval:
        a, b = inputs
        return Interval(np.concatenate([a.lo, b.lo]), np.concatenate([a.hi, b.hi]))

    def execute(self, inputs: list[Reals], consts: Constants) -> Reals:
        return np.concatenate(inputs, axis=3)
