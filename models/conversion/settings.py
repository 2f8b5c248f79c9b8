"""What a conversion chooses; tables and their keys are those of a recipe of `n2uqc train`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..training.recipe import RecipeError, Settings

Goal = Literal["auto", "scores", "values"]

_SAID = {
    "network": "the network",
    "network.factory": "the network",
    "network.weights": "--weights",
    "quantizers": "quantizers",
    "quantizers.layers": "--layer",
    "quantizers.real": "--real",
    "schedule.rate": "--rate",
    "split.validation": "--held-out",
    "normalize.mean": "--mean",
    "normalize.std": "--std",
    "data": "--data",
}
"""Options by the keys of a recipe."""


@dataclass(frozen=True, kw_only=True)
class ConversionSettings(Settings):
    """What a conversion chooses.

    Attributes:
        tuning: epochs of fine-tuning, with `schedule` but for its epochs; 0: calibrated only.
        goal: what outputs are. scores: the greatest along axis 1 counts, as of classes;
            values: each number counts. auto: scores if they are (N, C) with C > 1.
    """

    tuning: int = field(default=10, metadata={"least": 0})
    goal: Goal = "auto"

    def error(self, key: str, text: str) -> RecipeError:
        """Return the error of a key, named as the option is."""
        return RecipeError(f"{_SAID.get(key, key)}: {text}")
