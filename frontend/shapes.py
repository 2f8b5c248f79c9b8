"""Static shapes for every value: a number stands in for a dynamic batch while patterns match."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import ShapeInferencePass

from .branches import inline_branches
from .constants import Constants
from .diagnostics import CompileError, Problem
from .recognize import channels_last, qonnx
from .recognize.pattern import Refused

STAND_IN = 2  # a target shape that fixes the batch at 1 then shows as a wrong batch
OTHER = 3
_SHAPES = 4096  # elements of a tensor that may be somebody's shape


@dataclass(frozen=True)
class Batch:
    """How the batch axis is written.

    Attributes:
        size: the static batch, or the stand-in.
        symbol: the name of a dynamic batch, None if it is static.
    """

    size: int
    symbol: str | None

    @property
    def sizes(self) -> tuple[int, int] | None:
        """Stand-in and another size, None for a static batch."""
        return (STAND_IN, OTHER) if self.symbol is not None else None


def bind_batch(model: ir.Model) -> Batch:
    """Makes the batch a number and infers all shapes anew; what the file claims is dropped.

    Raises:
        CompileError: shapes or element types contradict each other, naming the nodes.
    """
    (image,) = model.graph.inputs
    assert image.shape is not None
    first = image.shape[0]
    batch = Batch(first, None) if isinstance(first, int) else Batch(STAND_IN, first.value or "N")
    image.shape = ir.Shape([batch.size, *list(image.shape)[1:]])
    for node in model.graph:
        for output in node.outputs:
            output.shape = None
    # With check_type=True a wrong type makes it log and give up; `canonical` checks types instead.
    # data_prop=True would build every constant in memory, a Range of 2^40 numbers too.
    while True:
        ShapeInferencePass(check_type=False, strict_mode=False, data_prop=False)(model)
        if not inline_branches(model, batch.sizes):
            _infer_rest(model, batch)
            if not inline_branches(model, batch.sizes):  # by shapes only now known
                return batch


def _infer_rest(model: ir.Model, batch: Batch) -> None:
    """Node by node where inference needs computed constants, as for Expand to a computed shape."""
    constants = Constants(model, batch.sizes)
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


def _infer_node(node: ir.Node, model: ir.Model, constants: Constants) -> None:
    types, data = {}, {}
    for value in node.inputs:
        if value is None:
            continue
        types[str(value.name)] = ir.to_proto(value).type
        if value.dtype == ir.DataType.INT64 and constants.known(value):
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
    """Writes the dynamic batch back into the shapes; canonical operators keep it at axis 0."""
    graph = model.graph
    if batch.symbol is None:
        return
    weights = {v for n in graph if n.op_type == "Weight" for v in n.outputs}
    for value in (*graph.inputs, *(v for n in graph for v in n.outputs)):
        if value not in weights and value.shape is not None:
            value.shape = ir.Shape([batch.symbol, *list(value.shape)[1:]])
