"""Chains of operators that only copy elements to other places, as one node `Rearrange`."""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_ir as ir

from ..edges import entries, exits, map_shape
from ..opset import initializer, make_rearrange
from ..places import Tables, factored
from .movement import MOVEMENTS, RESHAPES, Trial, run
from .pattern import Context, Pattern, Refused
from .queries import Array, is_standard, shape_of

_LARGEST = 1 << 25  # places of a tensor, all (two) images together: 256 MiB an array of them


def is_movement(node: ir.Node | None, context: Context) -> bool:
    """Return whether a node only copies elements of one computed tensor."""
    return (
        is_standard(node, *MOVEMENTS)
        and node is not None
        and node.inputs[0] is not None
        and not context.constants.known(node.inputs[0])
    )


def _rewrite(node: ir.Node, context: Context) -> None:
    """Rewrite every output of a node that something else reads."""
    if not is_movement(node, context):
        return
    edges = (*entries(context.graph), *exits(context.graph))
    ends = {link for edge in edges for link in edge.nodes}
    for index, value in enumerate(node.outputs):
        if not value.is_graph_output() and all(
            is_movement(use.node, context) and use.idx == 0 for use in value.uses()
        ):
            continue  # it is part of longer chains
        chain = _chain(node, index, context)
        if all(link in ends for link, _ in chain) or _is_plain(chain, value):
            continue
        _replace(value, chain, context)


def _chain(node: ir.Node, index: int, context: Context) -> list[tuple[ir.Node, int]]:
    """Return the nodes that lead to an output, the first one first, each with its output."""
    chain = [(node, index)]
    first = {link for edge in entries(context.graph) for link in edge.nodes}
    while True:
        source = chain[-1][0].inputs[0]
        maker = source.producer() if source is not None else None
        if maker is None or not is_movement(maker, context) or _is_kept(maker, first):
            return chain[::-1]
        chain.append((maker, next(k for k, o in enumerate(maker.outputs) if o is source)))


def _is_kept(node: ir.Node, first: set[ir.Node]) -> bool:
    """Return whether a node lays out the input for others, too: a second reader of the input would
    make it a movement inside the network.
    """
    value = node.outputs[0]
    return node in first and len(list(value.uses())) > 1 and 2 <= len(shape_of(value)) <= 4


def _is_plain(chain: list[tuple[ir.Node, int]], value: ir.Value) -> bool:
    """Return whether it is a flattening, or adds and drops axes of size 1: other patterns do it."""
    if len(chain) > 1 or chain[0][0].op_type not in RESHAPES:
        return False
    before, after = shape_of(chain[0][0].inputs[0]), shape_of(value)
    same = 2 <= len(before) <= 4 and 2 <= len(after) <= 4
    return len(after) == 2 or (same and map_shape(before[1:]) == map_shape(after[1:]))


def _replace(value: ir.Value, chain: list[tuple[ir.Node, int]], context: Context) -> None:
    first, last = chain[0][0], chain[-1][0]
    source = first.inputs[0]
    assert source is not None
    before, after = shape_of(source), shape_of(value)
    if not 2 <= len(before) <= 4:
        raise Refused(f"moves elements of a tensor {before}", "maps [N,C,H,W], [N,C,L] or [N,F]")
    if prod(before) > _LARGEST or prod(after) > _LARGEST:
        raise Refused(f"moves a tensor {before} to {after}", f"up to {_LARGEST:,} elements")
    places = _sample(_followed(chain, before, Trial(context)), before)
    if context.dynamic:
        _require_any_batch(chain, before, places, context)
    flat = places.size == prod(before[1:]) and np.array_equal(
        places.reshape(-1), _memory_places(before).reshape(-1)
    )
    name = str(last.name)
    only_output = value.is_graph_output() and not value.uses()
    if flat and (len(after) == 2 or _same_map(before, after) or only_output):
        # The same order: a flattening, or axes of size 1.
        if before == after:
            context.replace(value, source)
            return
        new = _reshaped(last, source, after, name, context)
        context.replace(value, new)
        return
    held = _held_shape(after, value)
    spread = places.reshape(map_first(held))
    tables = factored(np.moveaxis(spread, 0, -1))
    if tables is not None:
        result = _emit(last, source, tables, held, name, context)
    else:
        row = _row(places)
        line = _emit(last, source, row, (before[0], places.size), f"{name}.flat", context)
        onward = np.moveaxis(np.arange(places.size).reshape(map_first(held)), 0, -1)
        again = factored(onward)
        assert again is not None
        result = _emit(last, line, again, held, name, context)
    if held != after:
        result = _reshaped(last, result, after, f"{name}.axes", context)
    context.replace(value, result)


def _require_any_batch(
    chain: list[tuple[ir.Node, int]], before: tuple[int, ...], places: Array, context: Context
) -> None:
    """Refuse a chain that does something else to another number of images."""
    more = (before[0] + 1, *before[1:])
    try:
        same = np.array_equal(_sample(_followed(chain, more, Trial(context, True)), more), places)
    except (Refused, ValueError, IndexError):
        same = False
    if not same:
        raise Refused(
            "a fixed number of images while the input's batch is dynamic",
            "a batch size read from the input, or -1",
            "export again with a static batch",
        )


def _followed(chain: list[tuple[ir.Node, int]], before: tuple[int, ...], trial: Trial) -> Array:
    """Return, for each element of the result, the place in the input's batch, counted from 1."""
    sample = _memory_places(before)
    images = np.arange(before[0]).reshape(-1, *[1] * sample.ndim)
    places: Array = images * sample.size + sample[None] + 1
    for node, output in chain:
        places = run(node, places, output, trial)
    return places


def _memory_places(shape: tuple[int, ...]) -> Array:
    """Return the place of each element of a sample where channels are last, in the sample's
    shape.
    """
    height, width, channels = map_shape(shape[1:])
    places = np.arange(height * width * channels).reshape(height, width, channels)
    return np.moveaxis(places, -1, 0).reshape(shape[1:])


def _sample(places: Array, before: tuple[int, ...]) -> Array:
    """Return the places of a sample, -1 outside, which must be alike in all of a batch."""
    size, images = prod(before[1:]), before[0]
    mixed = Refused(
        f"moves a tensor {before} to {places.shape}: images mix with the batch",
        "the batch stays the first axis",
    )
    if places.ndim < 2 or len(places) != images:
        raise mixed
    first = np.arange(images).reshape(-1, *[1] * (places.ndim - 1)) * size + 1
    outside = places <= 0
    local = places - first
    local[outside] = -1
    own = np.array_equal(local < 0, outside) and (not local.size or local.max() < size)
    if not own or any(not np.array_equal(image, local[0]) for image in local):
        raise mixed
    sample: Array = local[0]
    return sample


def _same_map(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    return 2 <= len(after) <= 4 and map_shape(before[1:]) == map_shape(after[1:])


def _held_shape(after: tuple[int, ...], value: ir.Value) -> tuple[int, ...]:
    """Return the shape of the map that holds a result: outputs of more axes get theirs after."""
    if len(after) <= 4:
        return after
    if not value.is_graph_output():
        raise Refused(
            f"lays a tensor out as {after}", "maps [N,C,H,W], [N,C,L] or [N,F] between operators"
        )
    return (*after[:3], prod(after[3:]))


def map_first(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return (N, C, H, W), (N, C, L) or (N, F) as (C, H, W)."""
    height, width, channels = map_shape(shape[1:])
    return channels, height, width


def _row(places: Array) -> Tables:
    zero = np.zeros(1, np.int64)
    return zero, zero, places.reshape(-1)


def _emit(
    before: ir.Node,
    source: ir.Value,
    tables: Tables,
    shape: tuple[int, ...],
    name: str,
    context: Context,
) -> ir.Value:
    node = make_rearrange(context.graph, source, tables, shape, name)
    return context.insert(before, node)


def _reshaped(
    before: ir.Node, source: ir.Value, shape: tuple[int, ...], name: str, context: Context
) -> ir.Value:
    if len(shape) == 2:
        node = ir.node("Flatten", [source], {"axis": 1}, name=name)
    else:
        target = initializer(context.graph, f"{name}.shape", np.array([0, *shape[1:]], np.int64))
        node = ir.node("Reshape", [source, target], name=name)
    node.outputs[0].shape = ir.Shape(shape)
    return context.insert(before, node)


REARRANGE = Pattern("movement of elements", MOVEMENTS, _rewrite)
