"""Heads that run on the host: Softmax, Sigmoid, ArgMax, TopK, grid decode behind the last layers.

What follows the last integer layer and ends at the outputs is cut off, if it holds an operator of
``_HEADS``, a root, a quotient of two tensors, or arithmetic on one number of each sample (lengths).
The canonical graph ends at the cut; the rest becomes a ``HostModel``, which
``passes/program/boundary.py`` evaluates in float64.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, helper, numpy_helper

from .diagnostics import CompileError, Problem
from .host_model import HOST_OPS, LAYOUT, HostModel, HostModelError, in_double
from .opset import OUTPUTS
from .recognize.function_operators import RULES
from .recognize.pattern import Context
from .recognize.queries import producer, stated_axes
from .recognize.step_search import COMPARISONS

HOST = "n2uq.host"
"""Key of a model's ``meta``: the ``HostModel`` behind it, if there is one."""

_HEADS = frozenset(
    "ArgMax ArgMin Exp Hardmax LogSoftmax ReduceL1 ReduceL2 ReduceLogSumExp Sigmoid Softmax Sqrt "
    "TopK".split()
)
_BY_NUMBER = frozenset({"Exp", "LogSoftmax", "Sigmoid", "Softmax", "Sqrt"})
"""Those that a program can compute, in fixed point with a proven bound."""
_OF_STEPS = frozenset("Cast Ceil Clip Floor Max Min Round Unsqueeze".split())
"""Operators of quantizers written as arithmetic, beside comparisons and functions."""

_NAMED = 4  # nodes that a refusal names

_ORDERED = frozenset({"Softmax", "LogSoftmax", "Sigmoid"})
_INDICES = frozenset({"ArgMax", "ArgMin", "TopK"})


def cut_host_part(context: Context, *, integer: bool = False) -> None:
    """Cut off what the host computes; leave the graph as it is if there is no such head.

    Args:
        context: the graph.
        integer: whether functions of scores (``_BY_NUMBER``) are left to the program.
    """
    heads = _HEADS - _BY_NUMBER if integer else _HEADS
    graph = context.graph
    behind = _behind(context)
    part: set[ir.Node] = set()
    for node in graph:  # heads, and what is computed from them
        makers = (value.producer() for value in node.inputs if value is not None)
        if node in behind and (
            _is_head(node, context, heads) or any(maker in part for maker in makers)
        ):
            part.add(node)
    for node in reversed(list(graph)):  # layouts before a head
        if (
            node in behind
            and node.op_type in LAYOUT
            and all(use.node in part for out in node.outputs for use in out.uses())
            and any(out.uses() for out in node.outputs)
        ):
            part.add(node)
    if not part:
        return
    nodes = [node for node in graph if node in part]
    names = list(context.model.meta[OUTPUTS])
    ends: list[ir.Value] = []
    for value in graph.outputs:
        ends += _sources(value, part, context)
    ends = list(dict.fromkeys(ends))
    if any(context.constants.known(value) for value in graph.outputs):
        return  # refused as an output that no input reaches
    if any(end.is_graph_input() for end in ends) or any(_mixes(n, context) for n in nodes):
        return
    if not all(_has_batch(value, context) for value in (*graph.outputs, *ends)):
        return
    proto = _model(context, nodes, ends, names)
    if proto is None:
        return
    host = HostModel(
        proto.SerializeToString(deterministic=True),
        tuple(names),
        0 if context.dynamic else context.batch,
    )
    _require_computable(host, ends, nodes)
    context.model.meta[HOST] = host
    context.model.meta[OUTPUTS] = [str(end.name) for end in ends]
    graph.outputs.clear()
    graph.outputs.extend(ends)
    context.drop_unused()


def _require_computable(host: HostModel, ends: list[ir.Value], nodes: list[ir.Node]) -> None:
    """Refuse nodes that do not fit each other or what they are given: nothing infers their shapes.

    Raises:
        CompileError: naming them.
    """
    shapes: dict[str, list[int]] = {}
    for end in ends:
        sizes = list(end.shape or ())[1:]
        shapes[str(end.name)] = whole = [size for size in sizes if isinstance(size, int)]
        if len(whole) < len(sizes):
            return  # the canonical graph is refused for it
    for count in (1, 3):
        try:
            host({name: np.zeros((count, *shape)) for name, shape in shapes.items()})
        except HostModelError as error:
            names = ", ".join(str(node.name) for node in nodes[:_NAMED])
            raise CompileError(Problem(names, nodes[0].op_type, str(error))) from None


def _behind(context: Context) -> set[ir.Node]:
    """Return the nodes from which only operators of the host lead to the outputs."""
    host_nodes: set[ir.Node] = set()
    for node in reversed(list(context.graph)):
        if (
            node.domain == ""
            and node.op_type in HOST_OPS
            and not context.constants.known(node.outputs[0])
            and all(
                use.node in host_nodes or _only_shape(use.node)
                for out in node.outputs
                for use in out.uses()
            )
        ):
            host_nodes.add(node)
    return host_nodes


def _is_head(node: ir.Node, context: Context, heads: frozenset[str]) -> bool:
    """Return whether the host computes a node though nothing before it is the host's."""
    if node.op_type in heads or any(_is_number(value, context) for value in node.inputs):
        return True
    uses = [use.node.op_type for use in node.outputs[0].uses()]
    if node.op_type in _ORDERED and uses and _INDICES.issuperset(uses):
        return True  # dropped, see `_drop_ordered`
    if node.op_type == "Pow" and "Sqrt" in heads:
        exponent = context.constants.scalar(node.inputs[1])
        return exponent is not None and not float(exponent).is_integer()
    quotient = node.op_type == "Div" and not context.constants.known(node.inputs[1])
    return quotient and len(_factors(node, context)) > 1


def _is_number(value: ir.Value | None, context: Context) -> bool:
    """Return whether a value is computed, one number of each sample: the program has none such."""
    return (
        value is not None
        and value.shape is not None
        and len(value.shape) == 1
        and not context.constants.known(value)
    )


def _factors(node: ir.Node, context: Context) -> set[ir.Value]:
    """Return the values that a node is computed from, element by element.

    A quantizer written as arithmetic is such a computation, too: numbers of a table by the index
    of a step are divided in it.
    """
    found, seen, stack = set[ir.Value](), set[ir.Node](), [node]
    while stack:
        top = stack.pop()
        for value in top.inputs:
            if value is None or context.constants.known(value):
                continue
            maker = value.producer()
            if maker is None or not _by_element(maker, context):
                found.add(value)
            elif maker not in seen:
                seen.add(maker)
                stack.append(maker)
    return found


def _by_element(node: ir.Node, context: Context) -> bool:
    """Return whether each element is computed from the same element of one or more tensors."""
    if node.domain != "":
        return False
    if node.op_type == "Gather":  # from a table
        return context.constants.known(node.inputs[0])
    if node.op_type == "ReduceSum":  # of the thresholds passed, each a comparison
        passed = producer(node.inputs[0], "Cast")
        return passed is not None and producer(passed.inputs[0], *COMPARISONS) is not None
    return node.op_type in RULES or node.op_type in _OF_STEPS or node.op_type in COMPARISONS


def _only_shape(node: ir.Node) -> bool:
    return node.domain == "" and node.op_type in ("Shape", "Size")


def _has_batch(value: ir.Value, context: Context) -> bool:
    return value.shape is not None and len(value.shape) > 0 and value.shape[0] == context.batch


_AXIS = {"ArgMax": 0, "ArgMin": 0, "Concat": 0, "Flatten": 1, "Gather": 0, "Hardmax": -1}
_AXIS |= {"LogSoftmax": -1, "Softmax": -1, "Split": 0, "TopK": -1}
"""Operators along an axis, with the default."""
_AXES = {"Slice": 3, "Squeeze": 1, "Unsqueeze": 1}
_AXES |= dict.fromkeys((op for op in HOST_OPS if op.startswith("Reduce")), 1)
"""Operators along several axes, with the input that names them."""


def _mixes(node: ir.Node, context: Context) -> bool:
    """Return whether a node may mix samples, which are along axis 0, or move that axis."""
    source = node.inputs[0]
    rank = len(source.shape) if source is not None and source.shape is not None else 1
    if node.op_type in _AXIS:
        return node.attributes.get_int("axis", _AXIS[node.op_type]) % rank == 0
    if node.op_type == "Transpose":
        return (node.attributes.get_ints("perm") or [1])[0] != 0
    if node.op_type in _AXES:
        axes = stated_axes(node, context, _AXES[node.op_type])
        new = len(axes or ()) if node.op_type == "Unsqueeze" else 0
        if axes is None or not rank + new:
            return True
        named = {axis % (rank + new) for axis in axes}
        return 0 in named or len(named) < len(axes)  # an axis that is named twice has no meaning
    return False


def _sources(value: ir.Value, part: set[ir.Node], context: Context) -> list[ir.Value]:
    """Return the values outside the part that an output is computed from, in order."""
    sources: list[ir.Value] = []
    stack, seen = [value], set[ir.Value]()
    while stack:
        top = stack.pop()
        maker = top.producer()
        if top in seen or context.constants.known(top):
            continue
        seen.add(top)
        if maker is None or maker not in part:
            sources.append(top)
            continue
        stack.extend(v for v in reversed(maker.inputs) if v is not None)
    return sources


def _model(
    context: Context, nodes: list[ir.Node], ends: list[ir.Value], names: list[str]
) -> onnx.ModelProto | None:
    """Return the part as a model of its own; None if a constant of it depends on the batch."""
    arrays: dict[str, np.ndarray] = {}
    for node in nodes:
        for index, value in enumerate(node.inputs):
            if value is None or not context.constants.known(value):
                continue
            array = context.constants.arrays([value])[0]
            if context.constants.depends_on_batch(value):
                other = context.constants.with_other_batch(value)
                if not np.array_equal(array, other):
                    open_ = _any_batch(array, other, node)
                    if open_ is None or node.op_type != "Reshape" or index != 1:
                        return None
                    array = open_
            arrays[str(value.name)] = array
    protos = [ir.to_proto(node) for node in nodes]
    ranks = {
        str(v.name): len(v.shape)
        for node in nodes
        for v in node.inputs
        if v is not None and v.shape is not None
    }
    _drop_ordered(protos, ranks, names, context.model.graph.opset_imports[""])
    needed = set(names)
    kept = []
    for proto in reversed(protos):
        if needed & set(proto.output):
            needed.update(proto.input)
            kept.append(proto)
    kept.reverse()
    computed = {name for proto in kept for name in proto.output}
    graph = helper.make_graph(
        kept,
        "host",
        [
            helper.make_tensor_value_info(str(end.name), TensorProto.DOUBLE, None)
            for end in ends
            if str(end.name) in needed
        ],
        [
            helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None)
            for name in names
            if name in computed
        ],
        [numpy_helper.from_array(array, name) for name, array in arrays.items() if name in needed],
    )
    version = context.model.graph.opset_imports[""]
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)])
    proto.ir_version = 8
    return in_double(proto)


def _any_batch(array: np.ndarray, other: np.ndarray, node: ir.Node) -> np.ndarray | None:
    """Return a Reshape's target for any batch, of those for two; None if there is none."""
    if array.shape != other.shape or array.ndim != 1:
        return None
    differs = array != other
    if differs.sum() != 1:
        return None
    if not (array == -1).any():
        return np.where(differs, -1, array)
    source = node.inputs[0]
    first = source.shape[0] if source is not None and source.shape else None
    if differs[0] and first == array[0] and not node.attributes.get_int("allowzero", 0):
        return np.where(differs, 0, array)  # as many as the tensor has
    return None


def _drop_ordered(
    protos: list[onnx.NodeProto], ranks: dict[str, int], outputs: list[str], version: int
) -> None:
    """Let ArgMax, and TopK whose values nothing reads, read what Softmax, LogSoftmax or Sigmoid
    read: they keep the order, exactly.
    """
    makers = {name: proto for proto in protos for name in proto.output}
    used = {*outputs, *(name for proto in protos for name in proto.input)}
    for proto in protos:
        top = proto.op_type == "TopK" and proto.output[0] not in used
        while (top or proto.op_type in ("ArgMax", "ArgMin")) and proto.input[0] in makers:
            maker = makers[proto.input[0]]
            rank = ranks.get(proto.input[0], 1)
            along = _axis(proto, -1 if top else 0)
            same = (_axis(maker, -1) - along) % rank == 0 and version >= 13
            if maker.op_type not in _ORDERED or not (maker.op_type == "Sigmoid" or same):
                break
            proto.input[0] = maker.input[0]


def _axis(proto: onnx.NodeProto, default: int) -> int:
    return next((a.i for a in proto.attribute if a.name == "axis"), default)
