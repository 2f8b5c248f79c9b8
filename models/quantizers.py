"""N2UQ quantizers: learned thresholds for activations, balanced levels for weights.

Source: Liu, Cheng, Huang, Xing, Shen, "Nonuniform-to-Uniform Quantization: Towards Accurate
Quantization via Generalized Straight-Through Estimation", CVPR 2022 (arXiv 2111.14826).
Formulas name the part of the paper. Parameter names are those of the published checkpoints.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from .ladder import ladder
from .quantized import LowBitConv2d

BITS = range(2, 9)
LEAST_SCALE = 2.0**-40
"""Scale of the weights of a channel that are all 0: there is no level 0, and no scale of 0 in the
compiler either."""
SHORTEST = 1e-3
"""Least length of an interval, which keeps the thresholds in ascending order."""


def levels_above_zero(bits: int) -> int:
    """Return n = 2**bits - 1; raise ValueError unless bits is 2 to 8."""
    if bits not in BITS:
        raise ValueError(f"bits={bits}: N2UQ quantizers here have {BITS[0]} to {BITS[-1]} bits")
    return int(2**bits - 1)


def _constant(value: float) -> nn.Parameter:
    return nn.Parameter(torch.tensor([value]), requires_grad=False)


class LTQ(nn.Module):
    """Learnable-threshold activation quantizer with equidistant output levels.

    With n = 2**bits - 1 and lengths a⁺ = max(a, 1e-3) the thresholds are the middles of n adjacent
    segments that begin at `start` (paper, on the nonuniform-to-uniform quantizer):

        T_0 = start + a⁺_0 / 2,  T_i = T_{i-1} + (a⁺_{i-1} + a⁺_i) / 2
        y = scale2 * 2/n * #{i : scale1 * x > T_i}

    Backward is the paper's generalized straight-through estimator (G-STE): the derivative of the
    continuous piecewise-linear function that rises by 2/n over each segment, the expectation of a
    stochastic quantizer. It applies to the input and to the threshold parameters; it is 0 outside
    the segments and for lengths below the clamp. `ladder` computes both passes; exporters see the
    operators of the published code, whose values differ by float noise.

    Args:
        bits: 2 to 8; another value raises ValueError.
        equal: Whether all segments keep the length 2/n, so that thresholds are equidistant and
            only scale1 learns their distance: a uniform quantizer to compare N2UQ with.
        below: Levels below 0, which N2UQ has none of; y is less by below * scale2 * 2/n.

    Attributes:
        start: float32 (1,), where the first segment begins; may become negative.
        a: float32 (n,), segment lengths before the clamp.
        scale1, scale2: float32 (1,), input and output scale; either sign.
        two, one, zero, minusone, eps: float32 (1,), constants in the published checkpoints.
    """

    def __init__(self, bits: int, equal: bool = False, below: int = 0) -> None:
        super().__init__()
        self.below = below
        self.thresholds = levels_above_zero(bits)
        self.bits = bits
        self.interval = 2.0 / self.thresholds
        self.start = nn.Parameter(torch.zeros(1))
        self.a = nn.Parameter(
            torch.full((self.thresholds,), self.interval), requires_grad=not equal
        )
        self.scale1 = nn.Parameter(torch.ones(1))
        self.scale2 = nn.Parameter(torch.ones(1))
        self.two, self.one = _constant(2.0), _constant(1.0)
        self.zero, self.minusone = _constant(0.0), _constant(-1.0)
        self.eps = _constant(SHORTEST)

    def forward(self, x: Tensor) -> Tensor:
        """Quantize x, float32 of any shape."""
        length = torch.where(self.a > self.eps, self.a, self.eps)
        traced = torch.onnx.is_in_onnx_export() or torch.compiler.is_compiling()
        rise = self._published if traced else ladder
        y = rise(x * self.scale1, self.start, length) * self.scale2
        return y + -2 * self.below * (self.scale2 / self.thresholds) if self.below else y

    def begin(self, step: float) -> None:
        """Let levels be multiples of a step, with thresholds halfway between them."""
        with torch.no_grad():
            self.start.fill_(-self.below * self.interval)
            self.a.fill_(self.interval)
            self.scale1.fill_(self.interval / step)
            self.scale2.fill_(step / self.interval)

    def settle(self) -> None:
        """Round the step between levels to 16 bits, if there are levels below 0: then float32 holds
        them exactly, and 0, which convolutions pad with, is one of them.
        """
        if self.below:
            with torch.no_grad():
                part, exponent = torch.frexp(self.scale2 / self.thresholds)
                step = torch.ldexp(torch.round(part * 2**16) / 2**16, exponent)
                self.scale2.copy_(step * self.thresholds)

    def _published(self, x: Tensor, start: Tensor, length: Tensor) -> Tensor:
        """Return `ladder`'s values in the operators of the published code, up to float noise."""
        threshold = begin = start  # `begin`: the begin of its segment
        level: Tensor = self.zero
        ramp: Tensor = self.zero
        top: Tensor = self.zero
        for i in range(self.thresholds):
            half = length[i] / 2
            threshold = threshold + (half if i == 0 else length[i - 1] / 2 + half)
            rising = top + self.interval / length[i] * (x - begin)
            ramp = torch.where(x > begin, rising, ramp)
            top = top + self.interval
            level = torch.where(x > threshold, top, level)
            begin = begin + length[i]
        ramp = torch.where(x > begin, self.two, ramp)
        return level.detach() + ramp - ramp.detach()

    def extra_repr(self) -> str:
        """Return what `print(module)` shows in brackets."""
        return f"bits={self.bits}" + (f", below={self.below}" if self.below else "")


class N2UQWeight(nn.Module):
    """Weight quantizer with 2**bits balanced levels per output channel.

    With n = 2**bits - 1, gamma = n / 2**(bits-1), s_c = gamma * mean|W_c| (the entropy-preserving
    regularization of the paper) and w = clip(W_c / s_c, -clip/2, clip/2):

        Wq_c = s_c * (round((w + clip/2) * n/clip) * clip/n - clip/2)      ties to even

    so that Wq_c is an odd integer in ±n times s_c * clip / (2n). A channel that is all 0 has
    s_c = `LEAST_SCALE`; the published code gives not-a-number. Backward passes the gradient
    straight to W_c / s_c, as the published code does: to all of W, s_c being a constant, and none
    to clip_val, which stays 2 unless it is set.

    Args:
        bits: 2 to 8; another value raises ValueError.

    Attributes:
        clip_val: float32 (1,), width of the clip range in units of s_c.
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.steps = levels_above_zero(bits)
        self.bits = bits
        self.clip_val = nn.Parameter(torch.tensor([2.0]))

    def forward(self, w: Tensor) -> Tensor:
        """Quantize w, float32 (O, ...), exactly up to float32 rounding."""
        return _balanced(w, self.clip_val, self.bits)

    def codes(self, w: Tensor) -> Tensor:
        """Return the odd integers, of w's shape and type, without a gradient."""
        level = _balanced(w, self.clip_val, self.bits) / _balanced_scale(w, self.bits)
        return torch.round(level * (2 * self.steps / self.clip_val)).detach()

    def of_codes(self, codes: Tensor, w: Tensor) -> Tensor:
        """Return the levels of other codes, given the weights w; no gradient passes."""
        step = _balanced_scale(w, self.bits) * self.clip_val / (2 * self.steps)
        return codes * step.detach()

    def extra_repr(self) -> str:
        """Return what `print(module)` shows in brackets."""
        return f"bits={self.bits}"


def _balanced_scale(w: Tensor, bits: int) -> Tensor:
    mean = w.abs()
    for axis in range(w.dim() - 1, 0, -1):
        mean = mean.mean(axis, keepdim=True)
    scale: Tensor = (levels_above_zero(bits) / 2 ** (bits - 1) * mean).detach()
    return torch.where(scale > LEAST_SCALE, scale, LEAST_SCALE) if _some_zero(scale) else scale


def _some_zero(scale: Tensor) -> bool:
    """Return whether some channel may be 0; files without one have the published operators only."""
    if torch.compiler.is_compiling() or not torch.onnx.is_in_onnx_export():
        return True
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Converting a tensor to a Python boolean")  # a constant
        return bool((scale <= LEAST_SCALE).any())


def _balanced(w: Tensor, clip: Tensor, bits: int) -> Tensor:
    scale, edge = _balanced_scale(w, bits), clip / 2
    scaled = w / _divisor(scale)
    clipped = torch.where(scaled < edge, scaled, edge)
    clipped = torch.where(clipped > -edge, clipped, -edge)
    per_unit = levels_above_zero(bits) / clip
    quantized = scale * (torch.round((clipped + edge) * per_unit) / per_unit - edge)
    through: Tensor = quantized.detach() - scaled.detach() + scaled
    return through


def _divisor(scale: Tensor) -> Tensor:
    """Return the scale, but 1 for channels that are 0, whose gradient would be endless."""
    return torch.where(scale > LEAST_SCALE, scale, 1.0) if _some_zero(scale) else scale


class QuantizedConv2d(LowBitConv2d):
    """Convolution without bias whose weights `N2UQWeight` quantizes, in one module.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, groups: As of torch's Conv2d.
        bits: 2 to 8; another value raises ValueError.

    Attributes:
        weight: float32 (O, I/groups, kh, kw), the real weights.
        clip_val: float32 (1,), width of the clip range in units of s_c.
        zero: float32 (1,), a constant in the published checkpoints.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        bits: int,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, groups)
        levels_above_zero(bits)
        self.bits = bits
        self.clip_val = nn.Parameter(torch.tensor([2.0]))
        self.zero = _constant(0.0)

    def quantized_weight(self) -> Tensor:
        """Return the quantized weights, exact up to float32 rounding."""
        return _balanced(self.weight, self.clip_val, self.bits)

    def extra_repr(self) -> str:
        """Return what `print(module)` shows in brackets."""
        return f"{self.in_channels}, {self.out_channels}, {self.kernel_size}, bits={self.bits}"
