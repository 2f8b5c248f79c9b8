"""Whether a parsed file is in itself sound: text, types of attributes, sizes of tensors, calls.

Protobuf takes any value into any field.  What is held against ONNX's own definition here, once and
where a file is read, no later stage has to doubt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from math import isfinite, prod

import onnx
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from onnx import AttributeProto, TensorProto

from .diagnostics import CompileError, Problem
from .escape import plain, unprintable

_COMMENTS = frozenset(("doc_string", "metadata_props"))
"""Fields that nothing here reads: free text, such as stack traces and source lines of PyTorch's
exporter.  This frontend notes things of its own in the latter, once the file is read."""

MOST_NAME = 4096
"""Characters of a name; exporters stay below 300."""

_DAMAGED = "the file is damaged: export it again"

_VALUE_OF: dict[int, str] = {
    AttributeProto.FLOAT: "f",
    AttributeProto.INT: "i",
    AttributeProto.STRING: "s",
    AttributeProto.TENSOR: "t",
    AttributeProto.GRAPH: "g",
    AttributeProto.SPARSE_TENSOR: "sparse_tensor",
    AttributeProto.TYPE_PROTO: "tp",
    AttributeProto.FLOATS: "floats",
    AttributeProto.INTS: "ints",
    AttributeProto.STRINGS: "strings",
    AttributeProto.TENSORS: "tensors",
    AttributeProto.GRAPHS: "graphs",
    AttributeProto.SPARSE_TENSORS: "sparse_tensors",
    AttributeProto.TYPE_PROTOS: "type_protos",
}
"""The field that holds the value of an attribute of each type."""

_FIELDS = frozenset(_VALUE_OF.values())
_NEEDED = frozenset(("t", "g", "sparse_tensor", "tp"))  # a number that is left out is 0

_QONNX: dict[str, int] = {
    **dict.fromkeys(("signed", "narrow", "depthwise", "ceil_mode"), AttributeProto.INT),
    **dict.fromkeys(("rounding_mode", "data_layout", "out_dtype"), AttributeProto.STRING),
    **dict.fromkeys(("out_scale", "out_bias"), AttributeProto.FLOAT),
    **dict.fromkeys(
        ("stride", "kernel_size", "pad_amount", "dilations", "kernel_shape", "pads", "strides"),
        AttributeProto.INTS,
    ),
}
"""Attributes of QONNX's operators, which ONNX has no definition of (qonnx, `custom_op/`)."""

_ARITY = {
    **dict.fromkeys(("Quant", "IntQuant"), (4,)),
    "Trunc": (5, 6),
    **dict.fromkeys(("BipolarQuant", "MultiThreshold"), (2,)),
    **dict.fromkeys(("Im2Col", "MaxPoolNHWC"), (1,)),
}
"""How many inputs they have; all of them have one output."""

_QONNX_DOMAINS = ("qonnx.", "finn.", "onnx.brevitas")

_BITS: dict[int, int] = {
    **dict.fromkeys((TensorProto.DOUBLE, TensorProto.INT64, TensorProto.UINT64), 64),
    **dict.fromkeys((TensorProto.FLOAT, TensorProto.INT32, TensorProto.UINT32), 32),
    **dict.fromkeys((TensorProto.FLOAT16, TensorProto.BFLOAT16), 16),
    **dict.fromkeys((TensorProto.INT16, TensorProto.UINT16), 16),
    **dict.fromkeys((TensorProto.INT8, TensorProto.UINT8, TensorProto.BOOL), 8),
    **dict.fromkeys((TensorProto.INT4, TensorProto.UINT4), 4),
}
"""Of an element, for the types that parameters have; others are left to what reads them."""

_TYPED_FIELD: dict[int, str] = {
    TensorProto.FLOAT: "float_data",
    TensorProto.DOUBLE: "double_data",
    TensorProto.INT64: "int64_data",
    TensorProto.UINT64: "uint64_data",
    TensorProto.UINT32: "uint64_data",
}
"""Where data lies that is not raw; of all other types in `int32_data`."""


def check_wellformed(proto: onnx.ModelProto) -> None:
    """Checks a parsed model; comments are dropped from it, and what exporters note for themselves.

    Raises:
        CompileError: names that are no UTF-8 text, too long, or that act on a screen instead of
            being seen on it (`escape.unprintable`); any other name of any script stands, for what
            writes it down escapes it. Attributes whose value is of
            another type than they say or than their operator defines.
    """
    problems = [
        Problem("", place, found, hint=_DAMAGED) for place, found in _broken_texts(proto, "model")
    ]
    if problems:
        raise CompileError(problems)  # nothing else can be named
    for node, in_function in nodes(proto):
        name = node_name(node)
        problems += [
            Problem(name, node.op_type, found, hint=_DAMAGED)
            for found in (*_broken_attributes(node, in_function), *_broken_values(node))
        ]
    if problems:
        raise CompileError(problems)


def check_tensors(proto: onnx.ModelProto) -> None:
    """Checks that all data is there and as long as the tensors' sizes say.

    Raises:
        CompileError: every tensor of which that is not true.
    """
    problems = [
        Problem(name, place, found, hint=_DAMAGED)
        for tensor, name, place in tensors(proto)
        if (found := _broken_tensor(tensor))
    ]
    if problems:
        raise CompileError(problems)


def node_name(node: onnx.NodeProto) -> str:
    """What a message calls a node."""
    return node.name or "".join(node.output[:1])


def nodes(proto: onnx.ModelProto) -> Iterator[tuple[onnx.NodeProto, bool]]:
    """Every node, those of subgraphs and functions too, and whether it stands in a function."""
    yield from ((node, False) for node in nested(proto.graph.node))
    yield from ((node, True) for function in proto.functions for node in nested(function.node))


def nested(part: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """The nodes of a graph or function, and those of their subgraphs."""
    for node in part:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs) if holds_graph(attribute) else ():
                yield from nested(graph.node)


def holds_graph(attribute: onnx.AttributeProto) -> bool:
    """Whether the value is a graph, or graphs."""
    return attribute.HasField("g") or bool(attribute.graphs)


def tensors(proto: onnx.ModelProto) -> Iterator[tuple[onnx.TensorProto, str, str]]:
    """Every dense tensor, with the name and operator of what a message may point at."""
    for tensor in proto.graph.initializer:
        yield tensor, tensor.name, "initializer"
    for node, _ in nodes(proto):
        for attribute in node.attribute:
            for tensor in (attribute.t,) if attribute.HasField("t") else attribute.tensors:
                yield tensor, node_name(node), node.op_type
            for graph in (attribute.g, *attribute.graphs) if holds_graph(attribute) else ():
                for tensor in graph.initializer:
                    yield tensor, tensor.name, "initializer"


@cache
def _parts(kind: Descriptor) -> tuple[frozenset[str], frozenset[str]]:
    """Names of a message's fields of text, and of its fields of messages."""
    texts = (f.name for f in kind.fields if f.type == FieldDescriptor.TYPE_STRING)
    parts = (f.name for f in kind.fields if f.type == FieldDescriptor.TYPE_MESSAGE)
    return frozenset(texts), frozenset(parts)


def _broken_texts(message: Message, place: str) -> Iterator[tuple[str, str]]:
    """Fields of text that are none, or are no names: where they are, and what they hold."""
    texts, parts = _parts(message.DESCRIPTOR)
    for field, value in message.ListFields():
        if field.name in _COMMENTS:
            message.ClearField(field.name)
        elif field.name in parts:
            for part in (value,) if isinstance(value, Message) else value:
                yield from _broken_texts(part, field.name)
        elif field.name in texts:
            for text in (value,) if isinstance(value, str | bytes) else value:
                # The implementations of protobuf hand over bytes that are no UTF-8 as bytes.
                if not isinstance(text, str):
                    yield place, f"its {field.name} is not UTF-8 text: {text[:60]!r}"
                elif len(text) > MOST_NAME:
                    found = f"its {field.name} has {len(text)} characters, at most {MOST_NAME} "
                    yield place, f"{found}are read: {text[:40]}…"
                elif found := unprintable(text):
                    yield place, f"its {field.name} '{plain(text)[:80]}' holds {found}"


def _broken_attributes(node: onnx.NodeProto, in_function: bool) -> Iterator[str]:
    """Attributes that contradict themselves, or the operators that only this frontend knows."""
    seen: set[str] = set()
    qonnx = node.domain.startswith(_QONNX_DOMAINS)
    for attribute in node.attribute:
        name, said = attribute.name, _type_name(attribute.type)
        if name in seen:
            yield f"the attribute '{name}' is given twice"
        seen.add(name)
        own = _VALUE_OF.get(attribute.type)
        held = {f.name for f, _ in attribute.ListFields()} & _FIELDS
        if attribute.ref_attr_name:
            if not in_function:
                yield f"the attribute '{name}' refers to one of a function, outside of any"
            continue
        if own is None:
            yield f"the attribute '{name}' has no type"
        elif held - {own} or (own in _NEEDED and own not in held):
            yield f"the attribute '{name}' says {said} and holds {', '.join(sorted(held)) or '-'}"
        elif qonnx and attribute.type != (wanted := _QONNX.get(name, attribute.type)):
            yield f"the attribute '{name}' is {said}, {_type_name(wanted)} is supported"
        elif qonnx and not isfinite(attribute.f):
            yield f"the attribute '{name}' is {attribute.f}, finite numbers are supported"
        elif not all(_is_text(text) for text in (attribute.s, *attribute.strings)):
            yield f"the text of its attribute '{name}' is not UTF-8"


def _broken_values(node: onnx.NodeProto) -> Iterator[str]:
    """Inputs and outputs of QONNX's operators; `check` holds others against their schemas."""
    taken = _ARITY.get(node.op_type) if node.domain.startswith(_QONNX_DOMAINS) else None
    if taken is not None and (len(node.input) not in taken or not all(node.input)):
        given = sum(map(bool, node.input))
        yield f"it has {given} inputs, it takes {' or '.join(map(str, taken))}"
    if taken is not None and (len(node.output) != 1 or not node.output[0]):
        yield f"it has {sum(map(bool, node.output))} outputs, it gives 1"


def _type_name(number: int) -> str:
    names = AttributeProto.AttributeType
    return names.Name(number) if number in names.values() else f"type {number}"


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def data_bytes(tensor: onnx.TensorProto) -> int | None:
    """How much raw data the sizes ask for; None if that is not known here."""
    bits = _BITS.get(tensor.data_type)
    return None if bits is None else -(-prod(tensor.dims) * bits // 8)


def _broken_tensor(tensor: onnx.TensorProto) -> str:
    """Why the data does not fit the sizes; "" if it does."""
    where = f"the tensor '{tensor.name}' " if tensor.name else "the tensor "
    if any(size < 0 for size in tensor.dims):
        return f"{where}has the shape {list(tensor.dims)}, sizes are 0 or more"
    if tensor.HasField("segment"):
        return f"{where}is a segment of a larger one"
    size = data_bytes(tensor)
    if size is None:
        return ""
    if tensor.HasField("raw_data"):
        found, wanted, unit = len(tensor.raw_data), size, "bytes"
    else:
        count = prod(tensor.dims)
        found = len(getattr(tensor, _TYPED_FIELD.get(tensor.data_type, "int32_data")))
        # Numbers of 4 bits lie two in a field.
        wanted, unit = (-(-count // 2) if _BITS[tensor.data_type] == 4 else count), "numbers"
    if found == wanted:
        return ""
    sizes = f"the shape {list(tensor.dims)[:8]} of {TensorProto.DataType.Name(tensor.data_type)}"
    return f"{where}holds {found} {unit} of data where {sizes} takes {wanted}"
