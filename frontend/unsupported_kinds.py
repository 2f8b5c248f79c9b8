"""Networks of kinds that no program computes: one refusal for each kind, before any other check.

Refused operator by operator, attention or recurrence would give a list of consequences.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx_ir as ir

from .diagnostics import CompileError, Problem

_MICROSOFT = "com.microsoft"
_QONNX = ("qonnx.", "finn.", "onnx.brevitas")


@dataclass(frozen=True)
class _Kind:
    """What a kind of network is called in a refusal.

    Attributes:
        reason: what its nodes do.
        supported: what a program can do instead.
        hint: what the user can do.
    """

    reason: str
    supported: str
    hint: str


_ATTENTION = _Kind(
    "attention: it multiplies two tensors that both come from the input",
    "products of a tensor with constant weights",
    "mix tokens with constant weights (MLP-mixer, convolutions over the sequence), or compile the "
    "parts before and after attention as networks of their own",
)
_RECURRENCE = _Kind(
    "recurrence: each step reads the result of the one before",
    "networks without a state",
    "use convolutions over the sequence (dilated ones reach far back)",
)
_DYNAMIC = _Kind(
    "computes its scales from each image",
    "constant scales: a program's integers mean the same for every image",
    "quantize statically, with calibration data (onnxruntime: quantize_static)",
)
_NORMALIZATION = _Kind(
    "normalizes each image by its own statistics",
    "LayerNormalization, InstanceNormalization, GroupNormalization, RMSNormalization",
    "export one of those, or train with BatchNorm in its place",
)
_FLOAT_FORMAT = _Kind(
    "rounds to a small floating-point format",
    "integer codes",
    "quantize to integers: QONNX's Quant, in Brevitas the quantizers whose names begin with Int",
)
_HARDWARE = _Kind(
    "a hardware layer: the file is a network after FINN's conversion",
    "a network as QONNX or Brevitas exports it",
    "give the file from before convert_to_hw_layers",
)

_OPERATORS: dict[tuple[str, str], _Kind] = {
    **{("", op): _RECURRENCE for op in ("LSTM", "GRU", "RNN")},
    **{("", op): _NORMALIZATION for op in ("MeanVarianceNormalization", "LpNormalization")},
    **{(_MICROSOFT, op): _NORMALIZATION for op in (
        "SkipLayerNormalization", "GroupNorm", "SkipSimplifiedLayerNormalization",
    )},
    ("", "Attention"): _ATTENTION,
    **{(_MICROSOFT, op): _ATTENTION for op in (
        "Attention", "MultiHeadAttention", "GroupQueryAttention", "QAttention", "PackedAttention",
        "PackedMultiHeadAttention", "DecoderAttention", "DecoderMaskedMultiHeadAttention",
        "DecoderMaskedSelfAttention", "LongformerAttention", "SparseAttention",
        "QOrderedAttention",
    )},
    ("", "DynamicQuantizeLinear"): _DYNAMIC,
    **{(_MICROSOFT, op): _DYNAMIC for op in ("DynamicQuantizeMatMul", "DynamicQuantizeLSTM")},
}  # fmt: skip

_PRODUCTS: dict[tuple[str, str], tuple[int, int]] = {
    ("", "MatMul"): (0, 1),
    ("", "Einsum"): (0, 1),
    ("", "MatMulInteger"): (0, 1),
    ("", "QLinearMatMul"): (0, 3),
    (_MICROSOFT, "FusedMatMul"): (0, 1),
    (_MICROSOFT, "MatMulIntegerToFloat"): (0, 1),
}
"""Products of matrices, and where their operands are."""


def check_kinds(model: ir.Model) -> None:
    """Check that a network is of a kind that a program can compute; the graph has to be sorted.

    Raises:
        CompileError: names the first node of each kind that is not, and how many more there are.
    """
    computed = _computed(model.graph)
    refused: dict[_Kind, list[ir.Node]] = {}
    for node in model.graph:
        if (kind := _kind(node, computed)) is not None:
            refused.setdefault(kind, []).append(node)
    problems = []
    for kind, nodes in refused.items():
        first, more = nodes[0], len(nodes) - 1
        text = kind.reason + (f" (as {more} more nodes do)" if more else "")
        problems.append(Problem(str(first.name), first.op_type, text, kind.supported, kind.hint))
    if problems:
        raise CompileError(problems)


def _kind(node: ir.Node, computed: set[ir.Value]) -> _Kind | None:
    if node.domain.startswith(_QONNX):
        hardware = "fpgadataflow" in node.domain
        return _HARDWARE if hardware else _FLOAT_FORMAT if node.op_type == "FloatQuant" else None
    places = _PRODUCTS.get((node.domain, node.op_type))
    if places is not None and max(places) < len(node.inputs):
        return _ATTENTION if all(node.inputs[p] in computed for p in places) else None
    return _OPERATORS.get((node.domain, node.op_type))


def _computed(graph: ir.Graph) -> set[ir.Value]:
    """Return the values whose numbers come from the network's input."""
    computed = {value for value in graph.inputs if not value.is_initializer()}
    for node in graph:
        if node.op_type in ("Shape", "Size") and node.domain == "":
            continue  # sizes are constant
        if any(value in computed for value in _read(node)):
            computed.update(node.outputs)
    return computed


def _read(node: ir.Node) -> Iterator[ir.Value]:
    """Yield what a node reads, in its subgraphs too."""
    yield from (value for value in node.inputs if value is not None)
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            for inner in attribute.as_graph():
                yield from _read(inner)
