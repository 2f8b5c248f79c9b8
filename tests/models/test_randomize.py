"""Randomized networks look trained: awkward parameters, and codes that depend on the image."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from n2uqc.models.architectures import Variant, architectures
from n2uqc.models.pact import PACT
from n2uqc.models.quantizers import LTQ, QuantizedConv2d
from n2uqc.models.randomize import randomize, settle

IMAGES = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))


def network_of(name: str, bits: int, seed: int) -> nn.Module:
    network = architectures[name].build(Variant(bits, classes=5, image=(48, 48), width=1 / 8))
    randomize(network, seed)
    settle(network, IMAGES, seed)
    return network


@pytest.mark.parametrize(("name", "bits"), [("resnet34", 2), ("resnet50", 3), ("mobilenetv2", 4)])
def test_deep_networks_hold_the_awkward_cases(name: str, bits: int) -> None:
    modules = list(network_of(name, bits, 1).modules())
    gammas = [m.weight for m in modules if isinstance(m, nn.BatchNorm2d)]
    assert all((g == 0).any() for g in gammas) and any((g < 0).any() for g in gammas)
    slopes = [m.weight for m in modules if isinstance(m, nn.PReLU)]
    assert all((s == 0).any() and (s < 0).any() and (s > 1).any() for s in slopes)
    ladders = [m for m in modules if isinstance(m, LTQ)]
    assert all((m.a < 1e-3).any() for m in ladders)
    assert {bool(m.scale1 < 0) for m in ladders} == {True, False}
    assert all(m.clip_val != 2 for m in modules if isinstance(m, QuantizedConv2d | PACT))


@pytest.mark.parametrize(("name", "bits"), [("resnet34", 2), ("resnet50", 3), ("mobilenetv2", 4)])
def test_codes_depend_on_the_image_down_to_the_last_quantizer(name: str, bits: int) -> None:
    network = network_of(name, bits, 2)
    moved: list[bool] = []

    def look(_: nn.Module, __: tuple[Tensor], y: Tensor) -> None:
        moved.append(bool((y[0] - y[1]).abs().max() > 1e-3))

    for module in network.modules():
        if isinstance(module, LTQ | PACT):
            module.register_forward_hook(look)
    with torch.no_grad():
        network(torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(5)))
    assert sum(moved) > 0.9 * len(moved) and moved[-1]


@pytest.mark.parametrize("change", [randomize, lambda n, seed: settle(n, IMAGES, seed)])
def test_equal_seeds_give_equal_parameters(change: Callable[[nn.Module, int], None]) -> None:
    states = []
    for seed in (3, 3, 4):
        torch.manual_seed(0)
        network = architectures["resnet18"].build(Variant(2, classes=5, width=1 / 16))
        change(network, seed)
        states.append(network.state_dict())
    first, again, other = states
    assert all(torch.equal(value, again[key]) for key, value in first.items())
    assert not torch.equal(first["bn1.running_mean"], other["bn1.running_mean"])
