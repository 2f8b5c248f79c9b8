"""The trained networks in this package; needs no torch."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

_ZOO = Path(str(files("n2uqc.models") / "zoo"))


def names() -> tuple[str, ...]:
    """Return the names of the shipped networks, sorted, e.g. "digits_2bit"."""
    return tuple(sorted(file.stem for file in _ZOO.glob("*.onnx")))


def path(name: str) -> Path:
    """Return the path of a shipped network's ONNX file.

    Args:
        name: One of `names()`.

    Raises:
        ValueError: No network of that name ships.
    """
    if name not in names():
        raise ValueError(f"no shipped network {name!r}; there are: {', '.join(names())}")
    return _ZOO / f"{name}.onnx"


def record(name: str) -> dict[str, Any]:
    """Return the training record: command, seed, versions, held-back accuracy, SHA-256.

    Args:
        name: One of `names()`.

    Raises:
        ValueError: No network of that name ships.
    """
    content: dict[str, Any] = json.loads(path(name).with_suffix(".json").read_text("utf-8"))
    return content
