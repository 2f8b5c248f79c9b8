"""Reshapes and transposes at the network's input and output: the layout of the user's tensors.

A program holds maps (height, width, channels) and needs none of them. A canonical graph keeps them
only between the input and the first map, between the last map and the output, and where they add or
drop axes of size 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from .constants import static

TO_CHANNELS_FIRST = {(0, 3, 1, 2), (0, 2, 1)}
_TO_CHANNELS_LAST = {(0, 2, 3, 1), (0, 2, 1)}


@dataclass(frozen=True)
class NetworkEnd:
    """The input or output end of a network.

    Attributes:
        value: the first (at the input) or last value that is a map [N,C,H,W], [N,C,L] or [N,F].
        channels_last: whether the user's tensor has its channels last.
        nodes: reshapes and transposes between it and the user's tensor.
    """

    value: ir.Value
    channels_last: bool
    nodes: tuple[ir.Node, ...]


def entries(graph: ir.Graph) -> list[NetworkEnd]:
    """Find the edge of each input: reshapes, then at most one transpose to channels first."""
    return [_entry(value) for value in graph.inputs]


def _entry(value: ir.Value) -> NetworkEnd:
    nodes: list[ir.Node] = []
    last = False
    while not last and not value.is_graph_output() and (node := _only_reader(value)) is not None:
        if node.op_type == "Transpose" and node.domain == "":
            if _perm(node) not in TO_CHANNELS_FIRST:
                break
            last = True
        elif not _is_reshape(node):
            break
        nodes.append(node)
        value = node.outputs[0]
    return NetworkEnd(value, last, tuple(nodes))


def exits(graph: ir.Graph) -> list[NetworkEnd]:
    """Find the edge of each output: at most one transpose to channels last, then reshapes."""
    taken = {node for end in entries(graph) for node in end.nodes}
    moving: set[ir.Node] = set()
    while True:  # a value that edges of other outputs read may be on the edge of one, too
        ends = [_exit(value, taken, moving) for value in graph.outputs]
        found = {node for end in ends for node in end.nodes}
        if found <= moving:
            return ends
        moving |= found


def _exit(value: ir.Value, taken: set[ir.Node], moving: set[ir.Node]) -> NetworkEnd:
    """Find the edge of an output.

    Args:
        value: the output.
        taken: nodes on the edges of inputs.
        moving: nodes that are known to be on the edges of outputs.
    """
    nodes: list[ir.Node] = []
    last = False
    while (
        not last
        and (node := value.producer()) is not None
        and node not in taken
        and all(use.node in moving or use.node in nodes for use in value.uses())
    ):
        if node.op_type == "Transpose" and node.domain == "":
            if _perm(node) not in _TO_CHANNELS_LAST:
                break
            last = True
        elif not _is_reshape(node):
            break
        nodes.append(node)
        assert node.inputs[0] is not None
        value = node.inputs[0]
    return NetworkEnd(value, last, tuple(nodes))


def changes_no_map(node: ir.Node) -> bool:
    """Return whether a Reshape only adds or drops axes of size 1: the same map in memory."""
    if not _is_reshape(node):
        return False
    before, after = _sizes(node.inputs[0]), _sizes(node.outputs[0])
    if before is None or after is None or not all(2 <= len(s) <= 4 for s in (before, after)):
        return False
    return before[0] == after[0] and map_shape(before[1:]) == map_shape(after[1:])


def map_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return (C, H, W), (C, L) or (F,) as (H, W, C)."""
    channels, height, width = (shape[0], *(1,) * (3 - len(shape)), *shape[1:])
    return height, width, channels


def _is_reshape(node: ir.Node | None) -> bool:
    return node is not None and node.op_type == "Reshape" and node.domain == ""


def _only_reader(value: ir.Value) -> ir.Node | None:
    uses = list(value.uses())
    return uses[0].node if len(uses) == 1 and uses[0].idx == 0 else None


def _perm(node: ir.Node) -> tuple[int, ...]:
    return tuple(int(axis) for axis in node.attributes.get_ints("perm", ()))


def _sizes(value: ir.Value | None) -> tuple[int, ...] | None:
    """Return the shape, a dynamic batch as -1, or None if another size is not known."""
    if value is None or value.shape is None:
        return None
    if not all(isinstance(d, int) for d in list(value.shape)[1:]):
        return None
    first = value.shape[0]
    return (first if isinstance(first, int) else -1, *static(value.shape)[isinstance(first, int) :])
