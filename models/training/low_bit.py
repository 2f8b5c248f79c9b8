"""The low-bit twin of a float network: quantizers on the weights of its layers, and before them.

Layers stay what they are: torch's parametrization quantizes a weight wherever it is read, and a
quantizer of a layer's input is called before the layer. So any network that calls its layers as
modules has a twin, and the names in its state dict are kept.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from n2uqc.frontend.escape import plain

from ..by_layer import chosen_for, matches, stray_pattern
from ..evaluating import evaluating
from ..nearest import near_activation, near_weight
from ..registry import QUANTIZERS, activation_quantizer, weight_quantizer
from .recipe import LayerBits, Settings

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Linear)
"""Kinds of layers that become low-bit; others stay real."""
COVERED = 0.98
"""Share of the positive inputs within the range with which training begins."""
_INPUT = "input_quantizer"
_KEPT = 2**20  # values of a layer's input from which its range is estimated


def low_bit_twin(
    recipe: Settings,
    network: nn.Module,
    samples: Tensor,
    ranges: bool = True,
    near: bool = False,
    ends: Collection[str] | None = None,
) -> nn.Module:
    """Return a low-bit network that begins with the parameters of a float one.

    Args:
        recipe: the recipe.
        network: the float network; it is not changed.
        samples: (N, ...), as the network gets them, to see ranges and the order of layers.
        ranges: whether quantizers begin with the ranges that are seen.
        near: whether they begin as near to the float network as they can (`nearest`), not as the
            papers begin; layers of one weight share its quantizer.
        ends: the first and last layers, which stay real unless something else is chosen; by
            default the one that is executed first and the one that is executed last.

    Raises:
        RecipeError: a name in [quantizers] is no layer, no layer is left, or a quantizer has no
            form of so many bits.
    """
    twin, device = copy.deepcopy(network), samples.device
    inputs = _inputs(twin, samples)
    twin.train()  # quantizers that begin with their first batch begin with the weights
    shared: dict[tuple[int, int], nn.Module] = {}
    for name, bits in low_bit_layers(recipe, tuple(inputs), ends).items():
        layer = twin.get_submodule(name)
        activation, weight = _quantizers(recipe, name, layer, bits)
        with torch.no_grad():
            if near:
                chosen, real = recipe.quantizers, layer.get_parameter("weight")
                activation = near_activation(chosen.activation, bits.activation, inputs[name])
                key = id(real), bits.weight
                weight = shared.get(key) or near_weight(chosen.weight, weight.to(device), real)
                shared[key] = weight
            elif ranges:
                _begin(recipe, name, activation, inputs[name])
        parametrize.register_parametrization(layer, "weight", weight.to(device))
        layer.add_module(_INPUT, activation.to(device))
        layer.register_forward_pre_hook(_quantize_input)
    return twin


def activation_parameters(network: nn.Module) -> Iterator[nn.Parameter]:
    """Yield what the quantizers of activations learn: thresholds, steps, clipping levels."""
    for name, module in network.named_modules():
        if name.rpartition(".")[2] == _INPUT:
            yield from module.parameters()


def count_low_bit(network: nn.Module) -> int:
    """Return the number of layers that have quantizers."""
    return sum(name.rpartition(".")[2] == _INPUT for name, _ in network.named_modules())


def _quantize_input(layer: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    return layer.get_submodule(_INPUT)(given[0]), *given[1:]


def _begin(recipe: Settings, name: str, activation: nn.Module, inputs: Tensor) -> None:
    """Let a quantizer's range begin where most of its positive inputs lie."""
    begin = QUANTIZERS[recipe.quantizers.activation].begin
    if begin is None:
        return
    positive = inputs[inputs > 0]
    if not positive.numel():
        raise recipe.error(
            "quantizers",
            f"layer {name}: its inputs are nowhere positive; levels of quantizers of activations "
            "are 0 and above, so a ReLU or PReLU stands before such a layer",
        )
    rank = max(1, round(COVERED * positive.numel()))
    begin(activation, float(positive.kthvalue(rank).values))


def _inputs(network: nn.Module, samples: Tensor) -> dict[str, Tensor]:
    """Return values of each layer's input by the layer's name, in the order of execution."""
    seen: dict[str, Tensor] = {}
    hooks = []
    for name, module in network.named_modules():
        if isinstance(module, LAYERS):

            def remember(_: nn.Module, given: tuple[Tensor, ...], name: str = name) -> None:
                values = given[0].detach().flatten()
                seen[name] = values[:: values.numel() // _KEPT + 1]

            hooks.append(module.register_forward_pre_hook(remember))
    with torch.no_grad(), evaluating(network, hooks):
        network(samples)
    return seen


def _quantizers(
    recipe: Settings, name: str, layer: nn.Module, bits: LayerBits
) -> tuple[nn.Module, nn.Module]:
    """Return new quantizers of a layer's activations and weights."""
    chosen, weights = recipe.quantizers, layer.get_parameter("weight")
    try:
        return (
            activation_quantizer(chosen.activation, bits.activation),
            weight_quantizer(chosen.weight, bits.weight, len(weights)),
        )
    except ValueError as error:
        raise recipe.error("quantizers", f"layer {name}: {error}") from None


def low_bit_layers(
    recipe: Settings, layers: tuple[str, ...], ends: Collection[str] | None = None
) -> dict[str, LayerBits]:
    """Return the bits of each layer that becomes low-bit.

    Args:
        recipe: the recipe.
        layers: names of all, in the order of execution.
        ends: the first and last ones, if not that of this order.

    Raises:
        RecipeError: as of `low_bit_twin`.
    """
    chosen = recipe.quantizers
    _check_names(recipe, "quantizers.layers", chosen.layers, layers)
    if chosen.real is None:
        real = {*((*layers[:1], *layers[-1:]) if ends is None else ends)} - {
            name for name in layers if matches(name, chosen.layers)
        }
    else:
        _check_names(recipe, "quantizers.real", chosen.real, layers)
        real = {name for name in layers if matches(name, chosen.real)}
    low = {
        name: chosen_for(name, chosen.layers) or chosen.bits for name in layers if name not in real
    }
    if not low:
        held = ", ".join(layers) or "none that can be quantized"
        raise recipe.error("quantizers.real", f"no layer becomes low-bit; the layers are {held}")
    return low


def _check_names(
    recipe: Settings, key: str, patterns: Iterable[str], layers: tuple[str, ...]
) -> None:
    if (stray := stray_pattern(patterns, layers)) is not None:
        pattern, near = stray
        hint = f"did you mean {near}? " if near else ""
        raise recipe.error(
            key, f"{plain(pattern)!r} is no layer; {hint}layers are {', '.join(layers)}"
        )
