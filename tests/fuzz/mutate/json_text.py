"""Damage of JSON: values of other types, missing and doubled keys, strange numbers."""

from __future__ import annotations

import json
import random
from typing import Any

from .data import damaged, damaged_text

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, 10**40, 0.5, -0.0, 1e308, float("nan"), float("inf"),
    "", "x", "../x", "/bin/true", "\0", "\ud800", "é\u202e\x1b[31m", "a" * 70000,
    [], {}, [0], [[]], [None], {"": {}}, {"pe": 1}, {"sha256": ""}, {"pe": True, "simd": 1.0},
)  # fmt: skip


def damaged_json(text: str, source: random.Random) -> bytes:
    """Changed values most often, changed letters sometimes."""
    form = source.random()
    if form < 0.15:
        return damaged(text.encode(), source)
    if form < 0.3:
        return damaged_text(text, source).encode("utf-8", "surrogatepass")
    if form < 0.33:
        return (b"[" * source.choice((900, 100_000))) + text.encode()
    value = json.loads(text)
    for _ in range(source.choice((1, 1, 2, 4))):
        value = _changed(value, source)
    new = json.dumps(value, ensure_ascii=source.random() < 0.5)
    if source.random() < 0.05:
        new = new.replace("1", "9" * 5000, 1)
    return new.encode("utf-8", "surrogatepass")


def _changed(value: Any, source: random.Random) -> Any:
    """Return the value with one thing in it, or all of it, replaced."""
    if isinstance(value, (dict, list)) and value and source.random() < 0.93:
        if isinstance(value, list):
            k = source.randrange(len(value))
            if source.random() < 0.15:
                return value[:k] + value[k + 1 :]
            if source.random() < 0.15:
                return [*value, source.choice(value)]
            return [*value[:k], _changed(value[k], source), *value[k + 1 :]]
        key = source.choice(list(value))
        new = dict(value)
        form = source.random()
        if form < 0.1:
            del new[key]
        elif form < 0.2:
            new[source.choice(("", "ghost", "../x", "pe", "simd", "é\u202e", key + "x"))] = new.pop(
                key
            )
        elif form < 0.3:
            new[key] = source.choice(list(value.values()))
        else:
            new[key] = _changed(value[key], source)
        return new
    if type(value) is int and source.random() < 0.5:
        return value + source.choice((-1, 1, value, -value))
    return source.choice(VALUES)
