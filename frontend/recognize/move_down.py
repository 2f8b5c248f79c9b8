"""Movements of elements, moved down after elementwise operators, into the movements and weights
they meet.

Then a convolution, its BN, activation and quantizer stay together, and codes of few bits are moved
instead of sums.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir

from ..opset import (
    constant,
    initializer,
    is_op,
    make_rearrange,
    make_weight,
    read_rearrange,
    read_weight,
)
from .elementwise_copies import copies, is_elementwise, parameters_of
from .merge_movements import merged
from .pattern import Context, Pattern
from .queries import Array, is_standard, shape_of
from .spread import IN_PLACE
from .transposed_convolution import PHASES

Source = Array
"""For each channel before the movement, a channel after it that holds its elements."""


def _meet(node: ir.Node, context: Context) -> None:
    """Join a Rearrange with one that has moved down to it, then move it down."""
    found = merged(node, context)
    if found is not None:
        _move(found, context)


def _move(node: ir.Node, context: Context) -> None:
    """Move a Rearrange down as far as possible."""
    if node.meta.get(IN_PLACE):
        return
    while (reader := _only_reader(node)) is not None:
        source = _sources(node)
        if source is None or not _pass(node, reader, source, context):
            return


def _only_reader(node: ir.Node) -> ir.Node | None:
    """Return the only reader of a node's result if it is elementwise."""
    output = node.outputs[0]
    uses = list(output.uses())
    if len(uses) != 1 or output.is_graph_output():
        return None
    use = uses[0]
    return use.node if use.idx == 0 and is_elementwise(use.node) else None


def _sources(node: ir.Node) -> Source | None:
    """Return a channel of the result for each of the input's, if it loses and pads nothing."""
    before, after = shape_of(node.inputs[0]), shape_of(node.outputs[0])
    rows, columns, channels = read_rearrange(node)
    if min(int(t.min()) for t in (rows, columns, channels)) < 0:
        return None
    if np.prod(before[1:]) > np.prod(after[1:]) and not node.meta.get(PHASES):
        return None  # what follows would be computed for more elements
    count = before[1]
    starts = np.unique((rows[:, None] + columns).reshape(-1) % count)
    reads = (starts[:, None] + channels) % count  # (K, C) of the input's channels
    source = np.full(count, -1, np.int64)
    source[reads] = np.broadcast_to(np.arange(len(channels)), reads.shape)
    return None if (source < 0).any() else source


def _is_consistent(values: Array, node: ir.Node, source: Source) -> bool:
    """Return whether values of the result's channels follow from the input's channel alone."""
    rows, columns, channels = read_rearrange(node)
    count = len(source)
    starts = np.unique((rows[:, None] + columns).reshape(-1) % count)
    reads = (starts[:, None] + channels) % count
    return bool((values[source][reads] == values[: len(channels)]).all())


def _pass(node: ir.Node, reader: ir.Node, source: Source, context: Context) -> bool:
    """Exchange a Rearrange and the elementwise node after it, if that is possible."""
    moved = _parameters(node, reader, source)
    if moved is None:
        return False
    x, (between,), (result,) = node.inputs[0], node.outputs, reader.outputs
    assert x is not None
    join = x.producer()
    parts = [x]
    phases = join is not None and is_standard(join, "Concat") and bool(join.meta.get(PHASES))
    if join is not None and phases and len(list(x.uses())) == 1:
        parts = [v for v in join.inputs if v is not None]
    tables = read_rearrange(node)
    name = f"{result.name}.before_{node.name}"
    outputs = copies(reader, parts, moved, name, context)
    whole = outputs[0]
    if len(parts) > 1:
        assert join is not None
        joined = ir.node("Concat", outputs, {"axis": 1}, name=str(join.name))
        joined.outputs[0].shape, joined.outputs[0].name = x.shape, f"{result.name}.{join.name}"
        joined.meta[PHASES] = True
        whole = context.insert(reader, joined)
    below = make_rearrange(context.graph, whole, tables, shape_of(between), str(node.name))
    below.meta[PHASES] = bool(node.meta.get(PHASES))
    context.replace(result, context.insert(reader, below))
    for old_node in (reader, node):
        old_node.graph.remove(old_node, safe=True)  # type: ignore[union-attr]
    _move(below, context)
    return False


def _parameters(node: ir.Node, reader: ir.Node, source: Source) -> dict[int, Array | None] | None:
    """Return the constants of a reader as they are before the movement, by index: a value or row a
    channel, or None for one that stays; None where they do not allow it.
    """
    arrays = parameters_of(reader, shape_of(node.outputs[0]))
    if arrays is None:
        return None
    for index, values in arrays.items():
        if values is None:
            continue
        if not _is_consistent(values, node, source):
            return None
        arrays[index] = values[source]
    return arrays


def _absorb(node: ir.Node, context: Context) -> None:
    """Put another order of channels into the weights of the convolutions that read it."""
    before, after = shape_of(node.inputs[0]), shape_of(node.outputs[0])
    rows, columns, channels = read_rearrange(node)
    count = before[1]
    width = after[3] if len(after) == 4 else int(np.prod(after[2:]))
    if before != after or not np.array_equal(np.sort(channels), np.arange(count)):
        return
    if not (
        np.array_equal(columns, np.arange(len(columns)) * count)
        and np.array_equal(rows, np.arange(len(rows)) * count * width)
    ):
        return
    uses = list(node.outputs[0].uses())
    if node.outputs[0].is_graph_output() or not all(_is_dense(use.node, use.idx) for use in uses):
        return
    order = np.argsort(channels)  # the channel of the result that holds each of the input's
    for k, use in enumerate(uses):
        conv, weight = use.node, use.node.inputs[1]
        assert weight is not None
        maker = weight.producer()
        label = f"{weight.name}.{node.name}" + (f".{k}" if k else "")
        if maker is not None:
            held = read_weight(maker)
            codes = np.ascontiguousarray(held.codes[:, order])
            made = make_weight(context.graph, replace(held, codes=codes), label)
            new = context.insert(conv, made)
            new.name = f"{label}.codes"
        else:
            array = constant(weight)
            assert array is not None
            new = initializer(context.graph, label, np.ascontiguousarray(array[:, order]))
        conv.replace_input_with(1, new)
        conv.replace_input_with(0, node.inputs[0])


def _is_dense(node: ir.Node, index: int) -> bool:
    if index != 0 or not is_standard(node, "Conv") or node.attributes.get_int("group", 1) != 1:
        return False
    maker = node.inputs[1].producer() if node.inputs[1] is not None else None
    return constant(node.inputs[1]) is not None or is_op(maker, "Weight")


_DOMAIN = frozenset({"n2uq"})
MOVE_DOWN = Pattern("movement after a map", frozenset({"Rearrange"}), _meet, domains=_DOMAIN)
ABSORB = Pattern("order of channels", frozenset({"Rearrange"}), _absorb, domains=_DOMAIN)
