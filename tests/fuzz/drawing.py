"""Examples of hypothesis strategies, drawn from a seed."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st


def drawn(strategy: st.SearchStrategy[Any], seed: int, count: int) -> list[Any]:
    """Draw examples, always the same for a seed; the first, minimal one is left out."""
    found: list[Any] = []

    @seeded(seed)
    @settings(
        max_examples=count + 1,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def keep(example: Any) -> None:
        found.append(example)

    keep()
    return found[1 : count + 1] or found[:1]
