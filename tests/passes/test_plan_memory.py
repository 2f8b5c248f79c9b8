"""Placement of tensors: disjoint, aligned, and as small as can be."""

from __future__ import annotations

from itertools import permutations

import networkx as nx
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.passes import plan_memory as planning
from n2uqc.passes.plan_memory import ALIGNMENT, Life, lifetimes, lower_bound, pack
from n2uqc.passes.program import MemoryPlan
from tests.properties.programs import programs

SIZES = st.one_of(st.integers(1, 300), st.integers(1, 40).map(lambda n: 64 * n))


@st.composite
def cases(draw: st.DrawFn, most: int) -> dict[str, Life]:
    count = draw(st.integers(0, most))
    lives = {}
    for k in range(count):
        first = draw(st.integers(0, count))
        lives[f"t{k}"] = Life(draw(SIZES), first, first + draw(st.integers(0, 5)))
    return lives


def check(lives: dict[str, Life], plan: MemoryPlan) -> None:
    assert set(plan.offsets) == set(lives)
    for a, life in lives.items():
        start = plan.offsets[a]
        assert start % ALIGNMENT == 0
        assert 0 <= start
        assert start + life.size <= plan.size
        for b, other in lives.items():
            if a < b and life.meets(other):
                begin = plan.offsets[b]
                assert start + life.size <= begin or begin + other.size <= start
    assert plan.size >= lower_bound(lives.values())


@settings(max_examples=150, deadline=None)
@given(cases(14))
def test_disjoint_and_near_the_bound(lives: dict[str, Life]) -> None:
    plan = pack(lives)
    check(lives, plan)
    assert plan.size <= 1.1 * lower_bound(lives.values())
    assert plan == pack(lives)


@settings(max_examples=40, deadline=None)
@given(cases(6))
def test_optimal_where_small(lives: dict[str, Life]) -> None:
    """Some order of placing each at its lowest free offset is optimal: all are tried."""

    def height(order: tuple[str, ...]) -> int:
        placed: dict[str, int] = {}
        for name in order:
            offset = 0
            for other in sorted(placed, key=placed.__getitem__):
                if lives[name].meets(lives[other]):
                    if offset + lives[name].units <= placed[other]:
                        break
                    offset = max(offset, placed[other] + lives[other].units)
            placed[name] = offset
        return max((o + lives[n].units for n, o in placed.items()), default=0)

    best = min(height(order) for order in permutations(lives))
    assert pack(lives).size == best * ALIGNMENT


def test_the_solver_improves_on_greedy() -> None:
    """Drawn with a seed until greedy misses the bound."""
    import random

    rng, missed = random.Random(1), 0
    while missed < 3:
        lives = {}
        for k in range(rng.randint(8, 24)):
            last = k + (1 if rng.random() < 0.6 else rng.randint(1, 8))
            lives[f"t{k}"] = Life(64 * rng.choice([1, 2, 3, 5, 8, 13, 20, 32]), k, last)
        conflicts = nx.Graph()
        conflicts.add_nodes_from(lives)
        conflicts.add_edges_from(
            (a, b) for a in lives for b in lives if a < b and lives[a].meets(lives[b])
        )
        greedy = min(
            planning._height(lives, planning._greedy(lives, conflicts, order))
            for order in planning._ORDERS
        )
        bound = lower_bound(lives.values())
        if ALIGNMENT * greedy > bound:
            missed += 1
            plan = pack(lives)
            check(lives, plan)
            assert plan.size == bound


def test_many_tensors_are_placed_greedily() -> None:
    lives = {f"t{k}": Life(64 * (1 + k * 7 % 11), k, k + 9) for k in range(60)}
    plan = pack(lives)
    check(lives, plan)
    assert plan.size <= 1.1 * lower_bound(lives.values())


@settings(max_examples=100, deadline=None)
@given(programs())
def test_programs(case) -> None:
    program, _ = case
    assert program.plan is not None
    check(lifetimes(program), program.plan)


def test_many_tensors_alive_at_once() -> None:
    """More than a million pairs are placed in order of time; they stay disjoint and aligned."""
    lives = {f"t{k}": Life(100 + k % 3 * 64, k, 4000 - k // 2) for k in range(2000)}
    plan = pack(lives)
    taken: dict[int, str] = {}
    for name, life in lives.items():  # t0 … t1999 are all alive at step 1999
        assert plan.offsets[name] % ALIGNMENT == 0
        first = plan.offsets[name] // ALIGNMENT
        for unit in range(first, first + life.units):
            assert unit not in taken
            taken[unit] = name
    assert plan.size == lower_bound(lives.values())


def test_places_that_became_free_are_taken_again() -> None:
    lives = {f"t{k}": Life(64, k, k + 1) for k in range(100)}
    assert planning._quickly(lives).size == pack(lives).size == 2 * ALIGNMENT
