"""Groups of fixed-point tensors that share a scale.

Sums, activations and maxima have the scale of their inputs, so that no rounding is needed between
them. But with one scale for values of very different size the small ones would have too few bits.
So a new group begins where values become much larger, and tensors that enter it are rounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import networkx as nx

SPAN = 2.0**16
"""Largest ratio of the ranges in a group."""


def scale_groups(
    order: Sequence[str],
    sources: Mapping[str, Sequence[str]],
    most: Mapping[str, float],
    bound: frozenset[str],
) -> list[list[str]]:
    """Return the groups as lists of names, in program order.

    Args:
        order: names in program order.
        sources: for each name, the inputs whose scale it has.
        most: for each name, the greatest magnitude.
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
    """Split a group where values become too large;
    the scale of a result also has to fit its inputs.
    """
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
