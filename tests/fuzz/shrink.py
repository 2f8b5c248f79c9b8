"""Reduction of a failing input to a smaller one with the same fault."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import onnx
from onnx import numpy_helper

from .judge import Fault

Try = Callable[[bytes], Fault | None]


def shrunk(
    content: bytes,
    fault: Fault,
    smaller: Callable[[bytes], Iterator[bytes]],
    attempt: Try,
    seconds: float = 40,
) -> bytes:
    """Return the smallest input with the same fault that is found in a time limit.

    Args:
        content: the failing input.
        fault: its fault; another fault does not count.
        smaller: function that proposes smaller inputs.
        attempt: function that tries an input in a worker.
        seconds: time limit.
    """
    end = time.monotonic() + seconds
    going = True
    while going:
        going = False
        for proposal in smaller(content):
            if time.monotonic() > end:
                return content
            if len(proposal) >= len(content):
                continue
            found = attempt(proposal)
            if found is not None and (found.kind, found.place) == (fault.kind, fault.place):
                content, going = proposal, True
                break
    return content


def smaller_models(content: bytes) -> Iterator[bytes]:
    """Yield the model without some of its nodes and parameters, or with smaller ones."""
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except Exception:  # not a model, or no longer
        return
    count = len(model.graph.node)
    for size in (count // 2, count // 4, 1):
        if size < 1:
            continue
        for start in range(0, count, size):
            yield _without(model, range(start, min(start + size, count)))
    for k in range(count):
        yield _ending_at(model, k)
    yield _without_unused(model)
    for k, tensor in enumerate(model.graph.initializer):
        yield from _simpler_tensor(model, k, tensor)
    for k in range(count):
        for n in range(len(model.graph.node[k].attribute)):
            copy = _copy(model)
            del copy.graph.node[k].attribute[n]
            yield copy.SerializeToString()
    for name in ("producer_name", "producer_version", "doc_string", "metadata_props", "functions"):
        copy = _copy(model)
        copy.ClearField(name)
        yield copy.SerializeToString()
    copy = _copy(model)
    del copy.graph.value_info[:]
    yield copy.SerializeToString()


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _without(model: onnx.ModelProto, which: range) -> bytes:
    """Return nodes taken out; who read one of them reads its first input."""
    copy = _copy(model)
    gone = [copy.graph.node[k] for k in which]
    instead = {o: n.input[0] for n in gone for o in n.output if n.input}
    for node in gone:
        copy.graph.node.remove(node)

    def name(old: str) -> str:
        for _ in range(len(instead)):
            old = instead.get(old, old)
        return old

    for node in copy.graph.node:
        for k, old in enumerate(node.input):
            node.input[k] = name(old)
    for out in copy.graph.output:
        if out.name in instead:
            out.name = name(out.name)
            out.type.tensor_type.ClearField("shape")
    return copy.SerializeToString()


def _ending_at(model: onnx.ModelProto, k: int) -> bytes:
    """Make the result of a node the output, and remove everything that it does not need."""
    copy = _copy(model)
    if not copy.graph.output or not copy.graph.node[k].output:
        return b""
    copy.graph.output[0].name = copy.graph.node[k].output[0]
    copy.graph.output[0].type.tensor_type.ClearField("shape")
    return _without_unused(copy)


def _without_unused(model: onnx.ModelProto) -> bytes:
    copy = _copy(model)
    needed = {out.name for out in copy.graph.output}
    for node in reversed(list(copy.graph.node)):
        if needed & {*node.output} or any(a.HasField("g") for a in node.attribute):
            needed |= {*node.input}
        else:
            copy.graph.node.remove(node)
    for tensor in list(copy.graph.initializer):
        if tensor.name not in needed:
            copy.graph.initializer.remove(tensor)
    return copy.SerializeToString()


def _simpler_tensor(model: onnx.ModelProto, k: int, tensor: onnx.TensorProto) -> Iterator[bytes]:
    """Yield values rounded to a few digits compress nothing but are easier to read:
    only sizes count.
    """
    try:
        array = numpy_helper.to_array(tensor)
    except Exception:  # damaged
        return
    proposals = [array[:1]] if array.ndim and len(array) > 1 else []
    if array.size > 1 and array.dtype.kind == "f":
        proposals.append(np.asarray(array.ravel()[0]))
    for proposal in proposals:
        copy = _copy(model)
        copy.graph.initializer[k].CopyFrom(numpy_helper.from_array(proposal.copy(), tensor.name))
        yield copy.SerializeToString()
