"""Which fixed-point tensors share a scale.

Sums, activations and maxima keep the scale of what they read, so that nothing is rounded between
them.  But one scale for values and for thousands of times their size would leave the small ones no
bits: where values grow so far, a new group begins, and what crosses into it is rounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import networkx as nx

SPAN = 2.0**16
"""How many times the smallest range of a group its greatest may be."""


def scale_groups(
    order: Sequence[str],
    sources: Mapping[str, Sequence[str]],
    most: Mapping[str, float],
    bound: frozenset[str],
) -> list[list[str]]:
    """Names by group, in program order.

    Args:
        order: names in program order.
        sources: of each name, what it reads and keeps the scale of.
        most: greatest magnitude of each.
        bound: names whose operation cannot change the scale.
    """
    graph = nx.Graph()
    graph.add_nodes_from(order)
    graph.add_edges_from((name, s) for name in order for s in sources.get(name, ()))
    place = {name: k for k, name in enumerate(order)}
    groups: list[list[str]] = []
    for component in nx.connected_components(graph):
        group = sorted(component, key=place.__getitem__)
        sizes = [most[name] for name in group if most[name]]
        whole = not sizes or max(sizes) <= min(sizes) * SPAN
        groups += [group] if whole else _split(group, sources, most, bound)
    return sorted(groups, key=lambda group: place[group[0]])


def _split(
    group: list[str],
    sources: Mapping[str, Sequence[str]],
    most: Mapping[str, float],
    bound: frozenset[str],
) -> list[list[str]]:
    """Cut a group wherever values outgrow it; a result's scale also holds what it reads."""
    parts: list[list[str]] = []
    ends: list[tuple[float, float]] = []
    part_of: dict[str, int] = {}
    reach: dict[str, float] = {}
    for name in group:
        inside = [s for s in sources.get(name, ()) if s in part_of]
        reach[name] = max([most[name], *(reach[s] for s in inside)])
        for k in sorted({part_of[s] for s in inside}, key=lambda k: -ends[k][1]):
            low, high = ends[k]
            low = min(low, reach[name]) if low and reach[name] else max(low, reach[name])
            high = max(high, reach[name])
            if name in bound or high <= low * SPAN:
                parts[k].append(name)
                ends[k], part_of[name] = (low, high), k
                break
        else:
            part_of[name] = len(parts)
            parts.append([name])
            ends.append((reach[name], reach[name]))
    return parts
