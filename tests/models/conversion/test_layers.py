"""Each use of a layer as a module, and which ones are first and last."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="conversion needs torch")
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from n2uqc.models.conversion.layers import (  # noqa: E402
    find_ends,
    layer_kinds,
    other_products,
    separate_layers,
)
from n2uqc.models.conversion.settings import ConversionSettings  # noqa: E402
from n2uqc.models.conversion.trace import traced  # noqa: E402

from .networks import NETWORKS, made  # noqa: E402

SETTINGS = ConversionSettings(file="convert", folder=Path())


def graph_of(network: nn.Module, x: Tensor) -> torch.fx.GraphModule:
    graph = traced(SETTINGS, network, x)
    separate_layers(graph)
    return graph


@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_changes(name: str) -> None:
    network, x = made(name, 5)
    graph = graph_of(network, x)
    with torch.no_grad():
        torch.testing.assert_close(graph(x), network(x))
    called = [n.target for n in graph.graph.nodes if n.op == "call_module"]
    layers = list(layer_kinds(graph))
    assert layers == [name for name in called if name in layers]  # each once
    assert not any(isinstance(module, nn.Dropout) for module in graph.modules())


def test_a_layer_that_is_called_again_shares_its_parameters() -> None:
    graph = graph_of(*made("twice", 4))
    assert list(layer_kinds(graph)) == ["first", "again", "again_2", "again_3", "last"]
    kept = graph.get_submodule("again")
    for name in ("again_2", "again_3"):
        assert graph.get_submodule(name).weight is kept.weight
        assert graph.get_submodule(name).bias is kept.bias
    assert len(list(graph.parameters())) == 6


def test_functions_of_parameters_are_layers() -> None:
    """The first layer is a module, two are functions of one weight; a computed weight stays."""
    network, x = made("functional", 4)
    graph = graph_of(network, x)
    assert layer_kinds(graph) == {
        "first": "Linear", "weight_linear": "Linear", "weight_linear_2": "Linear",
    }  # fmt: skip
    weights = [graph.get_submodule(name).weight for name in layer_kinds(graph)][1:]
    assert weights[0] is weights[1] and network.get_parameter("weight") is not weights[0]
    assert [(kind, why) for _, kind, why in other_products(graph)] == [
        ("linear", "a function, and none of its factors is a parameter")
    ]


class Convolutions(nn.Module):
    """Every argument of the functions, by place and by name."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.randn(4, 1, 3, 3)), nn.Parameter(torch.randn(4, 4, 3))
        self.bias = nn.Parameter(torch.randn(4))
        self.c = nn.Buffer(torch.randn(2, 4, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(x, self.a, self.bias, (2, 1), padding=1, groups=4).flatten(2)
        x = F.conv1d(x, self.b, stride=2, padding="valid", dilation=(2,), bias=self.bias)
        return F.conv1d(x, self.c, None)


def test_arguments_of_functions() -> None:
    network, x = Convolutions(), torch.randn(3, 4, 6, 5)
    graph = graph_of(network, x)
    assert list(layer_kinds(graph).values()) == ["Conv2d", "Conv1d", "Conv1d"]
    with torch.no_grad():
        torch.testing.assert_close(graph(x), network(x))


class Forked(nn.Module):
    """Two branches from the input, an input that is added, two heads."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.middle = (nn.Linear(4, 4) for _ in range(3))
        self.one, self.two, self.unused = (nn.Linear(4, 4) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.left(x) + self.right(x)) + x
        y = y + self.middle(y)
        return torch.cat([self.one(y), F.relu(self.two(F.relu(y)))], 1)


def test_of_branches_and_heads_each_has_its_end() -> None:
    graph = graph_of(Forked(), torch.randn(2, 4))
    assert find_ends(graph) == (["left", "right"], ["one", "two"])
    assert "unused" not in layer_kinds(graph)


def test_other_kinds_are_named() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ConvTranspose2d(2, 2, 3), nn.Conv2d(2, 1, 3))
    graph = graph_of(network, torch.randn(1, 1, 8, 8))
    assert other_products(graph) == [
        ("1", "ConvTranspose2d", "ConvTranspose2d has no low-bit form")
    ]
