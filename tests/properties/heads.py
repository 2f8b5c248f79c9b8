"""Random programs that end in ArgMax, ArgMin or TopK of few different values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from n2uqc.frontend.host_model import HostModel
from n2uqc.passes.exact.integer_heads import integer_heads
from n2uqc.passes.exact.narrow_types import narrow_types
from n2uqc.passes.plan_memory import plan_memory
from n2uqc.passes.program import Clamp, IntType, Program, verify
from n2uqc.passes.rewrite import live

from .programs import programs


def host_of(node: onnx.NodeProto, source: str, k: int = 1) -> HostModel:
    """Return a host's part of one node that reads an output of a program, and a k."""
    values = [
        [helper.make_tensor_value_info(n, dtype, None) for n in names]
        for names, dtype in (([source], onnx.TensorProto.DOUBLE), (node.output, 0))
    ]
    count = numpy_helper.from_array(np.array([k], np.int64), "k")
    graph = helper.make_graph([node], "host", *values, [count])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    return HostModel(model.SerializeToString(), tuple(node.output))


def with_head(program: Program, node: onnx.NodeProto, k: int = 1) -> Program:
    """Return a program with a head on the host behind its only output."""
    return replace(program, host=host_of(node, program.interface.output.name, k))


def lowered(program: Program) -> Program:
    """Return a program that computes its heads."""
    found = plan_memory(narrow_types(integer_heads(program)))
    verify(found)
    return found


@st.composite
def headed(draw: st.DrawFn) -> tuple[Program, np.ndarray]:
    """A random program with a head on the host, of all values or of few with ties, of either
    sign of the step; and a batch.
    """
    program, x = draw(programs())
    tensor, most = program.output, draw(st.sampled_from([0, 1, 5]))
    tensor_type = program.int_type(tensor)
    if most:
        lo, hi = (min(max(end, tensor_type.lo), tensor_type.hi) for end in (-1, most))
        few = IntType.ranged(tensor_type.shape, lo, hi, tensor_type.scale)
        op = Clamp(output="few", inputs=(tensor,), lo=lo, hi=hi)
        types = {**program.types, "few": few}
        program = replace(program, ops=(*program.ops, op), types=types, outputs=("few",), plan=None)
    last = program.int_type(program.output)
    if last.scale is not None and draw(st.booleans()):
        turned = {**program.types, program.output: replace(last, scale=-last.scale)}
        program = replace(program, types=turned)
    shape = program.interface.output.shape
    axis = draw(st.integers(1, 3))
    flip = st.integers(0, 1)
    if draw(st.booleans()):
        op_type = draw(st.sampled_from(["ArgMax", "ArgMin"]))
        node = helper.make_node(op_type, ["y"], ["i"], axis=axis)
        names, count = ("keepdims", "select_last_index"), 1
    else:
        node = helper.make_node("TopK", ["y", "k"], ["v", "i"], axis=axis - 4)
        names, count = ("largest",), draw(st.integers(1, min(shape[axis - 1], 3)))
    node.attribute.extend(helper.make_attribute(name, draw(flip)) for name in names)
    return with_head(program, node, count), x


@st.composite
def programs_with_heads(draw: st.DrawFn) -> tuple[Program, np.ndarray]:
    """A random program that computes its head and has one output; and a batch."""
    program, x = draw(headed())
    found = lowered(program)
    if len(found.outputs) == 1:
        return found, x
    face = replace(found.interface, outputs=found.interface.outputs[1:])
    return plan_memory(live(replace(found, outputs=found.outputs[1:], interface=face))), x
