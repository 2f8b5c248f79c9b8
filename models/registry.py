"""Quantizers by name: the module for activations, the one for weights, and where training begins.

To add one: a line in `QUANTIZERS`. An activation module is built as `Module(bits)` and maps a
tensor (N, ...), a weight module is built as `Module(bits)`, or `Module(bits, channels)` where it is
`by_channel`, and maps (O, ...) to the same shape. `begin` sets the parameters of an activation
module that has not been trained to a range [0, upper] of its inputs; None where it finds its range
by itself (`first_batch`) or has none. Modules are named, not imported, so that this table costs
nothing: "file:Class" in `n2uqc.models`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def _begin_thresholds(module: Any, upper: float) -> None:
    """Space N2UQ's thresholds evenly over [0, upper], with levels of the same scale."""
    module.scale1.fill_(2.0 / upper)
    module.scale2.fill_(upper / 2.0)


def _begin_clip(module: Any, upper: float) -> None:
    """Let the learned clipping level begin at `upper`."""
    module.clip_val.fill_(upper)


@dataclass(frozen=True)
class QuantizerEntry:
    """One entry of the registry.

    Attributes:
        title: its paper, in a few words.
        activation: "file:Class" of the module for activations; None if it has none.
        weight: "file:Class" of the module for weights; None if it has none.
        begin: called with an activation module and the upper end of its range, without gradients.
        by_channel: whether the weight module is built for a number of output channels.
        options: further arguments of the activation module.
    """

    title: str
    activation: str | None
    weight: str | None
    begin: Callable[[Any, float], None] | None = None
    by_channel: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


QUANTIZERS: dict[str, QuantizerEntry] = {
    "n2uq": QuantizerEntry(
        "N2UQ: learned thresholds, balanced weights",
        "quantizers:LTQ",
        "quantizers:N2UQWeight",
        _begin_thresholds,
    ),
    "n2uq-equal": QuantizerEntry(
        "N2UQ whose thresholds stay equidistant",
        "quantizers:LTQ",
        None,
        _begin_thresholds,
        options={"equal": True},
    ),
    "lsq": QuantizerEntry("LSQ: a learned step", "lsq:LSQ", "lsq:LSQWeight"),
    "lsq+": QuantizerEntry(
        "LSQ+: a learned offset too", "lsq_plus:LSQPlus", "lsq_plus:LSQPlusWeight"
    ),
    "nulsq": QuantizerEntry(
        "nuLSQ: a learned step for each level", "nulsq:NuLSQ", "nulsq:NuLSQWeight"
    ),
    "lcq": QuantizerEntry("LCQ: learned companding", "lcq:LCQ", "lcq:LCQWeight"),
    "lq-nets": QuantizerEntry(
        "LQ-Nets: sums of a fitted basis",
        "lq_nets:LQNets",
        "lq_nets:LQNetsWeight",
        by_channel=True,
    ),
    "pact": QuantizerEntry("PACT: a learned clipping level", "pact:PACT", None, _begin_clip),
    "dorefa": QuantizerEntry("DoReFa: nothing learned", "dorefa:DoReFa", "dorefa:DoReFaWeight"),
    "apot": QuantizerEntry(
        "APoT: sums of powers of two", "apot:APoT", "apot:APoTWeight", _begin_clip
    ),
}


def activation_names() -> tuple[str, ...]:
    """Return the names that quantize activations."""
    return tuple(name for name, each in QUANTIZERS.items() if each.activation)


def weight_names() -> tuple[str, ...]:
    """Return the names that quantize weights."""
    return tuple(name for name, each in QUANTIZERS.items() if each.weight)


def activation_quantizer(name: str, bits: int) -> nn.Module:
    """Return a new quantizer of activations (needs torch).

    Raises:
        ValueError: there is none of that name, or it has no such bits.
    """
    if name not in activation_names():
        raise ValueError(f"activations '{name}': choose from {', '.join(activation_names())}")
    chosen = QUANTIZERS[name]
    return _built(chosen.activation, bits, **chosen.options)


def weight_quantizer(name: str, bits: int, channels: int) -> nn.Module:
    """Return a new quantizer of the weights of so many output channels (needs torch).

    Raises:
        ValueError: there is none of that name, or it has no such bits.
    """
    if name not in weight_names():
        raise ValueError(f"weights '{name}': choose from {', '.join(weight_names())}")
    chosen = QUANTIZERS[name]
    sizes = {"channels": channels} if chosen.by_channel else {}
    return _built(chosen.weight, bits, **sizes)


def _built(place: str | None, bits: int, **options: Any) -> nn.Module:
    file, _, kind = str(place).partition(":")
    module: nn.Module = getattr(import_module(f"n2uqc.models.{file}"), kind)(bits, **options)
    return module
