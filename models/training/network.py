"""The float network of a recipe, and networks by import path with their state dicts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn

from n2uqc.frontend.diagnostics import cut
from n2uqc.frontend.escape import plain

from ..architectures import Variant, architectures
from ..evaluating import evaluating
from ..networks import ResidualNetwork
from .datasets import TrainingData
from .import_path import called, imported
from .recipe import Recipe, Settings

RESIDUAL = "residual"
"""Name of `ResidualNetwork`, which is not in `architectures` because it was not published."""


def float_network(recipe: Recipe, data: TrainingData) -> tuple[nn.Module, int]:
    """Return the float network of a recipe, checked on zeros, and the number of its scores.

    Raises:
        RecipeError: there is no such network, it does not fit the samples, or it does not give a
            score for each class.
    """
    chosen = recipe.network
    if (chosen.name is None) == (chosen.factory is None):
        raise recipe.error("network", "either name or factory is given")
    if chosen.factory is not None:
        network = module_at(recipe, "network.factory", chosen.factory, chosen.arguments)
    else:
        network = _named(recipe, data, str(chosen.name))
    if chosen.weights is not None:
        load_weights(recipe, "network.weights", network, chosen.weights)
    return network, check_outputs(recipe, "network", network, data)


def _named(recipe: Recipe, data: TrainingData, name: str) -> nn.Module:
    known = (RESIDUAL, *architectures)
    if name not in known:
        raise recipe.error("network.name", f"{plain(name)!r}; there are {', '.join(known)}")
    if data.classes is None:
        raise recipe.error(
            "network.name", "a torch Dataset does not say how many classes it has; give factory"
        )
    if len(data.shape) != 3:
        raise recipe.error(
            "network.name", f"{name} takes images, the samples have the shape {list(data.shape)}"
        )
    arguments = dict(recipe.network.arguments)
    if name == RESIDUAL:
        arguments = {"in_channels": data.shape[0], "classes": data.classes, **arguments}
        return _module(
            recipe,
            "network",
            called(recipe, "network", ResidualNetwork, {**arguments, "bits": None}),
        )
    if arguments:
        raise recipe.error(
            "network.arguments", f"{name} takes none; width and downsample change it"
        )
    if data.shape[0] != 3:
        raise recipe.error("network.name", f"{name} takes 3 channels, samples have {data.shape[0]}")
    variant = Variant(
        None, recipe.network.downsample, data.classes, data.shape[1:], recipe.network.width
    )
    try:
        return architectures[name].build(variant)
    except ValueError as error:
        raise recipe.error("network", str(error)) from None


def module_at(recipe: Settings, key: str, path: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Return the network that a function at an import path returns.

    Raises:
        RecipeError: there is no such function, it fails, or it returns something else.
    """
    return _module(recipe, key, called(recipe, key, imported(recipe, key, path), dict(arguments)))


def _module(recipe: Settings, key: str, found: Any) -> nn.Module:
    if not isinstance(found, nn.Module):
        raise recipe.error(key, f"gives a {type(found).__name__}, not a torch Module")
    return found


def load_weights(recipe: Settings, key: str, network: nn.Module, path: Path) -> None:
    """Load a state dict; nothing in the file is executed.

    Raises:
        RecipeError: the file is no state dict, or its names and shapes are others.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
            content = content["state_dict"]
        network.load_state_dict(content)
    except (UnpicklingError, RuntimeError, TypeError, EOFError, ValueError, LookupError) as error:
        text = cut(" ".join(str(error).split()), 1000)
        raise recipe.error(key, f"{plain(path)} is no fitting state dict: {plain(text)}") from None


def check_outputs(recipe: Recipe, key: str, network: nn.Module, data: TrainingData) -> int:
    """Run zeros through a network, and return the number of its scores.

    Raises:
        RecipeError: it fails, or gives something else than a score for each class.
    """
    try:
        with torch.no_grad(), evaluating(network):
            scores = network(torch.zeros(2, *data.shape))
    except Exception as error:  # a network of the user's may raise anything
        raise recipe.error(
            key, f"it fails on samples of shape {list(data.shape)}: {cut(plain(error), 500)}"
        ) from error
    shape = list(getattr(scores, "shape", ()))
    if len(shape) != 2 or shape[0] != 2:
        raise recipe.error(key, f"it gives {shape} for 2 samples; it is (2, classes), a score each")
    if data.classes is not None and shape[1] < data.classes:
        raise recipe.error(key, f"it gives {shape[1]} scores; labels reach to {data.classes - 1}")
    return int(shape[1])
