"""The size of a network with all functions inlined, counted before inlining."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import onnx

from .diagnostics import CompileError, Problem
from .wellformed import nested, node_name

MOST_NODES = 50_000
"""Most nodes of a network: ten times those of the deepest known
network with every quantizer expanded.
"""

_MOST_NESTED = 50  # nested calls; exporters stay below 10

_Key = tuple[str, str, str]


def check_expansion(proto: onnx.ModelProto) -> None:
    """Check that inlining will end and give at most `MOST_NODES` nodes.

    Without this check, forty functions of two calls each would become 2^40 nodes.

    Raises:
        CompileError: too many nodes, functions that call themselves or are defined twice.
    """
    calls = {(f.domain, f.name, f.overload): _calls(f.node) for f in proto.functions}
    if len(calls) < len(proto.functions):
        doubles = Counter((f.domain, f.name) for f in proto.functions).most_common(1)
        raise CompileError(f"the function {':'.join(doubles[0][0])} is defined twice")
    sizes: dict[_Key, int] = {}
    depths: dict[_Key, int] = {}
    for start in calls:
        stack: list[tuple[_Key, bool]] = [(start, False)]
        above: set[_Key] = set()
        while stack:
            key, finished = stack.pop()
            inner = [k for k in calls[key] if k in calls]
            if finished:
                above.discard(key)
                sizes[key] = _total(calls[key], sizes)
                depths[key] = 1 + max((depths[k] for k in inner), default=0)
            elif key not in sizes:
                above.add(key)
                if loop := next((k for k in inner if k in above), None):
                    raise CompileError(f"the function {loop[0]}:{loop[1]} calls itself")
                stack.append((key, True))
                stack.extend((k, False) for k in inner)
    for node in proto.graph.node:
        key = (node.domain, node.op_type, node.overload)
        size, depth = sizes.get(key, 1), depths.get(key, 0)
        if size > MOST_NODES or depth > _MOST_NESTED:
            found = f"a function of {'more than ' * (size > MOST_NODES)}{min(size, MOST_NODES):,} "
            found += f"nodes, {depth} calls deep"
            supported = f"at most {MOST_NODES:,} nodes, {_MOST_NESTED} calls deep"
            raise CompileError(Problem(node_name(node), node.op_type, found, supported))
    if (total := _total(_calls(proto.graph.node), sizes)) > MOST_NODES:
        found = f"{total:,} nodes" if total < 10**9 else "more than a thousand million nodes"
        raise CompileError(Problem("", "", found, f"networks of at most {MOST_NODES:,} nodes"))


def drop_uncalled(proto: onnx.ModelProto) -> None:
    """Remove functions that the graph never calls; inlining would still expand their calls."""
    bodies = {(f.domain, f.name, f.overload): f for f in proto.functions}
    called: set[_Key] = set()
    waiting = [key for key in _calls(proto.graph.node) if key in bodies]
    while waiting:
        key = waiting.pop()
        if key not in called:
            called.add(key)
            waiting += [inner for inner in _calls(bodies[key].node) if inner in bodies]
    for key, body in bodies.items():
        if key not in called:
            proto.functions.remove(body)


def _calls(part: Iterable[onnx.NodeProto]) -> Counter[_Key]:
    """Return how often each operator or function occurs in a body, subgraphs included."""
    return Counter((node.domain, node.op_type, node.overload) for node in nested(part))


def _total(calls: Counter[_Key], sizes: dict[_Key, int]) -> int:
    return sum(count * max(1, sizes.get(key, 1)) for key, count in calls.items())
