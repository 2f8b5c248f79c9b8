"""Damaged models: they load, or end in one CompileError; nothing else ever comes out."""

from __future__ import annotations

import contextlib
from pathlib import Path

import onnx
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.load import load_graph
from n2uqc.models.export import export_onnx
from n2uqc.models.networks import ResidualNetwork
from n2uqc.models.randomise import randomise

OPS = (
    "Relu Add Conv Where Reshape Round Softmax Gemm Flatten Squeeze ReduceMean Expand Shape If "
    "Clip PRelu Greater Identity Cast MatMul MaxPool Transpose Pad Dropout Resize"
).split()
TYPES = [0, 1, 3, 6, 7, 8, 9, 10, 11, 16, 100]
QUIET = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    net = ResidualNetwork(2, (4,), (1,), in_channels=2)
    randomise(net, 0)
    path = Path(tmp_path_factory.mktemp("fuzz")) / "net.onnx"
    export_onnx(net, path, torch.zeros(1, 2, 6, 6))
    return path.read_bytes()


@QUIET
@given(data=st.data())
def test_damaged_bytes(content: bytes, data: st.DataObject) -> None:
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(CompileError):
        load_graph(bytes(damaged))


@QUIET
@given(data=st.data())
def test_damaged_graphs(content: bytes, data: st.DataObject) -> None:
    model = onnx.ModelProto.FromString(content)
    for _ in range(data.draw(st.integers(1, 3))):
        _damage(model.graph, data)
    with contextlib.suppress(CompileError):
        load_graph(model)


def _damage(graph: onnx.GraphProto, data: st.DataObject) -> None:
    """Changes one thing that an editor or a broken tool might."""
    node = data.draw(st.sampled_from(list(graph.node)))
    tensor = data.draw(st.sampled_from(list(graph.initializer)))
    names = [name for n in graph.node for name in n.output] + ["", "ghost", "input"]
    match data.draw(st.integers(0, 8)):
        case 0 if node.input:
            index = data.draw(st.integers(0, len(node.input) - 1))
            node.input[index] = data.draw(st.sampled_from(names))
        case 1:
            node.op_type = data.draw(st.sampled_from(OPS))
        case 2:
            graph.node.remove(node)
        case 3 if node.input:
            del node.input[data.draw(st.integers(0, len(node.input) - 1))]
        case 4 if node.attribute:
            node.attribute.remove(data.draw(st.sampled_from(list(node.attribute))))
        case 5 if node.attribute:
            attribute = data.draw(st.sampled_from(list(node.attribute)))
            attribute.i = data.draw(st.sampled_from([-1, 0, 1, 7, 2**40]))
            if attribute.ints:
                attribute.ints[0] = data.draw(st.sampled_from([-1, 0, 2, 2**33]))
        case 6 if tensor.dims:
            tensor.dims[0] = data.draw(st.sampled_from([0, 1, 2, -1, 2**40]))
        case 7:
            tensor.data_type = data.draw(st.sampled_from(TYPES))
        case _:
            node.input.append(data.draw(st.sampled_from(names)))
