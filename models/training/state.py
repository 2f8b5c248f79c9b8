"""What a training keeps after each epoch: everything that decides how it goes on."""

from __future__ import annotations

import io
import json
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from n2uqc.frontend.escape import plain
from n2uqc.frontend.write import write_atomically

from .recipe import Recipe

FORMAT = "n2uqc training 1"
_CUBLAS = "CUBLAS_WORKSPACE_CONFIG"  # cuBLAS sums in one order only if this is set


def save_state(path: Path, recipe: Recipe, state: dict[str, Any]) -> None:
    """Write a checkpoint, completely or not at all: tensors, numbers and texts.

    Raises:
        OSError: it cannot be written.
    """
    content = {"format": FORMAT, "recipe": json.dumps(recipe.settings()), **state}
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, buffer.getvalue())


def load_state(path: Path, recipe: Recipe) -> dict[str, Any]:
    """Read a checkpoint; nothing in it is executed.

    Raises:
        RecipeError: it is damaged, or was written by another recipe; names a key that differs.
    """
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if content["format"] != FORMAT:
            raise ValueError(content["format"])
        written = dict(json.loads(content["recipe"]))
    except Exception as error:  # a damaged file may raise any exception
        raise recipe.error("output", f"{plain(path)} is no checkpoint: {plain(error)}") from None
    given = recipe.settings()
    for table in sorted({*written, *given}):
        was, is_now = written.get(table), given.get(table)
        if was != is_now:
            raise recipe.error(
                _difference(table, was, is_now),
                f"differs from the recipe that {plain(path)} was trained by; continue with that, "
                "or choose another output",
            )
    return content


def _difference(key: str, was: Any, is_now: Any) -> str:
    """Return the key of the first difference."""
    if isinstance(was, dict) and isinstance(is_now, dict):
        for name in sorted({*was, *is_now}):
            if was.get(name) != is_now.get(name):
                return _difference(f"{key}.{name}", was.get(name), is_now.get(name))
    return key


def seed_all(seed: int) -> None:
    """Seed the generators of torch, numpy and Python that networks and Datasets may use."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def random_state() -> dict[str, Any]:
    """Return the state of these generators, as tensors, numbers and texts."""
    name, keys, *rest = np.random.get_state(legacy=True)
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": (name, torch.from_numpy(np.asarray(keys, np.int64)), *rest),
        "python": random.getstate(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Set these generators to a state of `random_state`."""
    torch.set_rng_state(state["torch"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    random.setstate(state["python"])
    if torch.cuda.is_available() and "cuda" in state:
        torch.cuda.set_rng_state_all(state["cuda"])


@contextmanager
def reproducible(device: torch.device) -> Iterator[None]:
    """Order operations so that the seed decides the result, and leave generators as they were.

    A GPU may have no such order for an operation; torch warns then.
    """
    os.environ.setdefault(_CUBLAS, ":4096:8")
    mode = torch.are_deterministic_algorithms_enabled()
    warn = torch.is_deterministic_algorithms_warn_only_enabled()
    before = random_state()
    torch.use_deterministic_algorithms(True, warn_only=device.type != "cpu")
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(mode, warn_only=warn)
        set_random_state(before)
