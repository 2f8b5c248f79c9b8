"""Sizes given for axes of the input that the file leaves open."""

from __future__ import annotations

import onnx
import pytest

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.load import load_graph
from n2uqc.frontend.reference import evaluate
from tests.frontend.networks import build, images, ladder, ops, refused, run_onnx, rungs

BODY = ladder(3, top="q") + "c = Conv (q, W) p = GlobalAveragePool (c) y = Flatten (p)"
T = [-0.5, 0.1, 0.9]


def model(x: str) -> onnx.ModelProto:
    weights = images(build("y = Relu (x)", x="float[4,2,3,3] x"))
    return build(BODY, rungs(T, [0, 1, 2, 3]) | {"W": weights}, x=x)


@pytest.mark.parametrize("x", ["float[N,2,H,W] x", "float[N,C,H,W] x", "float[1,2,H,7] x"])
@pytest.mark.parametrize("batch", [(), (1,)])
def test_open_axes_get_the_sizes(x: str, batch: tuple[int, ...]) -> None:
    graph = load_graph(model(x), input_shape=(*batch, 2, 9, 7))
    assert ops(graph) == ["Threshold", "Conv", "GlobalAveragePool", "Flatten"]
    fixed = model("float[1,2,9,7] x")
    sample = images(fixed)
    want, same = run_onnx(fixed, sample), load_graph(fixed)
    assert evaluate(graph, sample).tolist() == evaluate(same, sample).tolist()
    assert evaluate(graph, sample) == pytest.approx(want, rel=1e-5, abs=1e-6)


def test_a_batch_left_open_stays_so() -> None:
    graph = load_graph(model("float[N,2,H,W] x"), input_shape=(2, 9, 7))
    assert str(graph.graph.inputs[0].shape) == "[N,2,9,7]"


def test_an_input_of_no_shape_at_all() -> None:
    proto = model("float[1,2,9,7] x")
    proto.graph.input[0].type.tensor_type.ClearField("shape")
    assert str(load_graph(proto, input_shape=(1, 2, 9, 7)).graph.inputs[0].shape) == "[1,2,9,7]"


def test_parameters_among_the_inputs() -> None:
    proto = model("float[N,2,H,W] x")
    tensor = proto.graph.initializer[-1]
    proto.graph.input.append(
        onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
    )
    assert "Conv" in ops(load_graph(proto, input_shape=(2, 9, 7)))


def test_without_sizes_the_error_names_the_option() -> None:
    refused(model("float[N,2,H,W] x"), "[N,2,H,W]", "--input-shape")


@pytest.mark.parametrize("shape", [(3, 9, 7), (2, 9), (1, 1, 2, 9, 7), (2, 0, 7), ()])
def test_refused_sizes(shape: tuple[int, ...]) -> None:
    with pytest.raises(CompileError, match="shape given"):
        load_graph(model("float[1,2,H,W] x"), input_shape=shape)


def test_refused_against_the_file() -> None:
    with pytest.raises(CompileError, match=r"\[1,2,8,8\]"):
        load_graph(model("float[1,2,8,8] x"), input_shape=(2, 9, 7))


def several(sizes: str = "H,W") -> onnx.ModelProto:
    body = "a = Relu (x) b = Relu (z) y = Concat <axis = 1> (a, b)"
    return build(body, x=f"float[N,2,{sizes}] x, float[N,3,{sizes}] z")


def test_sizes_of_several_inputs_by_name() -> None:
    graph = load_graph(several(), input_shape={"z": (3, 5, 6), "x": (2, 5, 6)})
    shapes = [str(value.shape).split(",", 1)[1] for value in graph.graph.inputs]
    assert shapes == ["2,5,6]", "3,5,6]"]
    alone = load_graph(model("float[N,2,H,W] x"), input_shape={"x": (2, 9, 7)})
    assert str(alone.graph.inputs[0].shape).endswith("2,9,7]")


def test_sizes_without_the_names() -> None:
    with pytest.raises(CompileError, match="(?s)network of 2 inputs.*x, z.*--input-shape x=2,5,6"):
        load_graph(several(), input_shape=(2, 5, 6))
    with pytest.raises(CompileError, match="(?s)'w'.*no input of this name.*x, z"):
        load_graph(several(), input_shape={"w": (2, 5, 6)})
    with pytest.raises(CompileError, match="(?s)'z'.*the shape given is 3,5"):
        load_graph(several(), input_shape={"z": (3, 5)})
    with pytest.raises(CompileError, match="x"):  # that of the other input stays open
        load_graph(several(), input_shape={"z": (3, 5, 6)})
