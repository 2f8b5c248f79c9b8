"""Initial parameters of a quantized network: weights and activation ranges of its float twin."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .evaluating import evaluating
from .quantizers import LTQ, QuantizedConv2d

COVERED = 0.98
"""Share of the positive activations within the initial thresholds; the rest saturates."""


def initialize_from_float(quantized: nn.Module, twin: nn.Module, images: Tensor) -> None:
    """Copy the float twin's parameters and set every LTQ's scales to the range it will see.

    The thresholds start evenly spaced over [0, r] with r the `COVERED` quantile of the positive
    inputs: scale1 = 2 / r, scale2 = 1 / scale1.

    Args:
        quantized: Network to change in place.
        twin: The same structure with bits=None, trained.
        images: Training images, (N, C, H, W), to measure ranges on.

    Raises:
        ValueError: The twin's parameters do not fit, or an activation is nowhere positive.
    """
    _copy_parameters(quantized, twin)
    for name, inputs in _quantizer_inputs(quantized, twin, images).items():
        positive = inputs[inputs > 0]
        if positive.numel() == 0:
            raise ValueError(f"{name}: the float network's activation is nowhere positive")
        rank = max(1, round(COVERED * positive.numel()))
        upper = positive.kthvalue(rank).values
        quantizer = quantized.get_submodule(name)
        assert isinstance(quantizer, LTQ)
        with torch.no_grad():
            quantizer.scale1.fill_(2.0 / upper)
            quantizer.scale2.fill_(upper / 2.0)


def _copy_parameters(quantized: nn.Module, twin: nn.Module) -> None:
    # A loose load that matches nothing is silent in torch; here only quantizers may lack a source.
    own = {
        f"{prefix}.{name}"
        for prefix, module in quantized.named_modules()
        if isinstance(module, LTQ | QuantizedConv2d)
        for name, _ in module.named_parameters(recurse=False)
        if not (isinstance(module, QuantizedConv2d) and name == "weight")
    }
    result = quantized.load_state_dict(twin.state_dict(), strict=False)
    strangers = sorted((set(result.missing_keys) ^ own) | set(result.unexpected_keys))
    if strangers:
        raise ValueError(f"not the float twin of this network: {', '.join(strangers)}")


def _quantizer_inputs(quantized: nn.Module, twin: nn.Module, images: Tensor) -> dict[str, Tensor]:
    recorded: dict[str, Tensor] = {}
    hooks = []
    for name, module in quantized.named_modules():
        if isinstance(module, LTQ):

            def remember(_: nn.Module, inputs: tuple[Tensor], __: Tensor, name: str = name) -> None:
                recorded[name] = inputs[0].flatten()

            hooks.append(twin.get_submodule(name).register_forward_hook(remember))
    with torch.no_grad(), evaluating(twin, hooks):
        twin(images)
    return recorded
