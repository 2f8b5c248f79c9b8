"""Exact rewrites before and after recognition: no value changes, not even by rounding.

Conv and BatchNormalization are never fused here: that moves outputs by about 3e-6, enough to cross
a threshold.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from .diagnostics import CompileError, Problem
from .recognize.pattern import Context, Pattern, Refused, UnknownShape
from .recognize.queries import Array, shape_of

_BROADCASTING = frozenset(
    "Add Sub Mul Div PRelu Where Greater GreaterOrEqual Less LessOrEqual Min Max Sum".split()
)
_SHAPE_ONLY = frozenset("Reshape Flatten Squeeze Unsqueeze Expand".split())


def _remove_identity(node: ir.Node, context: Context) -> None:
    """Remove Identity, Dropout at inference, and casts and reshapes that change nothing."""
    source, target = node.inputs[0], node.outputs[0]
    if source is None:
        return
    if node.op_type == "Dropout":
        training = context.constants.scalar(node.inputs[2] if len(node.inputs) > 2 else None)
        if (len(node.inputs) > 2 and node.inputs[2] is not None) and training is None:
            raise Refused("training_mode is computed", "inference", "export after model.eval()")
        if training:
            raise Refused("in training mode", "inference", "export after model.eval()")
        if len(node.outputs) > 1 and node.outputs[1].uses():
            raise Refused("its mask is read", "inference", "export after model.eval()")
    elif node.op_type == "Cast":
        if source.dtype is None or node.attributes.get_int("to") != source.dtype:
            return
    elif node.op_type in _SHAPE_ONLY:
        # A constant keeps its node: patterns match the structure of constant subgraphs. It is
        # folded later.
        if context.constants.known(source) or source.shape is None or target.shape is None:
            return
        if not source.shape.is_static() or source.shape != target.shape:
            return
    elif node.op_type == "Transpose":
        perm = node.attributes.get_ints("perm")
        if perm is None or list(perm) != list(range(len(perm))):
            return
    elif node.op_type == "Pad":
        pads = context.constants.array(node.inputs[1] if len(node.inputs) > 1 else None)
        if pads is None or pads.any():
            return
    context.replace(target, source)


def _drop_expand(node: ir.Node, context: Context) -> None:
    """Remove Expand before operators that broadcast, as in `x + bias.expand_as(x)`."""
    source, target = node.inputs[0], node.outputs[0]
    if source is None or target.is_graph_output():
        return
    for use in list(target.uses()):
        reader = use.node
        if reader.domain != "" or reader.op_type not in _BROADCASTING:
            continue
        if reader.op_type == "PRelu" and use.idx == 0:
            continue  # the slope must not have a larger shape than the data
        try:
            others = [shape_of(x) for i, x in enumerate(reader.inputs) if i != use.idx]
            same = np.broadcast_shapes(shape_of(source), *others) == shape_of(reader.outputs[0])
        except (UnknownShape, ValueError):
            continue
        if same:
            reader.replace_input_with(use.idx, source)


def fold_constants(context: Context) -> None:
    """Replace every constant that a remaining node reads by a parameter,
    computed in float32 as written.

    Raises:
        CompileError: the network's output is constant.
    """
    constants = context.constants
    for output in context.graph.outputs:
        if constants.known(output):
            found = "it is a constant: what leads to it does not read the input"
            raise CompileError(Problem(str(output.name), "output", found))
    folded: dict[ir.Value, ir.Value] = {}
    for node in list(context.graph):
        if any(constants.known(output) for output in node.outputs):
            continue
        for index, value in enumerate(node.inputs):
            if value is None or value.const_value is not None or not constants.known(value):
                continue
            if value not in folded:
                folded[value] = _fold(node, value, context)
            node.replace_input_with(index, folded[value])
    context.drop_unused()


def _fold(node: ir.Node, value: ir.Value, context: Context) -> ir.Value:
    array = context.constants.arrays([value])[0]
    explained = node.op_type == "Clip" or any(r.fatal for r in context.refusals.values())
    if array.dtype.kind == "f" and not explained and not np.isfinite(array).all():
        found = f"the constant '{value.name}' computed for it is not finite"
        context.refusals[node] = Refused(found, "finite numbers", fatal=True)
    # Constants of int64 are sizes and places, which the rules of movements compare for two batches.
    numbers = array.dtype.kind in "fiu" and (array.dtype != np.int64 or node.op_type == "Pow")
    if numbers and context.constants.depends_on_batch(value):
        other = context.constants.with_other_batch(value)
        if not _same_for_any_batch(array, other):
            found = f"'{value.name}' is computed from the batch size"
            context.refusals[node] = Refused(found, "arithmetic on single images", fatal=True)
    new = ir.val(str(value.name), const_value=ir.tensor(array, name=str(value.name)))
    value.name = f"{value.name}#"
    context.graph.register_initializer(new)
    return new


def _same_for_any_batch(array: Array, other: Array) -> bool:
    if array.shape == other.shape:
        return np.array_equal(array, other)
    if array.ndim != other.ndim or array.ndim == 0 or array.shape[1:] != other.shape[1:]:
        return False
    return bool((array == array[:1]).all() and (other == array[:1]).all())


def _name_type(node: ir.Node, context: Context) -> None:
    """Replace CastLike by a Cast to the type of its second input, whose values do not matter."""
    like = node.inputs[1]
    if like is None or like.dtype is None:
        return
    cast = ir.node("Cast", [node.inputs[0]], {"to": like.dtype.value}, name=node.name)
    cast.outputs[0].dtype = like.dtype
    context.replace(node.outputs[0], context.insert(node, cast))
    context.constants.ask_again()


CAST_LIKE = Pattern("cast to another's type", frozenset({"CastLike"}), _name_type)
IDENTITY = Pattern(
    "identity", frozenset({"Identity", "Dropout", "Cast", "Transpose", "Pad"}) | _SHAPE_ONLY,
    _remove_identity,
)  # fmt: skip
EXPAND = Pattern("expand", frozenset({"Expand"}), _drop_expand)
