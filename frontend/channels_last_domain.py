"""QONNX's channels-last operators, rewritten as the standard operators between two Transposes.

`qonnx-to-channels-last` writes Conv, MaxPool and BatchNormalization in a separate domain: data
[N,H,W,C] or [N,L,C], a convolution's weights [O,kh,kw,I], attributes as in ONNX. The Transposes
cancel later.
"""

from __future__ import annotations

from collections import Counter

import onnx

DOMAIN = "qonnx.custom_op.channels_last"
_OPS = ("Conv", "MaxPool", "BatchNormalization")
_IMAGE = 4  # axes of a tensor whose rank the file does not state
_QUANTIZERS = ("Quant", "IntQuant", "BipolarQuant", "Identity")


def channels_first(proto: onnx.ModelProto) -> None:
    """Rewrite the operators of that domain in the main graph, in place."""
    if not any(_is_ours(node) for node in proto.graph.node):
        return
    graph = proto.graph
    ranks = {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in (*graph.input, *graph.value_info, *graph.output)
        if value.type.tensor_type.HasField("shape")
    }
    ours = [node for node in graph.node if _is_ours(node)]
    added: dict[str, onnx.NodeProto] = {}
    for node in ours:
        rank = _rank(node, ranks)
        data, result, name = node.input[0], node.output[0], node.name or node.output[0]
        if node.op_type == "Conv" and len(node.input) > 1:
            _turn_weight(node, rank, graph, added)
        node.domain = ""
        node.input[0] = _turned(data, f"{name}.channels_first", _to_first(rank), added)
        node.output[0] = f"{name}.channels_last_in"
        back = [0, *range(2, rank), 1]
        added[result] = onnx.helper.make_node(
            "Transpose", [node.output[0]], [result], name=f"{name}.channels_last", perm=back
        )
    graph.node.extend(added.values())


def _is_ours(node: onnx.NodeProto) -> bool:
    return node.domain == DOMAIN and node.op_type in _OPS and bool(node.input and node.output)


def _rank(node: onnx.NodeProto, ranks: dict[str, int]) -> int:
    window = [len(a.ints) + 2 for a in node.attribute if a.name == "kernel_shape" and a.ints]
    return window[0] if window else ranks.get(node.input[0], ranks.get(node.output[0], _IMAGE))


def _to_first(rank: int) -> list[int]:
    return [0, rank - 1, *range(1, rank - 1)]


def _turned(data: str, name: str, perm: list[int], added: dict[str, onnx.NodeProto]) -> str:
    """Return the value that holds `data` transposed."""
    result = f"{name}_out"
    added[result] = onnx.helper.make_node("Transpose", [data], [result], name=name, perm=perm)
    return result


def _turn_weight(
    node: onnx.NodeProto, rank: int, graph: onnx.GraphProto, added: dict[str, onnx.NodeProto]
) -> None:
    """Transpose weights before their quantizer, which has one scale, or one per filter."""
    producers = {value: n for n in graph.node for value in n.output}
    uses = Counter(value for n in graph.node for value in n.input)
    reader, index = node, 1
    for _ in graph.node:  # a damaged graph may be cyclic
        above = producers.get(reader.input[index])
        if above is None or above.op_type not in _QUANTIZERS or not above.input:
            break
        if uses[reader.input[index]] != 1:
            break  # other nodes read the quantized weights in their layout
        reader, index = above, 0
    name = f"{node.name or node.output[0]}.weight_channels_first"
    reader.input[index] = _turned(reader.input[index], name, _to_first(rank), added)
