"""Checks that a parsed file is well-formed: texts, types of attributes, sizes of tensors.

Protobuf accepts any value in any field. Later stages rely on these checks against the definition of
ONNX.
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
"""Fields that the compiler does not read: free text, such as stack traces of PyTorch's exporter.
The frontend later uses `metadata_props` for its own notes.
"""

MOST_NAME = 4096
"""Most characters of a name; exporters stay below 300."""

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
_NEEDED = frozenset(("t", "g", "sparse_tensor", "tp"))  # must be present; a missing number is 0

_QONNX: dict[str, int] = {
    **dict.fromkeys(("signed", "narrow", "depthwise", "ceil_mode"), AttributeProto.INT),
    **dict.fromkeys(("rounding_mode", "data_layout", "out_dtype"), AttributeProto.STRING),
    **dict.fromkeys(("out_scale", "out_bias"), AttributeProto.FLOAT),
    **dict.fromkeys(
        ("stride", "kernel_size", "pad_amount", "dilations", "kernel_shape", "pads", "strides"),
        AttributeProto.INTS,
    ),
}
"""Types of the attributes of QONNX's operators, defined by qonnx in `custom_op/`."""

_ARITY = {
    **dict.fromkeys(("Quant", "IntQuant"), (4,)),
    "Trunc": (5, 6),
    **dict.fromkeys(("BipolarQuant", "MultiThreshold"), (2,)),
    **dict.fromkeys(("Im2Col", "MaxPoolNHWC"), (1,)),
}
"""Numbers of inputs of QONNX's operators; all have one output."""

_QONNX_DOMAINS = ("qonnx.", "finn.", "onnx.brevitas")

_BITS: dict[int, int] = {
    **dict.fromkeys((TensorProto.DOUBLE, TensorProto.INT64, TensorProto.UINT64), 64),
    **dict.fromkeys((TensorProto.FLOAT, TensorProto.INT32, TensorProto.UINT32), 32),
    **dict.fromkeys((TensorProto.FLOAT16, TensorProto.BFLOAT16), 16),
    **dict.fromkeys((TensorProto.INT16, TensorProto.UINT16), 16),
    **dict.fromkeys((TensorProto.INT8, TensorProto.UINT8, TensorProto.BOOL), 8),
    **dict.fromkeys((TensorProto.INT4, TensorProto.UINT4), 4),
}
"""Bits of an element, for the types of parameters; tensors of other types are not checked here."""

_TYPED_FIELD: dict[int, str] = {
    TensorProto.FLOAT: "float_data",
    TensorProto.DOUBLE: "double_data",
    TensorProto.INT64: "int64_data",
    TensorProto.UINT64: "uint64_data",
    TensorProto.UINT32: "uint64_data",
}
"""Field that holds data which is not raw; `int32_data` for all other types."""


def check_wellformed(proto: onnx.ModelProto) -> None:
    """Check a parsed model, and remove comments and metadata from it.

    Raises:
        CompileError: a name is not UTF-8 text, is too long, or holds characters that control the
            display (`escape.unprintable`; other characters of any script are allowed and escaped
            when written), or an attribute's value has another type than it states or its operator
            defines.
    """
    problems = [
        Problem("", place, found, hint=_DAMAGED) for place, found in _broken_texts(proto, "model")
    ]
    if problems:
        raise CompileError(problems)  # the checks below use these names in messages
    for node, in_function in nodes(proto):
        name = node_name(node)
        problems += [
            Problem(name, node.op_type, found, hint=_DAMAGED)
            for found in (*_broken_attributes(node, in_function), *_broken_values(node))
        ]
    if problems:
        raise CompileError(problems)


def check_tensors(proto: onnx.ModelProto) -> None:
    """Check that all tensors have as much data as their shapes need.

    Raises:
        CompileError: lists every tensor that has not.
    """
    problems = [
        Problem(name, place, found, hint=_DAMAGED)
        for tensor, name, place in tensors(proto)
        if (found := _broken_tensor(tensor))
    ]
    if problems:
        raise CompileError(problems)


def node_name(node: onnx.NodeProto) -> str:
    """Return the name of a node for messages."""
    return node.name or "".join(node.output[:1])


def nodes(proto: onnx.ModelProto) -> Iterator[tuple[onnx.NodeProto, bool]]:
    """Yield every node, of subgraphs and functions too, and whether it is part of a function."""
    yield from ((node, False) for node in nested(proto.graph.node))
    yield from ((node, True) for function in proto.functions for node in nested(function.node))


def nested(part: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of a graph or function, and those of their subgraphs."""
    for node in part:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs) if holds_graph(attribute) else ():
                yield from nested(graph.node)


def holds_graph(attribute: onnx.AttributeProto) -> bool:
    """Return whether the value is a graph, or graphs."""
    return attribute.HasField("g") or bool(attribute.graphs)


def tensors(proto: onnx.ModelProto) -> Iterator[tuple[onnx.TensorProto, str, str]]:
    """Yield every dense tensor, with a name and operator for messages."""
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
    """Return the names of a message's text fields, and of the fields that hold messages."""
    texts = (f.name for f in kind.fields if f.type == FieldDescriptor.TYPE_STRING)
    parts = (f.name for f in kind.fields if f.type == FieldDescriptor.TYPE_MESSAGE)
    return frozenset(texts), frozenset(parts)


def _broken_texts(message: Message, place: str) -> Iterator[tuple[str, str]]:
    """Yield the text fields that are not allowed: the place and the reason."""
    texts, parts = _parts(message.DESCRIPTOR)
    for field, value in message.ListFields():
        if field.name in _COMMENTS:
            message.ClearField(field.name)
        elif field.name in parts:
            for part in (value,) if isinstance(value, Message) else value:
                yield from _broken_texts(part, field.name)
        elif field.name in texts:
            for text in (value,) if isinstance(value, str | bytes) else value:
                # Some implementations of protobuf return text that is not UTF-8 as bytes.
                if not isinstance(text, str):
                    yield place, f"its {field.name} is not UTF-8 text: {text[:60]!r}"
                elif len(text) > MOST_NAME:
                    found = f"its {field.name} has {len(text)} characters, at most {MOST_NAME} "
                    yield place, f"{found}are read: {text[:40]}…"
                elif found := unprintable(text):
                    yield place, f"its {field.name} '{plain(text[:80])}' holds {found}"


def _broken_attributes(node: onnx.NodeProto, in_function: bool) -> Iterator[str]:
    """Yield what is wrong with a node's attributes: contradictions, types that are not QONNX's."""
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
    """Yield what is wrong with the numbers of inputs and outputs of a QONNX operator."""
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
    """Return how many bytes of raw data the shape needs; None if that is not known here."""
    bits = _BITS.get(tensor.data_type)
    return None if bits is None else -(-prod(tensor.dims) * bits // 8)


def _broken_tensor(tensor: onnx.TensorProto) -> str:
    """Return why the data does not fit the shape; "" if it does."""
    where = f"the tensor '{tensor.name}' " if tensor.name else "the tensor "
    if any(size < 0 for size in tensor.dims):
        return f"{where}has the shape {list(tensor.dims)}, sizes are 0 or more"
    if not TensorProto.UNDEFINED < tensor.data_type <= max(TensorProto.DataType.values()):
        return f"{where}has the element type {tensor.data_type}, which ONNX does not define"
    if tensor.HasField("segment"):
        return f"{where}is a segment of a larger one"
    size = data_bytes(tensor)
    if size is None:
        return ""
    if tensor.HasField("raw_data"):
        held, wanted, unit = len(tensor.raw_data), size, "bytes"
    else:
        count = prod(tensor.dims)
        held = len(getattr(tensor, _TYPED_FIELD.get(tensor.data_type, "int32_data")))
        # Two numbers of 4 bits share an entry.
        wanted, unit = (-(-count // 2) if _BITS[tensor.data_type] == 4 else count), "numbers"
    if held == wanted:
        return ""
    sizes = f"the shape {list(tensor.dims)[:8]} of {TensorProto.DataType.Name(tensor.data_type)}"
    return f"{where}holds {held} {unit} of data where {sizes} takes {wanted}"
