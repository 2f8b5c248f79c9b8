"""Placement of all intermediate tensors in one static arena."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from heapq import heappop, heappush
from itertools import accumulate

import networkx as nx
import numpy as np

from .program import MemoryPlan, Program
from .program.lives import ALIGNMENT, Life, lifetimes

__all__ = ["ALIGNMENT", "Life", "lifetimes", "lower_bound", "pack", "plan_memory"]

_SOLVED = 400  # most pairs of tensors alive at the same time for which the optimum is searched
_MANY = 10**6  # most such pairs for which several orders are compared
_NODES = 2000  # nodes of that search; a time limit would not be deterministic


def lower_bound(lives: Iterable[Life]) -> int:
    """Return the most bytes alive at one step, with tensors rounded up: no arena can be smaller."""
    changes: Counter[int] = Counter()
    for life in lives:
        changes[life.first] += life.units
        changes[life.last + 1] -= life.units
    return ALIGNMENT * max(accumulate(changes[step] for step in sorted(changes)), default=0)


def _meetings(lives: Mapping[str, Life]) -> Iterator[tuple[str, list[str]]]:
    """Yield each tensor in order of time,
    with the earlier tensors that are alive when it begins.
    """
    alive: list[str] = []
    for name in sorted(lives, key=lambda n: lives[n].first):
        alive = [other for other in alive if lives[other].last >= lives[name].first]
        yield name, alive
        alive.append(name)


def pack(lives: Mapping[str, Life]) -> MemoryPlan:
    """Place tensors at aligned offsets, so that tensors alive at the same time do not overlap.

    The result is the best of several greedy orders, among them by size (Pisarchyk and Lee,
    "Efficient memory management for deep neural net inference", MLSys workshop 2020, section 5.2).
    If none reaches the lower bound and the case is small, an integer program searches the optimum.
    """
    if sum(len(alive) for _, alive in _meetings(lives)) > _MANY:
        return _quickly(lives)
    conflicts = nx.Graph()
    conflicts.add_nodes_from(lives)
    names = list(lives)
    place = {name: k for k, name in enumerate(names)}
    conflicts.add_edges_from(
        sorted(
            (
                (name, other) if place[name] <= place[other] else (other, name)
                for name, alive in _meetings(lives)
                for other in alive
            ),
            key=lambda pair: (place[pair[0]], place[pair[1]]),
        )
    )
    bound = lower_bound(lives.values()) // ALIGNMENT
    offsets = min(
        (_greedy(lives, conflicts, order) for order in _ORDERS), key=lambda o: _height(lives, o)
    )
    if _height(lives, offsets) > bound and conflicts.number_of_edges() <= _SOLVED:
        offsets = _solved(lives, conflicts, bound, offsets)
    plan = {name: ALIGNMENT * offsets[name] for name in names}
    return MemoryPlan(plan, ALIGNMENT * _height(lives, offsets))


def _quickly(lives: Mapping[str, Life]) -> MemoryPlan:
    """Return a plan in order of time, in which tensors reuse free places of equal size."""
    free: dict[int, list[int]] = {}
    ends: list[tuple[int, int, int]] = []
    offsets: dict[str, int] = {}
    top = 0
    for name in sorted(lives, key=lambda n: lives[n].first):
        life = lives[name]
        while ends and ends[0][0] < life.first:
            _, units, offset = heappop(ends)
            free.setdefault(units, []).append(offset)
        if places := free.get(life.units):
            offsets[name] = places.pop()
        else:
            offsets[name], top = top, top + life.units
        heappush(ends, (life.last, life.units, offsets[name]))
    return MemoryPlan({name: ALIGNMENT * offsets[name] for name in lives}, ALIGNMENT * top)


_ORDERS: tuple[Callable[[Life], tuple[int, ...]], ...] = (
    lambda life: (-life.units, life.first),
    lambda life: (life.first, -life.units),
    lambda life: (-life.last, -life.units),
    lambda life: (life.first - life.last, -life.units),
    lambda life: (-life.units * (life.last - life.first + 1), life.first),
)


def _height(lives: Mapping[str, Life], offsets: Mapping[str, int]) -> int:
    return max((offset + lives[name].units for name, offset in offsets.items()), default=0)


def _greedy(
    lives: Mapping[str, Life], conflicts: nx.Graph, order: Callable[[Life], tuple[int, ...]]
) -> dict[str, int]:
    """Place the tensors in an order, each at the lowest offset that is free during its life."""
    offsets: dict[str, int] = {}
    for name in sorted(lives, key=lambda n: order(lives[n])):
        offset = 0
        placed = sorted((n for n in conflicts[name] if n in offsets), key=offsets.__getitem__)
        for other in placed:
            if offset + lives[name].units <= offsets[other]:
                break
            offset = max(offset, offsets[other] + lives[other].units)
        offsets[name] = offset
    return offsets


def _solved(
    lives: Mapping[str, Life], conflicts: nx.Graph, bound: int, known: dict[str, int]
) -> dict[str, int]:
    """Return the best placement that a mixed-integer program finds,
    or ``known`` if that is no worse.

    Its variables are the offsets, the height, and for each conflicting pair which tensor is lower.
    """
    # Imported late, because it is rarely needed.
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array

    names, pairs, top = list(lives), list(conflicts.edges), _height(lives, known)
    place = {name: k for k, name in enumerate(names)}
    height, count = len(names), len(names) + 1 + len(pairs)
    entries: list[tuple[int, int, int]] = []  # row, column, coefficient of: sum <= limit
    limits: list[int] = []

    def at_most(limit: int, *terms: tuple[int, int]) -> None:
        entries.extend((len(limits), column, factor) for column, factor in terms)
        limits.append(limit)

    for name in names:
        at_most(-lives[name].units, (place[name], 1), (height, -1))
    for k, (a, b) in enumerate(pairs):
        choice = height + 1 + k
        at_most(top - lives[a].units, (place[a], 1), (place[b], -1), (choice, top))
        at_most(-lives[b].units, (place[b], 1), (place[a], -1), (choice, -top))
    rows, columns, factors = np.array(entries).T
    upper = np.full(count, 1.0)
    upper[:height] = [top - lives[name].units for name in names]
    upper[height] = top
    lower, goal, whole = np.zeros(count), np.zeros(count), np.zeros(count, dtype=np.int64)
    lower[height], goal[height], whole[height + 1 :] = bound, 1, 1
    solution = milp(
        goal,
        integrality=whole,
        bounds=Bounds(lower, upper),
        options={"node_limit": _NODES},
        constraints=LinearConstraint(
            coo_array((factors, (rows, columns)), shape=(len(limits), count)).tocsr(),
            -np.inf,
            np.array(limits),
        ),
    )
    if solution.x is None:
        return known
    # Only the order is taken from the solution; the offsets are computed again as integers.
    offsets: dict[str, int] = {}
    for name in sorted(names, key=lambda n: (solution.x[place[n]], place[n])):
        below = (offsets[n] + lives[n].units for n in conflicts[name] if n in offsets)
        offsets[name] = max(below, default=0)
    return min(known, offsets, key=lambda o: _height(lives, o))


def plan_memory(program: Program) -> Program:
    """Place the tensors between operations, for an executor without fused operations."""
    return replace(program, plan=pack(lifetimes(program)))
