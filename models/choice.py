"""Networks whose quantizers are replaced: any pair of `registry`, with bits by layer."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from .by_layer import chosen_for, stray_pattern
from .freezing import Freezing
from .quantized import WeightQuantizedConv2d
from .quantizers import LTQ, SHORTEST, QuantizedConv2d
from .registry import activation_quantizer, weight_quantizer

N2UQ = "n2uq"


def choose_quantizers(
    network: nn.Module,
    activations: str = N2UQ,
    weights: str = N2UQ,
    bits: Mapping[str, int] | None = None,
    freeze: float | None = None,
) -> None:
    """Replace all LTQ and QuantizedConv2d of a network of this package, in place.

    Real weights stay the same parameters. What stays N2UQ with the bits that it has stays as it
    is; another LTQ has its thresholds evenly over the same range; the rest starts anew, most from
    the first batch in training. Call this after `initialize_from_float`, and before an optimizer
    takes the parameters.

    Args:
        network: Network of `LTQ` and `QuantizedConv2d`.
        activations: One of `registry.activation_names()`.
        weights: One of `registry.weight_names()`.
        bits: Bits by name of a module, with the wildcards of file names ("layer2.*.quan?",
            "*.conv1"); the last that fits counts. Others keep their bits.
        freeze: Frequency above which oscillating weights are frozen (`Freezing`); None: never.

    Raises:
        ValueError: a name is unknown, a quantizer has no such bits, a pattern fits no quantizer, or
            the network has none.
    """
    found = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, LTQ | QuantizedConv2d)
    }
    if not found:
        raise ValueError(f"{type(network).__name__} has no N2UQ quantizers to replace")
    patterns = bits or {}
    if (stray := stray_pattern(patterns, found)) is not None:
        raise ValueError(f"bits of '{stray[0]}': no quantizer has such a name: {', '.join(found)}")
    made: dict[str, nn.Module] = {}
    for name, module in found.items():  # all are made before any is replaced
        chosen = chosen_for(name, patterns) or module.bits
        if isinstance(module, LTQ):
            kept = activations == N2UQ and chosen == module.bits
            made[name] = module if kept else _activations(module, activations, chosen)
        else:
            kept = weights == N2UQ and chosen == module.bits and freeze is None
            made[name] = module if kept else _layer(module, weights, chosen, freeze)
    for name, new in made.items():
        parent, _, last = name.rpartition(".")
        setattr(network.get_submodule(parent), last, new.train(found[name].training))


def _activations(old: LTQ, name: str, bits: int) -> nn.Module:
    new = activation_quantizer(name, bits)
    if isinstance(new, LTQ):
        shrink = 2 / old.a.detach().clamp(min=SHORTEST).sum()  # a new one's segments are 2 long
        new.start.data.copy_(old.start * shrink)
        new.scale1.data.copy_(old.scale1 * shrink)
        new.scale2.data.copy_(old.scale2)
    return new


def _layer(
    conv: QuantizedConv2d, weights: str, bits: int, freeze: float | None
) -> WeightQuantizedConv2d:
    quantizer = weight_quantizer(weights, bits, conv.out_channels)
    if freeze is not None:
        quantizer = Freezing(quantizer, tuple(conv.weight.shape), freeze)
    layer = WeightQuantizedConv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size[0],
        quantizer,
        conv.stride[0],
        int(conv.padding[0]),
        conv.groups,
    )
    layer.weight = conv.weight
    return layer
