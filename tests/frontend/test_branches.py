"""`If` with a constant condition: the branch taken, outer values and all; others are refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.frontend.networks import check_same, ops, refused

NODE = helper.make_node
RELU = NODE("Relu", ["x"], ["r"])
SUM = [NODE("Add", ["r", "x"], ["b"])]
OTHER = [NODE("Relu", ["x"], ["b"])]


def graph(
    name: str, nodes: Sequence[onnx.NodeProto], output: str, parameters: dict[str, Any]
) -> onnx.GraphProto:
    result = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
    held = [onnx.numpy_helper.from_array(np.asarray(v), k) for k, v in parameters.items()]
    return helper.make_graph(nodes, name, [], result, held)


def model(
    nodes: Sequence[onnx.NodeProto],
    parameters: dict[str, Any],
    taken: onnx.GraphProto,
    other: onnx.GraphProto,
    opset: int = 17,
) -> onnx.ModelProto:
    """The nodes, then y = Relu (if c: taken, else: other)."""
    branch = NODE("If", ["c"], ["o"], name="if", then_branch=taken, else_branch=other)
    body = graph("g", [*nodes, branch, NODE("Relu", ["o"], ["y"])], "y", parameters)
    body.input.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2, 4, 4]))
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.mark.parametrize(("taken", "wanted"), [(True, ["Relu", "Add", "Relu"]),
                                               (False, ["Relu", "Relu"])])  # fmt: skip
def test_a_branch_reads_outer_values(taken: bool, wanted: list[str]) -> None:
    found = model([RELU], {"c": taken}, graph("t", SUM, "b", {}), graph("e", OTHER, "b", {}))
    assert ops(check_same(found)) == wanted


def test_parameters_of_a_branch_and_names_that_both_use() -> None:
    taken = graph("t", [NODE("Mul", ["x", "k"], ["b"])], "b", {"k": np.float32(2)})
    found = model([RELU], {"c": True}, taken, graph("e", OTHER, "b", {}))
    assert ops(check_same(found)) == ["Mul", "Relu"]


def test_a_branch_in_a_branch() -> None:
    inner = NODE(
        "If", ["c"], ["q"], then_branch=graph("t2", SUM, "b", {}),
        else_branch=graph("e2", OTHER, "b", {}),
    )  # fmt: skip
    taken = graph("t", [inner], "q", {})
    found = model([RELU], {"c": True}, taken, graph("e", OTHER, "b", {}))
    assert ops(check_same(found)) == ["Relu", "Add", "Relu"]


@pytest.mark.parametrize("opset", [11, 17])
def test_a_condition_from_a_shape(opset: int) -> None:
    """What `squeeze` exports: whether an axis has size 1. Old opsets are brought up to date."""
    nodes = [
        NODE("GlobalAveragePool", ["x"], ["p"]), NODE("Shape", ["p"], ["s"]),
        NODE("Gather", ["s", "two"], ["g"]), NODE("Equal", ["g", "one"], ["c"]),
    ]  # fmt: skip
    squeeze = (
        NODE("Squeeze", ["p"], ["a"], axes=[2, 3]) if opset < 13
        else NODE("Squeeze", ["p", "axes"], ["a"])
    )  # fmt: skip
    parameters: dict[str, Any] = {"two": np.int64(2), "one": np.int64(1)}
    if opset >= 13:
        parameters["axes"] = np.int64([2, 3])
    same = graph("e", [NODE("Identity", ["p"], ["a"])], "a", {})
    found = model(nodes, parameters, graph("t", [squeeze], "a", {}), same, opset)
    assert ops(check_same(found)) == ["GlobalAveragePool", "Flatten", "Relu"]


def test_refused_where_the_input_or_the_batch_decides() -> None:
    branches = graph("t", SUM, "b", {}), graph("e", OTHER, "b", {})
    nodes = [RELU, NODE("Shape", ["x"], ["s"]), NODE("Gather", ["s", "zero"], ["g"]),
             NODE("Equal", ["g", "two"], ["c"])]  # fmt: skip
    found = model(nodes, {"zero": np.int64(0), "two": np.int64(2)}, *branches)
    assert [p.node for p in refused(found, "its condition is no constant")] == ["if"]
    nodes = [RELU, NODE("ReduceMax", ["x"], ["m"], keepdims=0), NODE("Greater", ["m", "k"], ["c"])]
    refused(model(nodes, {"k": np.float32(0)}, *branches), "its condition is no constant")


def test_a_branch_that_reads_what_nothing_computes() -> None:
    taken = graph("t", [NODE("Add", ["ghost", "x"], ["b"])], "b", {})
    refused(model([RELU], {"c": True}, taken, graph("e", OTHER, "b", {})), "'ghost'")
