"""What torch.fx can follow and what not, said with the user's line."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="conversion needs torch")

from n2uqc.models.conversion.settings import ConversionSettings  # noqa: E402
from n2uqc.models.conversion.trace import traced  # noqa: E402
from n2uqc.models.training.recipe import RecipeError  # noqa: E402

from .networks import Residual, Series, made  # noqa: E402

SETTINGS = ConversionSettings(file="convert", folder=Path())


class Choosing(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.mean() > 0:  # by a value
            return x
        return -x


class Random(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.rand(3)


def inside(part: torch.nn.Module) -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Sequential(torch.nn.ReLU(), part))


def test_the_line_is_named() -> None:
    with pytest.raises(RecipeError) as failed:
        traced(SETTINGS, inside(Choosing()), torch.ones(2, 3))
    text = str(failed.value)
    assert text.startswith("the network: torch.fx cannot trace it in Choosing 1.1, ")
    assert "test_trace.py line " in text and "`if x.mean() > 0:" in text
    assert "torch.where" in text


def test_what_changes_from_call_to_call() -> None:
    with pytest.raises(RecipeError, match="gives something else than before"):
        traced(SETTINGS, inside(Random()), torch.ones(2, 3))


def test_a_single_layer_is_no_network() -> None:
    with pytest.raises(RecipeError, match="a single Linear, not layers"):
        traced(SETTINGS, torch.nn.Linear(3, 3), torch.ones(2, 3))


@pytest.mark.parametrize("build", [Residual, Series])
def test_names_stay_and_weights_are_weights(build: type[torch.nn.Module]) -> None:
    """Other arguments keep their defaults; what weight norm computes is a parameter."""
    network, x = made(build.__name__.lower(), 4)
    network.train()
    graph = traced(SETTINGS, network, x)
    assert network.training and not graph.training
    held = {name for name, _ in graph.named_parameters()}
    assert held == {
        name.replace("parametrizations.weight.original0", "weight")
        for name, _ in network.named_parameters()
        if not name.endswith("original1")
    }
    assert [n.op for n in graph.graph.nodes].count("placeholder") == 1
