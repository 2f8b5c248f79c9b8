"""Paired comparisons of accuracies: t intervals, Holm's correction, equivalence.

Tests are scipy's and statsmodels'. What they cannot compute (all differences equal) has no p value
and counts as nothing shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.05
MARGIN = 0.3
"""Points within which two methods count as equivalent."""
POWER = 0.8


@dataclass(frozen=True)
class Difference:
    """A paired difference of accuracies, in points.

    Attributes:
        seeds: number of pairs.
        mean, low, high: mean and its 95% t interval; the ends None for fewer than two pairs.
        deviation: of the differences; None likewise.
        p: two-sided paired t test; None where it has no value.
        p_equivalent: two one-sided t tests at ``MARGIN``; None likewise.
        detectable: least mean that so many pairs of this deviation find with a power of 80%.
    """

    seeds: int
    mean: float
    low: float | None
    high: float | None
    deviation: float | None
    p: float | None
    p_equivalent: float | None
    detectable: float | None


def difference(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Compare accuracies in points that are paired, first minus second.

    Raises:
        ValueError: there are none, or not as many of both.
    """
    import numpy as np
    from scipy import stats
    from statsmodels.stats.power import TTestPower
    from statsmodels.stats.weightstats import ttost_paired

    if not first or len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} accuracies are no pairs")
    d = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    count, mean = len(d), float(d.mean())
    if count < 2:
        return Difference(count, mean, None, None, None, None, None, None)
    deviation = float(d.std(ddof=1))
    if deviation < 1e-9:  # no spread: an interval of one point, and no test
        return Difference(count, mean, mean, mean, 0.0, None, None, None)
    found = stats.ttest_1samp(d, 0.0)
    interval = found.confidence_interval(1 - LEVEL)
    equivalent, *_ = ttost_paired(np.asarray(first), np.asarray(second), -MARGIN, MARGIN)
    try:
        effect = TTestPower().solve_power(nobs=count, alpha=LEVEL, power=POWER)
        detectable = float(np.squeeze(effect)) * deviation
    except ValueError:
        detectable = math.nan
    return Difference(
        count, mean, float(interval.low), float(interval.high), deviation, float(found.pvalue),
        float(equivalent), detectable if math.isfinite(detectable) else None,
    )  # fmt: skip


def corrected(values: Sequence[float | None]) -> list[float]:
    """Return p values of one family, corrected by Holm; one that is missing counts as 1."""
    from statsmodels.stats.multitest import multipletests

    if not values:
        return []
    given = [1.0 if value is None else value for value in values]
    return [float(p) for p in multipletests(given, LEVEL, method="holm")[1]]


def verdict(found: Difference, p: float, p_equivalent: float) -> str:
    """Return what a family shows about a pair, from its corrected p values."""
    if p < LEVEL:
        return "wins" if found.mean > 0 else "loses"
    return "equivalent" if p_equivalent < LEVEL else "undecided"
