"""ArgMax, ArgMin and TopK behind a program that compare its own integers, found in the host's part.

Such a head compares elements of one output of the program, which between them are only moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from .host_model import LAYOUT, HostModel

Array = npt.NDArray[Any]

MOST = 16
"""Largest k of a TopK that becomes integer operations, each of which it needs k times."""
_OPS = ("ArgMax", "ArgMin", "TopK")


@dataclass(frozen=True)
class IndexHead:
    """A head that gives indices of the greatest or the least along an axis.

    Attributes:
        node, op: of the ONNX node.
        source: name of the program's output that it reads.
        places: int64 (before, size, behind): the place in the source, in the order that the caller
            gave, of each element of a sample; it compares along the middle axis.
        greatest: the greatest come first, else the least.
        last: of equal ones the last counts, else the first.
        count: indices for each row of elements.
        indices, values: names of its results, "" where nothing reads one.
        shape: of a result of one sample.
    """

    node: str
    op: str
    source: str
    places: Array
    greatest: bool
    last: bool
    count: int
    indices: str
    values: str
    shape: tuple[int, ...]


class StaysOnHost(ValueError):
    """A head that stays on the host; the message says why."""


def index_heads(
    host: HostModel, sources: Mapping[str, Array]
) -> tuple[list[IndexHead], dict[str, str]]:
    """Find the heads that a program can compute.

    Args:
        host: what follows the program.
        sources: for each output of the program, the place of each element of a sample, int64 of
            its shape.

    Returns:
        The heads; and, for each ArgMax, ArgMin and TopK that is none, the reason by its name.
    """
    found, reasons = [], {}
    for node in host.proto.graph.node:
        if node.op_type in _OPS:
            try:
                found.append(_head(node, host, sources))
            except StaysOnHost as reason:
                reasons[name_of(node)] = str(reason)
    return found, reasons


def name_of(node: onnx.NodeProto) -> str:
    """Return a node's name, or that of its result."""
    return node.name or node.output[0]


def _head(node: onnx.NodeProto, host: HostModel, sources: Mapping[str, Array]) -> IndexHead:
    source, places = places_of(node.input[0], host, sources)
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    top = node.op_type == "TopK"
    axis = attributes.get("axis", -1 if top else 0) % (places.ndim + 1) - 1  # without the batch
    shape, size = places.shape, places.shape[axis]
    count = _count(node, host) if top else 1
    if not 1 <= count <= min(size, MOST):
        raise StaysOnHost(
            f"it takes {count} of {size} elements, and integer operations give 1 to {MOST}"
        )
    middle = (count,) if top or attributes.get("keepdims", 1) else ()
    names = [name if _is_read(name, host) else "" for name in node.output]
    values, indices = names if top else ("", names[0])
    return IndexHead(
        name_of(node),
        node.op_type,
        source,
        places.reshape(int(np.prod(shape[:axis])), size, -1),
        greatest=bool(attributes.get("largest", 1)) if top else node.op_type == "ArgMax",
        last=bool(attributes.get("select_last_index", 0)),
        count=count,
        indices=indices,
        values=values,
        shape=(*shape[:axis], *middle, *shape[axis + 1 :]),
    )


def _is_read(name: str, host: HostModel) -> bool:
    read = (given for node in host.proto.graph.node for given in node.input)
    return bool(name) and (name in host.outputs or name in read)


def _count(node: onnx.NodeProto, host: HostModel) -> int:
    for tensor in host.proto.graph.initializer:
        if len(node.input) > 1 and tensor.name == node.input[1]:
            return int(numpy_helper.to_array(tensor).reshape(-1)[0])
    raise StaysOnHost("its k is no constant")


def places_of(name: str, host: HostModel, sources: Mapping[str, Array]) -> tuple[str, Array]:
    """Return the program's output that a value is made of, and the places of its elements there,
    without the batch axis.

    Raises:
        StaysOnHost: it is computed, or not made of one output.
    """
    from onnx.reference import ReferenceEvaluator

    makers = {out: node for node in host.proto.graph.node for out in node.output}
    before: list[onnx.NodeProto] = []
    source = name
    while source in makers:
        maker = makers[source]
        if maker.op_type not in LAYOUT:
            raise StaysOnHost(f"it reads what {maker.op_type} computes there")
        if maker not in before:
            before.append(maker)
        source = maker.input[0]
    if source not in sources:
        raise StaysOnHost("it reads no output of the program")
    places, samples = sources[source], host.batch or 1
    if not before:
        return source, places
    part = onnx.ModelProto()
    part.CopyFrom(host.proto)
    del part.graph.node[:], part.graph.output[:]
    part.graph.node.extend(reversed(before))
    part.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    offsets = np.arange(samples).reshape(-1, *[1] * places.ndim) * places.size
    (moved,) = ReferenceEvaluator(part).run(None, {source: places + offsets})
    first = np.asarray(moved)[0]
    if not 0 <= int(first.min()) <= int(first.max()) < places.size:
        raise StaysOnHost("it mixes samples")
    return source, first


def remaining(host: HostModel, computed: set[str]) -> HostModel | None:
    """Return what the host still computes where a program gives some results; None if nothing."""
    proto = host.proto
    needed, kept = set(host.outputs), []
    for node in reversed(proto.graph.node):
        if needed & set(node.output) and not computed & set(node.output):
            needed.update(node.input)
            kept.append(node)
    if not kept:
        return None
    made = {name for node in kept for name in node.output}
    part = onnx.ModelProto()
    part.CopyFrom(proto)
    for field in (part.graph.node, part.graph.input, part.graph.output, part.graph.initializer):
        del field[:]
    part.graph.node.extend(reversed(kept))
    part.graph.initializer.extend(t for t in proto.graph.initializer if t.name in needed)
    part.graph.output.extend(value for value in proto.graph.output if value.name in made)
    part.graph.input.extend(value for value in proto.graph.input if value.name in needed)
    for name in sorted(computed):
        if any(name in node.input for node in kept):
            part.graph.input.add().name = name
    return HostModel(part.SerializeToString(deterministic=True), host.outputs, host.batch)
