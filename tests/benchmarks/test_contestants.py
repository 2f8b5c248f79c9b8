"""What benchmarks measure is what they say: legal programs, working peers, equal shapes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from benchmarks import int8
from benchmarks.host_resnet18 import Peer, in_turns, our_call
from benchmarks.networks import RESNET18_MACS, conv_macs, conv_program
from benchmarks.outcome import table
from benchmarks.without_avx512 import _XGETBV, copy_without_avx512
from n2uqc.passes.program import run


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_layers_use_all_their_codes(bits: int) -> None:
    program = conv_program(bits, 8, 16)
    kind = program.types["x"]
    x = np.random.default_rng(1).integers(0, kind.hi + 1, (8, *kind.shape))
    counts = np.bincount(run(program, x).ravel(), minlength=1 << bits)
    assert counts.min() > 0.2 * counts.mean()
    weight = program.constants["w"].values
    assert set(np.unique(weight)) == set(range(1 - (1 << bits), 1 << bits, 2))
    assert conv_macs(8, 16) == 8 * 8 * weight.size


def macs(model: onnx.ModelProto) -> int:
    """Products of a float model, from shapes alone."""
    inferred = onnx.shape_inference.infer_shapes(model)
    shapes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*inferred.graph.value_info, *inferred.graph.output)
    }
    weights = {w.name: w.dims for w in model.graph.initializer}
    return sum(
        int(np.prod(shapes[node.output[0]])) * int(np.prod(weights[node.input[1]][1:]))
        for node in model.graph.node
        if node.op_type in ("Conv", "Gemm")
    )


def test_the_peer_is_resnet18() -> None:
    assert macs(int8.float_resnet18()) == RESNET18_MACS


def test_integer_convolution_runs() -> None:
    import onnxruntime

    model = int8.integer_conv(6, 8)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    x = np.random.default_rng(0).integers(-128, 128, (1, 8, 6, 6)).astype(np.int8)
    (y,) = session.run(None, {"input": x})
    assert y.dtype == np.int8
    assert y.shape == (1, 8, 6, 6)
    assert len(np.unique(y)) > 20


@pytest.mark.parametrize(("activations", "dtype"), [("uint8", 2), ("int8", 3)])
def test_quantization_reaches_every_convolution(activations: str, dtype: int) -> None:
    model = int8.quantized(int8.float_resnet18(), activations)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("Conv") == 20
    scales = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert all(set(node.input[:2]) <= scales for node in convolutions)
    zeros = {w.name: w.data_type for w in model.graph.initializer}
    points = [n.input[2] for n in model.graph.node if n.op_type == "QuantizeLinear"]
    assert {zeros[p] for p in points} == {dtype}


@pytest.mark.skipif(sys.platform != "linux", reason="host artifacts are for Linux")
def test_contestants_take_turns(tmp_path: Path) -> None:
    ours, processor = our_call(conv_program(2, 8, 16), tmp_path, None)
    peer = Peer(int8.float_resnet18(), tmp_path / "peer.onnx")
    times = in_turns({"ours": ours, "peer": peer}, 3)
    peer.close()
    assert processor
    assert all(len(values) == 3 and min(values) > 0 for values in times.values())


def test_only_the_instruction_is_replaced() -> None:
    code = bytes.fromhex("31c9 0f01d083e0 0f01d00f01d0 89c048c1e220")
    assert [found.start() for found in _XGETBV.finditer(code)] == [2, 10]


@pytest.mark.skipif(
    sys.platform != "linux"
    or not Path("/proc/cpuinfo").exists()
    or " avx2 " not in Path("/proc/cpuinfo").read_text(),
    reason="x86-64 Linux with AVX2",
)
def test_the_changed_peer_runs(tmp_path: Path) -> None:
    """The peer runs in a process of its own."""
    packages = copy_without_avx512(tmp_path / "packages")
    peer = Peer(int8.quantized(int8.float_resnet18(), "uint8"), tmp_path / "peer.onnx", packages)
    assert peer() > 0
    peer.close()


def test_tables_are_aligned() -> None:
    rows = [{"a": "long name", "b": 12345, "c": 0.5}, {"a": "x", "b": 7, "c": 1234.6}]
    lines = table(rows, {"a": "what", "b": "count", "c": "rate"}).splitlines()
    assert lines[0] == "what        count   rate"
    assert lines[1] == "long name  12,345    0.5"
    assert lines[2] == "x               7  1,235"
    assert json.dumps(rows)
