"""What synthesis made of engines: the files that ``measure.py`` writes and ``fit.py`` fits to."""

from __future__ import annotations

import csv
from pathlib import Path

FIELDS = (
    "kind",
    "number",
    "form",
    "lut",
    "memory_lut",
    "ff",
    "carry",
    "dsp",
    "bram18",
    "yosys",
    "engine",
)
HELD_BACK = 4
"""One engine in so many, of each kind, is only judged, not fitted to."""


def path_of(family: str) -> Path:
    """The file of a family's measurements."""
    return Path(__file__).with_name(f"measured_{family}.csv")


def read(family: str) -> list[dict[str, str]]:
    """The measurements; none where there is no file."""
    path = path_of(family)
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
