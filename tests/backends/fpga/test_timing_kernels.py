"""Occupancy of FIFOs, and how many images a simulation takes: by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from n2uqc.backends.fpga import jit
from n2uqc.backends.fpga.timing import MachineNetwork, Run, recurrence
from n2uqc.backends.fpga.timing.kernels import build_occupancy

EDGES: list[tuple[int, list[int], list[int], int, int]] = [
    (2, [3, 5, 9, 10], [4, 12, 13, 14], 3, 9),
    (0, [7], [7], 1, 0),
    (0, [], [], 0, 0),
    (0, [1, 4], [4, 6], 2, 3),
    (0, [1, 5], [4, 6], 1, 3),
    (3, [4, 8], [20, 21], 2, 19),
]
"""Latency, cycles in which tokens enter and leave; most places taken, longest time of one.

Of the first a token enters two cycles after it was fired, at 1, 3, 7 and 8; the first place is free
again after cycle 4.  A place that is left in a cycle is taken until its end.
"""


def test_places_are_taken_from_firing_until_leaving() -> None:
    count = np.array([len(given) for _, given, *_ in EDGES], np.int64)
    offset = np.cumsum(count) - count
    latency = np.array([edge[0] for edge in EDGES], np.int64)
    given, taken = (np.array([at for e in EDGES for at in e[k]], "int32") for k in (1, 2))
    most, longest = (np.zeros(len(EDGES), np.int64) for _ in range(2))
    jit.compiled(build_occupancy, "int32")(
        len(EDGES), offset, count, latency, given, taken, most, longest
    )
    expected = [e[3] for e in EDGES], [e[4] for e in EDGES]
    assert (most.tolist(), longest.tolist()) == expected
    slow = recurrence.occupancy(offset, count, latency, given, taken)
    assert (slow[0].tolist(), slow[1].tolist()) == expected


def network(monkeypatch: pytest.MonkeyPatch, run: Any, firings: int = 1) -> MachineNetwork:
    """Two edges of 5 and 7 tokens; an image every 10 cycles."""
    made = MachineNetwork.__new__(MachineNetwork)
    edges = [SimpleNamespace(tokens=5), SimpleNamespace(tokens=7)]
    monkeypatch.setattr(made, "pipeline", SimpleNamespace(edges=edges), raising=False)
    made.__dict__.update(bottleneck=10, firings=np.array([firings, 0]))
    monkeypatch.setattr(made, "run", run)
    return made


@pytest.mark.parametrize(
    ("longest", "steady", "images"),
    [
        (0, {}, [4]), (20, {}, [4]), (21, {}, [4, 8]), (25, {8: 3}, [4, 8]),
        (25, {8: 4}, [4, 8, 16]), (20, {4: 1}, [4, 8]), (10**6, {}, [4, 8, 16, 32, 64]),
    ],
)  # fmt: skip
def test_fifos_are_sized_once_all_that_overlaps_is_steady(
    longest: int, steady: dict[int, int], images: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Places that are taken for 21 cycles overlap with four images, 10 cycles apart."""
    asked = []

    def run(count: int, depths: list[int], *, pace: int) -> Any:
        asked.append(count)
        assert (depths, pace) == ([5 * count, 7 * count], 10)
        most = np.array([1, 6]), longest
        return SimpleNamespace(occupancy=lambda: most, steady_from=steady.get(count, 0))

    assert network(monkeypatch, run).sizes == (2, 6)
    assert asked == images


@pytest.mark.parametrize(
    ("steady", "sufficient", "firings", "images"),
    [
        (4, False, 1, [4]), (16, False, 1, [4, 8, 16]), (99, False, 10**6, [4, 8, 16, 32, 64]),
        (99, True, 500_000, [4]), (99, True, 499_999, [4, 8]), (99, True, 1, [4, 8, 16, 32, 64]),
    ],
)  # fmt: skip
def test_images_are_simulated_until_they_move_alike(
    steady: int, sufficient: bool, firings: int, images: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two million firings are enough where the interval is known."""
    asked = []

    def run(count: int, depths: list[int]) -> Any:
        asked.append(count)
        assert depths == [2, 3]
        return SimpleNamespace(steady=count >= steady, sufficient=sufficient)

    network(monkeypatch, run, firings).settled([2, 3])
    assert asked == images


def test_a_run_is_steady_where_its_last_three_images_move_alike() -> None:
    """Cycles in which two tokens of each of five images enter and leave."""
    for late, first in (((), 0), ((0,), 1), ((1,), 2), ((2,), 3), ((3,), 4)):
        stamps = np.array([[10 * k, 10 * k + 1] for k in range(5)])
        for image in late:
            stamps[image, 1] += 3
        run = Run.__new__(Run)
        run.images, run.tokens = 5, np.array([10, 10])
        run.offsets = np.array([0, 10])
        run.give_stamp = np.concatenate([np.arange(10) // 2 * 10, stamps.ravel()])
        run.take_stamp = run.give_stamp + 2
        run.__dict__["ends"] = lambda: np.array([2, 12, 22, 32, 42])
        assert run.steady_from == first
        assert run.steady == (first <= 2)
