"""What patterns of names choose for each layer, the one rule of recipes and of `choice`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TypeVar

T = TypeVar("T")


def chosen_for(name: str, patterns: Mapping[str, T]) -> T | None:
    """Return the value of the last pattern that fits a name, so that later ones are exceptions of
    earlier ones; None if none fits.

    Args:
        name: of a module.
        patterns: values by patterns with the wildcards of file names ("layer2.*.conv?").
    """
    fitting = [value for pattern, value in patterns.items() if fnmatchcase(name, pattern)]
    return fitting[-1] if fitting else None


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Return whether some pattern fits a name."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def stray_pattern(patterns: Iterable[str], names: Iterable[str]) -> tuple[str, str] | None:
    """Return the first pattern that fits no name, and the nearest name or ""; None if all fit."""
    held = tuple(names)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in held):
            return pattern, next(iter(get_close_matches(pattern, held, n=1)), "")
    return None
