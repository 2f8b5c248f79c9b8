"""Give every intermediate tensor a place in one static arena."""

from __future__ import annotations

from dataclasses import replace

import networkx as nx

from .program import IntType, MemoryPlan, Program

ALIGNMENT = 64  # bytes: a cache line, and the widest vector load of any target


def lifetimes(program: Program) -> dict[str, tuple[int, int, int]]:
    """For each intermediate tensor: (bytes, first, last) with steps counted in operations.

    A tensor lives from the operation that writes it to the last one that reads it, both included:
    no operation works in place.  Input and output lie in the caller's buffers.
    """
    lives: dict[str, tuple[int, int, int]] = {}
    for step, op in enumerate(program.ops):
        for name in op.inputs:
            if name in lives:
                lives[name] = (*lives[name][:2], step)
        kind = program.types[op.output]
        if op.output != program.output and isinstance(kind, IntType):
            lives[op.output] = (kind.size * kind.container.itemsize, step, step)
    return lives


def lower_bound(program: Program) -> int:
    """The most bytes alive at one step: no plan can be smaller."""
    lives = lifetimes(program).values()
    return max(
        (sum(_aligned(size) for size, first, last in lives if first <= step <= last)
         for step in range(len(program.ops))),
        default=0,
    )


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def plan_memory(program: Program) -> Program:
    """Place tensors, largest first, at the lowest offset free during their whole life.

    The greedy-by-size rule of Pisarchyk & Lee, "Efficient memory management for deep neural net
    inference" (MLSys workshop 2020), section 5.2, on the interference graph of the lifetimes.
    """
    lives = lifetimes(program)
    conflicts = nx.Graph()
    conflicts.add_nodes_from(lives)
    names = list(lives)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            if lives[a][1] <= lives[b][2] and lives[b][1] <= lives[a][2]:
                conflicts.add_edge(a, b)
    offsets: dict[str, int] = {}
    for name in sorted(names, key=lambda n: (-lives[n][0], lives[n][1])):
        offset = 0
        neighbours = [n for n in conflicts[name] if n in offsets]
        for other in sorted(neighbours, key=offsets.__getitem__):
            if offset + lives[name][0] <= offsets[other]:
                break
            offset = max(offset, _aligned(offsets[other] + lives[other][0]))
        offsets[name] = offset
    size = max((_aligned(offsets[n] + lives[n][0]) for n in names), default=0)
    ordered = {n: offsets[n] for n in names}
    return replace(program, plan=MemoryPlan(ordered, size))
