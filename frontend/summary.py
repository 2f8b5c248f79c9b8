"""Summary of a canonical graph: its quantizers and layers,
and which layers stay real-valued and why.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from .constants import static
from .edges import exits, map_shape
from .expression_forms import title
from .host_part import HOST
from .index_heads import index_heads, remaining
from .opset import constant, integer, is_op, output_names, read_function, read_weight
from .recognize.pattern import NOTE
from .summary_quantizer import KEEPS_CODES, Quantizer, code_offset, describe, is_quantizer

__all__ = ["LayerSummary", "Note", "Quantizer", "Summary", "summarize"]

INTEGER, TABLE, FIXED = "integer", "comparison table", "fixed point"
_REPEATED = 16  # weights a code, from which on codes that do not occur are no coincidence
_MOVES = ("Reshape", "Transpose")  # only at the network's edges; they compute nothing
_IN_INTEGERS = (
    "becomes integer operations, exact in the values before it, ties as ONNX states them, if those "
    "have one scale; the compiled program states their proven error e: an index can differ from "
    "the network's only between values closer than 2e"
)
_CHANNELWISE = frozenset("BatchNormalization Add Sub Mul Div PRelu Relu LeakyRelu Clip".split())


@dataclass(frozen=True)
class LayerSummary:
    """One node that computes. Shapes are per image, without the batch.

    Attributes:
        name, op: of the ONNX node.
        input_shape, output_shape: of its first input and its output.
        kernel, strides, pads, dilations: empty where there is no window; pads as in ONNX.
        groups: of a convolution, else 1.
        weight_bits: bits of the weight codes; None for float weights or no weights.
        weight_scale: value of one weight code, per output channel.
        codes: how often each weight code occurs.
        weight_levels: value of every weight code where they are uneven, in one row or one an output
            channel; else empty.
        activation_bits: bits of the input codes; None for a real-valued input.
        macs: multiply-accumulates for one image.
        weights: number of weights.
        becomes: "integer" (codes times codes), "comparison table" (part of the following
            thresholds) or "fixed point" (real-valued in training; 8, 16, 24 or 32 bits later).
        why: reason for `becomes`.
    """

    name: str
    op: str
    input_shape: list[int]
    output_shape: list[int]
    kernel: list[int]
    strides: list[int]
    pads: list[int]
    dilations: list[int]
    groups: int
    weight_bits: int | None
    weight_scale: list[float]
    codes: dict[int, int]
    weight_levels: list[list[float]]
    activation_bits: int | None
    macs: int
    weights: int
    becomes: str
    why: str


@dataclass(frozen=True)
class Note:
    """Something the user should know about a node."""

    node: str
    text: str


@dataclass(frozen=True, repr=False)
class Summary:
    """A recognized network: shapes of inputs and outputs by name; lists in execution order."""

    inputs: dict[str, list[int | str]]
    outputs: dict[str, list[int | str]]
    quantizers: list[Quantizer]
    layers: list[LayerSummary]
    notes: list[Note]

    def __repr__(self) -> str:
        return f"<Summary of {len(self.quantizers)} quantizers and {len(self.layers)} layers>"

    def to_dict(self) -> dict[str, Any]:
        """Return lists, numbers and strings for JSON; float32 numbers are written exactly."""
        facts = asdict(self)
        for what in ("input", "output"):
            shapes: dict[str, list[int | str]] = facts.pop(f"{what}s")
            facts[f"{what}s"] = [{"name": n, "shape": shape} for n, shape in shapes.items()]
            if len(shapes) == 1:
                ((facts[what], facts[f"{what}_shape"]),) = shapes.items()
        return facts


def summarize(model: ir.Model) -> Summary:
    """Summarize a canonical graph."""
    graph = model.graph
    bits = _code_bits(graph)
    tables = _values_of_tables(graph)
    return Summary(
        {str(value.name): _shape(value) for value in graph.inputs},
        {
            name: _shape(value)
            for name, value in zip(output_names(model), graph.outputs, strict=True)
        },
        [describe(node) for node in graph if is_quantizer(node)],
        [
            _layer(node, bits, tables)
            for node in graph
            if (node.domain == "" and node.op_type not in _MOVES) or is_op(node, "Function")
        ],
        [
            *(Note(str(n.name), n.metadata_props[NOTE]) for n in graph if NOTE in n.metadata_props),
            *_on_host(model),
        ],
    )


def _on_host(model: ir.Model) -> list[Note]:
    """Return a note for each node that the host computes behind the outputs."""
    host = model.meta.get(HOST)
    if host is None:
        return []
    heads, _ = index_heads(host, _memory_places(model))
    rest = remaining(host, {name for head in heads for name in (head.indices, head.values)})
    return [
        *(Note(head.node, f"{head.op} {_IN_INTEGERS}") for head in heads),
        *(
            Note(name, f"{op} runs on the host, behind the outputs")
            for name, op in (rest.nodes if rest is not None else ())
        ),
    ]


def _memory_places(model: ir.Model) -> dict[str, npt.NDArray[np.int64]]:
    """Return the place of each element of each output in a program's memory, of its shape."""
    places = {}
    ends = zip(output_names(model), model.graph.outputs, exits(model.graph), strict=True)
    for name, value, end in ends:
        shape = tuple(_per_image(value))
        if end.channels_last:
            places[name] = np.arange(prod(shape)).reshape(shape)
        else:
            maps = np.arange(prod(shape)).reshape(map_shape(tuple(_per_image(end.value))))
            places[name] = maps.transpose(2, 0, 1).reshape(shape)
    return places


def _shape(value: ir.Value | None) -> list[int | str]:
    assert value is not None and value.shape is not None
    return [d if isinstance(d, int) else str(d.value) for d in value.shape]


def _per_image(value: ir.Value | None) -> list[int]:
    return [d for d in _shape(value)[1:] if isinstance(d, int)]


def _code_bits(graph: ir.Graph) -> dict[ir.Value, int]:
    """Return the code width of every value that is quantizer codes times a step plus an offset."""
    bits: dict[ir.Value, int] = {}
    for node in graph:
        if is_quantizer(node):
            bits[node.outputs[0]] = integer(node, "bits")
        elif node.op_type in KEEPS_CODES or code_offset(node) is not None:
            source = node.inputs[0]
            if source is not None and source in bits:
                bits[node.outputs[0]] = bits[source]
    return bits


def _values_of_tables(graph: ir.Graph) -> set[ir.Value]:
    """Return the values that only thresholds read, directly or through channelwise functions."""
    values: set[ir.Value] = set()
    for node in reversed(graph):
        for value in node.outputs:
            readers = value.consumers()
            if (
                readers
                and not value.is_graph_output()
                and all(
                    is_quantizer(r) or (_is_channelwise(r) and r.outputs[0] in values)
                    for r in readers
                )
            ):
                values.add(value)
    return values


def _is_channelwise(node: ir.Node) -> bool:
    return (node.op_type in _CHANNELWISE or is_op(node, "Function")) and all(
        x is None or constant(x) is not None for x in node.inputs[1:]
    )


def _layer(node: ir.Node, bits: dict[ir.Value, int], tables: set[ir.Value]) -> LayerSummary:
    source, output = node.inputs[0], node.outputs[0]
    assert source is not None
    weight_bits: int | None = None
    scale: list[float] = []
    codes: dict[int, int] = {}
    levels: list[list[float]] = []
    weights = macs = 0
    if node.op_type in ("Conv", "Gemm"):
        weight = node.inputs[1]
        quantized = weight.producer() if weight is not None else None
        shape = weight.shape if weight is not None else None
        assert shape is not None
        weights = prod(static(shape))
        macs = weights * prod(_per_image(output)[1:])
        if quantized is not None and is_op(quantized, "Weight"):
            params = read_weight(quantized)
            weight_bits = params.bits
            scale = [float(s) for s in params.step / params.divisor]
            values, counts = np.unique(params.codes, return_counts=True)
            codes = {int(v): int(c) for v, c in zip(values, counts, strict=True)}
            if params.levels is not None:
                levels = [[float(v) for v in row] for row in params.levels]
            elif (
                not params.odd
                and weights >= _REPEATED * len(values)  # few weights cannot hold all codes
                and 0 < (chosen := (len(values) - 1).bit_length()) < params.bits
            ):
                weight_bits = chosen  # as of APoT: few of the integers of that width
                levels = [[step * v for v in codes] for step in dict.fromkeys(scale)]
                levels = levels if len(levels) == 1 else [[s * v for v in codes] for s in scale]
    becomes, why = _future(node, weight_bits, bits.get(source), tables)
    uneven = [f"levels of its {what}" for what, found in
              (("input", _of_codebook(source)), ("weights", bool(levels))) if found]  # fmt: skip
    if becomes == INTEGER and weights and uneven:
        why = f"uneven {' and '.join(uneven)}, as integers"
    return LayerSummary(
        name=str(node.name),
        op=title(read_function(node)[0]) if is_op(node, "Function") else node.op_type,
        input_shape=_per_image(source),
        output_shape=_per_image(output),
        kernel=_ints(node, "kernel_shape"),
        strides=_ints(node, "strides"),
        pads=_ints(node, "pads"),
        dilations=_ints(node, "dilations"),
        groups=node.attributes.get_int("group", 1),
        weight_bits=weight_bits,
        weight_scale=scale,
        codes=codes,
        weight_levels=levels,
        activation_bits=bits.get(source),
        macs=macs,
        weights=weights,
        becomes=becomes,
        why=why,
    )


def _of_codebook(value: ir.Value | None) -> bool:
    node = value.producer() if value is not None else None
    while node is not None and node.op_type in KEEPS_CODES and node.inputs[0] is not None:
        node = node.inputs[0].producer()
    return is_op(node, "Codebook")


def _ints(node: ir.Node, name: str) -> list[int]:
    return [int(v) for v in node.attributes.get_ints(name, ())]


def _future(
    node: ir.Node, weight_bits: int | None, code_bits: int | None, tables: set[ir.Value]
) -> tuple[str, str]:
    """Return the arithmetic that a layer will be computed in, and the reason."""
    if node.op_type in ("Conv", "Gemm"):
        if weight_bits is not None and code_bits is not None:
            return INTEGER, "quantized weights, quantized input"
        if weight_bits is not None:
            return FIXED, "its input is real-valued"
        note = node.metadata_props.get(NOTE)
        return FIXED, note or ("float weights" if code_bits else "float weights, real-valued input")
    if code_bits is not None and node.op_type in KEEPS_CODES:
        return INTEGER, "moves codes"
    if code_offset(node) is not None:
        return INTEGER, "offset of the codes"
    if node.outputs[0] in tables:
        return TABLE, "only thresholds read it"
    if node.op_type == "Mul" and not _is_channelwise(node):
        return FIXED, "both factors are computed"
    if node.op_type == "Add" and not _is_channelwise(node):
        return FIXED, "the skip connection is real-valued in training"
    if node.outputs[0].is_graph_output():
        return FIXED, "the network's output is real-valued"
    return FIXED, "its result is read as a real value"
