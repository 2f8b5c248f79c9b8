"""Intervals and tests against formulas written out, with numbers from a table of Student's t."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("statsmodels", reason="the study needs its statistics")

from n2uqc.studies.statistics import MARGIN, corrected, difference, verdict

T_975 = {2: 4.302653, 3: 3.182446, 9: 2.262157}
"""97.5% quantiles of Student's t by degrees of freedom, from a printed table."""


@pytest.mark.parametrize(
    "d", [(0.5, 0.9, 0.2), (0.1, -0.2, 0.3, 0.05), tuple(0.1 * k - 0.3 for k in range(10))]
)
def test_intervals_by_hand(d: tuple[float, ...]) -> None:
    count, mean = len(d), sum(d) / len(d)
    deviation = math.sqrt(sum((x - mean) ** 2 for x in d) / (count - 1))
    half = T_975[count - 1] * deviation / math.sqrt(count)
    found = difference([90 + x for x in d], [90.0] * count)
    assert (found.seeds, found.mean) == (count, pytest.approx(mean))
    assert found.deviation == pytest.approx(deviation)
    assert (found.low, found.high) == pytest.approx((mean - half, mean + half), abs=1e-5)
    assert found.p is not None and (found.p < 0.05) == (abs(mean) > half)


def test_equivalence_is_the_worse_of_two_sides() -> None:
    from scipy.stats import t

    d = (0.05, -0.02, 0.11, 0.01)
    mean = sum(d) / 4
    error = math.sqrt(sum((x - mean) ** 2 for x in d) / 3 / 4)
    by_hand = max(t.sf((mean + MARGIN) / error, 3), t.cdf((mean - MARGIN) / error, 3))
    found = difference([50 + x for x in d], [50.0] * 4)
    assert found.p_equivalent == pytest.approx(by_hand)
    far = difference([51.0, 51.1, 50.9, 51.05], [50.0] * 4)
    assert far.p_equivalent is not None and far.p_equivalent > 0.99


def test_the_detectable_difference_is_detected_so_often() -> None:
    import numpy as np
    from scipy.stats import ttest_1samp

    d = np.asarray((0.4, -0.3, 0.2, 0.6, -0.1))
    found = difference(list(80 + d), [80.0] * 5)
    assert found.detectable is not None and found.deviation is not None
    draws = np.random.default_rng(0).normal(found.detectable, found.deviation, (4000, 5))
    assert (ttest_1samp(draws, 0, axis=1).pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.03)


def test_holm_by_hand() -> None:
    assert corrected([0.01, 0.04, 0.03, None]) == pytest.approx([0.04, 0.09, 0.09, 1.0])
    assert corrected([]) == []


def test_what_has_no_spread_shows_nothing() -> None:
    for first, second in (([90.0, 90.0], [89.0, 89.0]), ([90.0], [80.0])):
        found = difference(first, second)
        assert found.p is None and found.p_equivalent is None
        (p,), (equivalent,) = corrected([found.p]), corrected([found.p_equivalent])
        assert verdict(found, p, equivalent) == "undecided"
    with pytest.raises(ValueError, match="no pairs"):
        difference([1.0], [])


@pytest.mark.parametrize(
    ("mean", "p", "equivalent", "words"),
    [
        (0.5, 0.01, 0.9, "wins"),
        (-0.5, 0.01, 0.9, "loses"),
        (0.1, 0.01, 0.01, "wins"),
        (0.1, 0.2, 0.01, "equivalent"),
        (0.1, 0.2, 0.2, "undecided"),
    ],
)
def test_verdicts(mean: float, p: float, equivalent: float, words: str) -> None:
    found = difference([90 + mean, 90.1 + mean, 89.8 + mean], [90.0, 90.0, 90.0])
    assert verdict(found, p, equivalent) == words
