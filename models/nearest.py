"""Quantizers that begin as near to a float network as they can, for one that was trained already.

Papers begin where training goes well from random weights: N2UQ's weights are clipped at twice their
mean, DoReFa's become numbers of [-1, 1]. A network that is converted begins with levels of least
square error instead, of activations also below 0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .lq_nets import LQNetsWeight
from .quantizers import LTQ, levels_above_zero
from .registry import QUANTIZERS, activation_quantizer

_SEEN = 2**14  # values from which levels are found
_SHRINK = 0.9  # factor from one range that is tried to the next
_RANGES = 25
_ZEROS = 9  # places of 0 among the levels that are tried for each range
_ROUNDS = 40  # of a fit that moves by a tenth
_STRETCHED = 24  # steps of a tenth up and down that are tried for the range of weights


def nearest_levels(values: Tensor, above: int) -> tuple[float, int]:
    """Return a step s and a number z of levels below 0, so that (k - z) * s, k = 0 … above, are
    nearly the equidistant levels of least mean square error that 0 is one of.

    Args:
        values: float32 of any shape; 0 alone gives step 1.
        above: number of levels but one.
    """
    values = values.flatten()
    values = values[:: (values.numel() // _SEEN) | 1]
    low, high = (float(end) for end in (values.min().clamp(max=0), values.max().clamp(min=0)))
    best, found = float("inf"), (1.0, 0)
    for k in range(_RANGES if high > low else 0):
        step = (high - low) * _SHRINK**k / above
        most = min(above, round(-low / step))
        for zero in {round(most * j / (_ZEROS - 1)) for j in range(_ZEROS)}:
            codes = torch.round(values / step).clamp(-zero, above - zero)
            error = float(((codes * step - values) ** 2).mean())
            if error < best:
                best, found = error, (step, zero)
    return found


class Placed(nn.Module):
    """A quantizer of activations whose levels are moved.

        y = unit * q((x + offset) / unit) - offset

    Args:
        quantizer: q, with levels from 0 on.
        unit: of its range.
        offset: what lies below 0.

    Attributes:
        unit, offset: float32 (1,), no parameters.
    """

    unit: Tensor
    offset: Tensor

    def __init__(self, quantizer: nn.Module, unit: float, offset: float) -> None:
        super().__init__()
        self.quantizer, self.scaled = quantizer, unit != 1
        self.register_buffer("unit", torch.tensor([unit]))
        self.register_buffer("offset", torch.tensor([offset]))

    def forward(self, x: Tensor) -> Tensor:
        """Quantize x, float32 of any shape that the quantizer takes."""
        x = x + self.offset
        y: Tensor = self.quantizer(x / self.unit) * self.unit if self.scaled else self.quantizer(x)
        return y + -self.offset  # as quantizers with an offset of their own write it


class Rescaled(nn.Module):
    """A quantizer of weights times a number.

    Args:
        quantizer: the quantizer.
        factor: the number.

    Attributes:
        factor: float32 (), no parameter.
    """

    factor: Tensor

    def __init__(self, quantizer: nn.Module, factor: float) -> None:
        super().__init__()
        self.quantizer = quantizer
        self.register_buffer("factor", torch.tensor(factor))

    def forward(self, w: Tensor) -> Tensor:
        """Quantize w, float32 of any shape that the quantizer takes."""
        y: Tensor = self.quantizer(w)
        return y * self.factor


def near_activation(name: str, bits: int, values: Tensor) -> nn.Module:
    """Return a quantizer of activations with levels near some values.

    Args:
        name: of `registry.activation_names()`.
        bits: that it has.
        values: that it will see, float32 of any shape.

    Raises:
        ValueError: there is no such quantizer, or not of these bits.
    """
    entry, above = QUANTIZERS[name], levels_above_zero(bits)
    step, zero = nearest_levels(values, above)
    module = activation_quantizer(name, bits, zero).to(values.device)
    begin = entry.near or entry.begin
    with torch.no_grad():
        if isinstance(module, LTQ):
            module.begin(step)
            return module
        if entry.anywhere:
            module.train()(values.flatten().unsqueeze(1))
            return module
        if begin is not None:
            begin(module, above * step)
    unit = above * step if entry.unit else 1.0
    return Placed(module, unit, zero * step) if zero or entry.unit else module


def near_weight(name: str, module: nn.Module, weight: Tensor) -> nn.Module:
    """Return a quantizer of weights with levels near the weights of a layer.

    Args:
        name: of `registry.weight_names()`.
        module: a new quantizer of that name, which is changed.
        weight: float32 (O, ...).
    """
    with torch.no_grad():
        levels = module(weight)  # those that begin with their first batch have begun
        for _ in range(_ROUNDS if isinstance(module, LQNetsWeight) else 0):
            module.train()(weight)
        if reach := [module.get_parameter(each) for each in QUANTIZERS[name].reach]:
            _stretch(module, reach, weight, QUANTIZERS[name].rescales)
            levels = module(weight)
        if not QUANTIZERS[name].rescales:
            return module
        factor = _factor(levels, weight)
    return Rescaled(module, factor) if factor > 0 else module


def _factor(levels: Tensor, weight: Tensor) -> float:
    """Return the number that brings levels nearest to weights."""
    return float((levels * weight).sum() / (levels**2).sum().clamp(min=1e-30))


def _stretch(module: nn.Module, reach: list[nn.Parameter], weight: Tensor, rescaled: bool) -> None:
    """Multiply the parameters that say how far levels reach, so that the square error is least;
    where the papers begin is one place that is tried.

    With few bits a narrow range has the smaller error, with many a wide one.
    """
    begun = [each.clone() for each in reach]
    best, found = float("inf"), 0
    for k in range(-_STRETCHED, _STRETCHED + 1):
        for each, first in zip(reach, begun, strict=True):
            each.copy_(first * 1.1**k)
        levels = module(weight)
        factor = _factor(levels, weight) if rescaled else 1.0
        error = float(((factor * levels - weight) ** 2).mean())
        if error < best:
            best, found = error, k
    for each, first in zip(reach, begun, strict=True):
        each.copy_(first * 1.1**found)
