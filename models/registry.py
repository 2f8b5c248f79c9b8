"""Quantizers by name: the module for activations, the one for weights, and where training begins.

To add one: a line in `QUANTIZERS`. An activation module is built as `Module(bits)` and maps a
tensor (N, ...), a weight module is built as `Module(bits)`, or `Module(bits, channels)` where it is
`by_channel`, and maps (O, ...) to the same shape. `begin` sets the parameters of an activation
module that has not been trained to a range [0, upper] of its inputs; None where it finds its range
by itself (`first_batch`) or has none. What else an entry states lets a network that was trained in
float begin near itself (`nearest`). Modules are named, not imported, so that this table costs
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


def _begin_steps(module: Any, upper: float) -> None:
    """Let the learned step, or all of them, be even up to `upper`, whatever is seen first."""
    module.step.fill_(upper / (2**module.bits - 1))
    module.started.fill_(True)


def _begin_companding(module: Any, upper: float) -> None:
    """Let the clipping level of an even function begin at `upper`, whatever is seen first."""
    module.clip_val.fill_(upper)
    module.started.fill_(True)


def _begin_basis(module: Any, upper: float) -> None:
    """Let the sums of the basis be even up to `upper`."""
    for k in range(module.bits):
        module.basis[k] = upper / (2**module.bits - 1) * 2**k


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
        near: instead of it, where a network begins near one that was trained in float.
        by_channel: whether the weight module is built for a number of output channels.
        options: further arguments of the activation module.
        below: whether the activation module is `LTQ`, which takes a number of levels below 0.
        anywhere: whether the activation module learns by itself where its levels begin.
        unit: whether the activation module has the range [0, 1] and no other.
        reach: parameters of the weight module that say how far its levels reach.
        rescales: whether the weight module does not keep the scale of the weights.
    """

    title: str
    activation: str | None
    weight: str | None
    begin: Callable[[Any, float], None] | None = None
    near: Callable[[Any, float], None] | None = None
    by_channel: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    below: bool = False
    anywhere: bool = False
    unit: bool = False
    reach: tuple[str, ...] = ()
    rescales: bool = False


QUANTIZERS: dict[str, QuantizerEntry] = {
    "n2uq": QuantizerEntry(
        "N2UQ: learned thresholds, balanced weights",
        "quantizers:LTQ",
        "quantizers:N2UQWeight",
        _begin_thresholds,
        below=True,
        reach=("clip_val",),
    ),
    "n2uq-equal": QuantizerEntry(
        "N2UQ whose thresholds stay equidistant",
        "quantizers:LTQ",
        None,
        _begin_thresholds,
        options={"equal": True},
        below=True,
    ),
    "lsq": QuantizerEntry(
        "LSQ: a learned step", "lsq:LSQ", "lsq:LSQWeight", near=_begin_steps, reach=("step",)
    ),
    "lsq+": QuantizerEntry(
        "LSQ+: a learned offset too",
        "lsq_plus:LSQPlus",
        "lsq_plus:LSQPlusWeight",
        anywhere=True,
        reach=("step",),
    ),
    "nulsq": QuantizerEntry(
        "nuLSQ: a learned step for each level",
        "nulsq:NuLSQ",
        "nulsq:NuLSQWeight",
        near=_begin_steps,
        reach=("up", "down"),
    ),
    "lcq": QuantizerEntry(
        "LCQ: learned companding",
        "lcq:LCQ",
        "lcq:LCQWeight",
        near=_begin_companding,
        reach=("clip_val",),
    ),
    "lq-nets": QuantizerEntry(
        "LQ-Nets: sums of a fitted basis",
        "lq_nets:LQNets",
        "lq_nets:LQNetsWeight",
        near=_begin_basis,
        by_channel=True,
    ),
    "pact": QuantizerEntry("PACT: a learned clipping level", "pact:PACT", None, _begin_clip),
    "dorefa": QuantizerEntry(
        "DoReFa: nothing learned", "dorefa:DoReFa", "dorefa:DoReFaWeight", unit=True, rescales=True
    ),
    "apot": QuantizerEntry(
        "APoT: sums of powers of two",
        "apot:APoT",
        "apot:APoTWeight",
        _begin_clip,
        rescales=True,
        reach=("clip_val",),
    ),
}


def activation_names() -> tuple[str, ...]:
    """Return the names that quantize activations."""
    return tuple(name for name, each in QUANTIZERS.items() if each.activation)


def weight_names() -> tuple[str, ...]:
    """Return the names that quantize weights."""
    return tuple(name for name, each in QUANTIZERS.items() if each.weight)


def activation_quantizer(name: str, bits: int, below: int = 0) -> nn.Module:
    """Return a new quantizer of activations (needs torch), where it can have them with levels
    below 0.

    Raises:
        ValueError: there is none of that name, or it has no such bits.
    """
    if name not in activation_names():
        raise ValueError(f"activations '{name}': choose from {', '.join(activation_names())}")
    chosen = QUANTIZERS[name]
    levels = {"below": below} if chosen.below else {}
    return _built(chosen.activation, bits, **chosen.options, **levels)


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
