"""Sweeps of trainings that take a moment, and a worker that dies."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

PLACE = "tests.models.training.small"


def let_the_first_die(mark: str) -> None:
    """Let this process be killed when it measures an accuracy, unless a file says one was."""
    from n2uqc.api.sweeping import work

    before = work._WORK["accuracy"]

    def deadly(*arguments: Any) -> dict[str, Any]:
        try:
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return before(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    work._WORK["accuracy"] = deadly


def spec(folder: Path, **changes: Any) -> dict[str, Any]:
    """Return a sweep of two seeds of a network of features; its samples lie in the folder."""
    from tests.models.training import small

    recipe = small.recipe(
        folder,
        "mlp",
        float_schedule={"epochs": 1},
        schedule={"epochs": 1, "batch": 16},
    )
    return {
        "output": str(folder / "out"),
        "recipe": recipe,
        "training": {"schedule.seed": [0, 1]},
        **changes,
    }
