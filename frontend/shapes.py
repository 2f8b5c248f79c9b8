"""Static shapes of all values: while patterns match, a number replaces a dynamic batch."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import ShapeInferencePass

from .branches import inline_branches
from .constants import GraphConstants
from .diagnostics import CompileError, Problem
from .recognize import channels_last, qonnx
from .recognize.pattern import Refused

STAND_IN = 2  # not 1: a Reshape that fixes the batch at 1 is then detected as a wrong batch
OTHER = 3
_SCALED = ("Resize", "Upsample")
"""Operators whose float inputs say how much larger the result is."""
_SHAPES = 4096  # most elements of a constant that may be a shape


@dataclass(frozen=True)
class Batch:
    """The batch axis.

    Attributes:
        size: the static batch, or the number that replaces a dynamic one.
        symbol: the name of a dynamic batch, None if it is static.
    """

    size: int
    symbol: str | None

    @property
    def sizes(self) -> tuple[int, int] | None:
        """Two sizes that may replace a dynamic batch; None for a static batch."""
        return (STAND_IN, OTHER) if self.symbol is not None else None


_HELD = "n2uqc.held"
"""Domain of operators of which no shapes are inferred yet."""
_MOST_ROUNDS = 64  # Slices of Slices of …


def bind_batch(model: ir.Model) -> Batch:
    """Replace the batch by a number and infer all shapes again, ignoring those in the file.

    Raises:
        CompileError: shapes or element types contradict each other, naming the nodes.
    """
    firsts = [value.shape[0] for value in model.graph.inputs if value.shape is not None]
    batch = _common(firsts)
    for value in model.graph.inputs:
        assert value.shape is not None
        value.shape = ir.Shape([batch.size, *list(value.shape)[1:]])
    for node in model.graph:
        for output in node.outputs:
            output.shape = None
    while True:
        infer_shapes(model)
        if not inline_branches(model, batch.sizes):
            _infer_rest(model, batch)
            if not inline_branches(model, batch.sizes):  # the new shapes may decide conditions
                return batch


def infer_shapes(model: ir.Model) -> None:
    """Infer the shapes of values that have none.

    ONNX ends the process at a Slice of a tensor of negative size, as a window larger than its map
    makes one. So Slices wait until what they read has a shape, and that is checked first.

    Raises:
        CompileError: a negative size, naming the node.
    """
    held = [node for node in model.graph if node.domain == "" and node.op_type == "Slice"]
    for _ in range(_MOST_ROUNDS):
        if not held:
            break
        for node in held:
            node.domain = _HELD
        model.graph.opset_imports[_HELD] = 1
        try:
            _infer(model)
        finally:
            del model.graph.opset_imports[_HELD]
            for node in held:
                node.domain = ""
        _require_no_negative(model)
        waiting = [n for n in held if (x := n.inputs[0]) is not None and x.shape is None]
        if len(waiting) == len(held):
            break  # of unknown shapes nothing is computed
        held = waiting
    _infer(model)


def _infer(model: ir.Model) -> None:
    # With check_type=True inference stops at a wrong type; `canonical` checks types instead.
    # data_prop=True would compute every constant, even a Range of 2^40 numbers.
    ShapeInferencePass(check_type=False, strict_mode=False, data_prop=False)(model)


def _require_no_negative(model: ir.Model) -> None:
    problems = [
        Problem(
            str(node.name),
            node.op_type,
            f"an empty tensor: '{value.name}' has the shape {list(value.shape)}",
            "sizes of 1 or more",
        )
        for node in model.graph
        for value in node.outputs
        if value.shape is not None
        and any(isinstance(size, int) and size < 0 for size in value.shape)
    ]
    if problems:
        raise CompileError(problems[:1])  # the others follow from it


def _common(firsts: list[int | ir.SymbolicDim]) -> Batch:
    """Return the batch that all inputs have."""
    fixed = {first for first in firsts if isinstance(first, int)}
    open_ = [first.value or "N" for first in firsts if not isinstance(first, int)]
    if len(fixed) + bool(open_) > 1:
        found = f"the first axes of the inputs are {', '.join(map(str, [*sorted(fixed), *open_]))}"
        hint = "export with the batch dynamic in all inputs, or in none"
        raise CompileError(Problem("", "input", found, "one batch for all inputs", hint))
    return Batch(STAND_IN, open_[0]) if open_ else Batch(fixed.pop(), None)


def _infer_rest(model: ir.Model, batch: Batch) -> None:
    """Infer shapes node by node where they depend on computed constants, as for Expand."""
    constants = GraphConstants(model, batch.sizes)
    problems: list[Problem] = []
    trial = f" with a batch of {batch.size}" if batch.symbol is not None else ""
    for node in model.graph:
        if node.domain in qonnx.DOMAINS and node.op_type in qonnx.OPS and node.inputs[0]:
            node.outputs[0].shape, node.outputs[0].type = node.inputs[0].shape, node.inputs[0].type
            continue
        if node.domain == channels_last.DOMAIN and node.op_type in channels_last.OPS:
            try:
                node.outputs[0].shape = ir.Shape(channels_last.lowered_shape(node))
            except Refused as refusal:
                found, needed = refusal.found, refusal.supported
                problems.append(Problem(str(node.name), node.op_type, found, needed))
            else:
                node.outputs[0].dtype = ir.DataType.FLOAT
            continue
        known = all(out.shape is not None and out.shape.is_static() for out in node.outputs)
        if (
            node.op_type == "If"
            or node.domain != ""
            or known
            or any(x and x.type is None for x in node.inputs)
        ):
            continue
        try:
            _infer_node(node, model, constants)
        except CompileError as error:
            problems += error.problems
        except Exception as error:  # InferenceError, ValidationError, SchemaError, ValueError
            found = str(error).strip().splitlines()[0][:300]
            problems.append(
                Problem(str(node.name), node.op_type, f"does not fit its inputs{trial}: {found}")
            )
    if problems:
        raise CompileError(problems)


def _states_shape(node: ir.Node, index: int) -> bool:
    """Return whether an input may say what shape the result has: axes, sizes, scales of Resize."""
    value = node.inputs[index]
    if value is None:
        return False
    scales = index > 0 and node.op_type in _SCALED and value.dtype == ir.DataType.FLOAT
    return scales or value.dtype in (ir.DataType.INT64, ir.DataType.INT32)


def _infer_node(node: ir.Node, model: ir.Model, constants: GraphConstants) -> None:
    types, data = {}, {}
    for index, value in enumerate(node.inputs):
        if value is None:
            continue
        types[str(value.name)] = ir.to_proto(value).type
        if _states_shape(node, index) and constants.known(value):
            array = constants.array(value)
            if array is not None and array.size <= _SHAPES:
                data[str(value.name)] = onnx.numpy_helper.from_array(array, str(value.name))
    version = model.graph.opset_imports[""]
    inferred = onnx.shape_inference.infer_node_outputs(
        onnx.defs.get_schema(node.op_type, version, ""),
        ir.to_proto(node),
        types,
        data,
        opset_imports=[onnx.helper.make_opsetid("", version)],
    )
    for output in node.outputs:
        if (found := inferred.get(str(output.name))) is not None:
            output.type = ir.serde.deserialize_type_proto_for_type(found) or output.type
            output.shape = ir.serde.deserialize_type_proto_for_shape(found) or output.shape


def release_batch(model: ir.Model, batch: Batch) -> None:
    """Write the dynamic batch back into the shapes: canonical operators have it at axis 0."""
    graph = model.graph
    if batch.symbol is None:
        return
    weights = {v for n in graph if n.op_type == "Weight" for v in n.outputs}
    for value in (*graph.inputs, *(v for n in graph for v in n.outputs)):
        if value not in weights and value.shape is not None:
            value.shape = ir.Shape([batch.symbol, *list(value.shape)[1:]])
