"""Curves through measured points."""

from __future__ import annotations

import pytest

from n2uqc.backends.cost.technology import TRANSISTORS, MeasuredCurve


def test_straight_lines_between_points() -> None:
    curve = MeasuredCurve(((1, 10), (2, 20), (4, 100)))
    found = [curve.at(x) for x in (1, 1.25, 2, 2.5, 3, 4)]
    assert found == pytest.approx([10, 12.5, 20, 40, 60, 100])


def test_measured_points_are_given_back() -> None:
    for curve in TRANSISTORS.values():
        assert [curve.at(x) for x, _ in curve.points] == pytest.approx([y for _, y in curve.points])
