"""MatMulNBits as ONNX Runtime's quantizer packs it, against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from n2uqc.frontend.check import to_graph
from n2uqc.frontend.integer_operators import to_float_operators
from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import read_weight
from n2uqc.frontend.reference import evaluate
from n2uqc.passes import compile_graph
from n2uqc.passes.program.interpreter import run_real
from tests.frontend.integer_operators.networks import model_of
from tests.frontend.networks import Array, images, node, refused, run_onnx


def packed(
    inputs: int, block: int, bits: int = 4, zeros: bool = True, equal: bool = False
) -> onnx.ModelProto:
    """A quantizer and a MatMulNBits of 6 outputs; `equal` gives all blocks one scale."""
    rng, count = np.random.default_rng(inputs), -(-inputs // block)
    scale = rng.uniform(0.01, 0.05, (6, 1 if equal else count)).astype(np.float32)
    packs = rng.integers(0, 256, (6, count, block * bits // 8), dtype=np.uint8)
    points = rng.integers(0, 256, (6, -(-count * bits // 8)), dtype=np.uint8)
    if equal:
        points[:] = rng.integers(0, 2**bits, (6, 1)) * (17 if bits == 4 else 1)
    values: dict[str, Any] = {
        "s": np.float32(0.25), "w": packs, "sw": np.broadcast_to(scale, (6, count)).copy(),
        "b": rng.normal(size=6).astype(np.float32), "zw": points,
    }  # fmt: skip
    point = "zw" if zeros else ""
    body = f"""q = QuantizeLinear (x, s, z) d = DequantizeLinear (q, s, z)
        [layer] y = M.MatMulNBits <K = {inputs}, N = 6, bits = {bits}, block_size = {block}>
            (d, w, sw, {point}, , b)"""
    return model_of(body, values, {"z": (128, "UINT8")}, f"float[4,{inputs}] x", 21)


def both(model: onnx.ModelProto) -> tuple[Array, Array]:
    x = images(model)
    return x, run_onnx(model, x)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("zeros", [True, False])
def test_one_block(bits: int, zeros: bool) -> None:
    model = packed(32, 32, bits, zeros)
    x, want = both(model)
    graph = load_graph(model)
    np.testing.assert_allclose(evaluate(graph, x), want, atol=1e-4)
    np.testing.assert_allclose(run_real(compile_graph(graph), x), want, atol=1e-3)
    weight = read_weight(node(graph, "Weight"))
    assert weight.codes.shape == (6, 32)
    assert weight.bits == (bits if not zeros else bits + 1)


def test_blocks_of_one_scale_are_one() -> None:
    """The last of them holds fewer inputs."""
    model = packed(40, 32, equal=True)
    x, want = both(model)
    graph = load_graph(model)
    np.testing.assert_allclose(evaluate(graph, x), want, atol=1e-4)
    assert read_weight(node(graph, "Weight")).codes.shape == (6, 40)


@pytest.mark.parametrize("inputs", [64, 72])
def test_blocks(inputs: int) -> None:
    """One product for each block, whose sums are added."""
    model = packed(inputs, 32)
    x, want = both(model)
    graph = to_graph(model)
    to_float_operators(graph)
    order = [n.op_type for n in graph.graph]
    assert order.count("MatMul") == order.count("Slice") == -(-inputs // 32)
    np.testing.assert_allclose(run_onnx(ir.to_proto(graph), x), want, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bits": 3}, ["weights of 3 bits"]),
        ({"K": 0}, ["K, N or block_size"]),
        ({"K": 33}, ["packed numbers"]),
        ({"block_size": 16, "K": 2048}, ["128 blocks"]),
    ],
)
def test_refused(change: dict[str, int], words: list[str]) -> None:
    block = change.get("block_size", 32)
    model = packed(2048, 16) if block == 16 else packed(32, 32)
    for attribute in model.graph.node[2].attribute:
        attribute.i = change.get(attribute.name, attribute.i)
    refused(model, "MatMulNBits 'layer'", *words)
