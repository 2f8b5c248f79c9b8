"""A network is on the front unless another one is as good in everything and better in something."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace
from typing import Any

from n2uqc.backends.cost.trained import COSTS, Accuracy, Trained, beaten_by


def network(right: int, *costs: int) -> Any:
    own = dict(zip(COSTS, costs, strict=True))
    return Trained(SimpleNamespace(own=own), Accuracy(right, 100, "interpreter"))


def test_the_front() -> None:
    good = network(90, 10, 5, 2, 7)
    assert beaten_by([good, good], 0) is None  # equals do not beat each other
    cases = [
        network(90 + a, 10 + b, 5 + c, 2, 7 + d) for a, b, c, d in product((-1, 0, 1), repeat=4)
    ]
    for other in cases:
        signs = [90 - other.accuracy.right]
        signs += [other.comparison.own[k] - good.comparison.own[k] for k in COSTS]
        beats = max(signs) <= 0 and min(signs) < 0
        assert (beaten_by([good, other], 0) == 1) == beats
    assert beaten_by([good, network(89, 1, 1, 1, 1), network(95, 9, 5, 2, 7)], 0) == 2
