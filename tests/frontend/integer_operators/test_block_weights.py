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
    np.testing.assert_allclose(run_real(compile_graph(load_graph(model)), x), want, atol=1e-3)


def blocked(layer: str, axis: int, block: int, zeros: bool, kind: str) -> onnx.ModelProto:
    """A quantizer and a layer of 6 outputs whose weights DequantizeLinear gives in blocks.

    Args:
        layer: how the layer reads them.
        axis: of the blocks.
        block: codes in each.
        zeros: whether blocks have zero points.
        kind: type of the codes.
    """
    rng = np.random.default_rng(axis + 2 * zeros)
    shape = {"Conv": (6, 20, 3, 3), "Gemm": (6, 20)}.get(layer, (20, 6))
    scales = [*shape]
    scales[axis] = -(-shape[axis] // block)
    scale = rng.uniform(0.01, 0.05, scales)
    if layer == "Conv":
        scale[:] = scale[:, :, :1, :1]
    low = -8 if kind == "INT4" else 0
    codes: dict[str, Any] = {
        "z": (128, "UINT8"), "w": (rng.integers(low, low + 16, shape), kind),
    }  # fmt: skip
    if zeros:
        codes["zw"] = rng.integers(low, low + 16, scales), kind
        if layer == "Conv":
            codes["zw"][0][:] = codes["zw"][0][:, :, :1, :1]
    text = {
        "Conv": "y = Conv <pads = [1, 1, 1, 1], strides = [2, 1]> (d, v, b)",
        "Gemm": "y = Gemm <transB = 1> (d, v, b)",
        "MatMul": "y = MatMul (d, v)",
        "turned": "t = Transpose <perm = [1, 0]> (v) y = Gemm <transB = 1> (d, t)",
        "read twice": "k = MatMul (d, v) e = ReduceSum <keepdims = 0> (v, first) y = Add (k, e)",
    }[layer]
    body = f"""q = QuantizeLinear (x, s, z) d = DequantizeLinear (q, s, z)
        [weights] v = DequantizeLinear <axis = {axis}, block_size = {block}>
            (w, sw{", zw" if zeros else ""})
        {text}"""
    values = {
        "s": np.float32(0.25), "sw": scale, "b": rng.normal(size=6), "first": np.array([0]),
    }  # fmt: skip
    x = "float[2,20,5,4] x" if layer == "Conv" else "float[4,20] x"
    return model_of(body, values, codes, x, 21)


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize(
    ("layer", "axis", "block", "layers"),
    [
        ("MatMul", 0, 8, 3), ("MatMul", 0, 20, 1), ("Gemm", 1, 4, 5), ("Conv", 1, 12, 2),
        ("turned", 0, 16, 2), ("read twice", 0, 16, 2),
    ],
)  # fmt: skip
def test_blocked_dequantization(
    layer: str, axis: int, block: int, layers: int, zeros: bool
) -> None:
    """Opset 21 states scales by blocks of an axis; ONNX Runtime computes them."""
    for kind in ("INT4", "UINT8"):
        model = blocked(layer, axis, block, zeros, kind)
        x, want = both(model)
        graph = load_graph(model)
        np.testing.assert_allclose(evaluate(graph, x), want, atol=1e-4)
        np.testing.assert_allclose(run_real(compile_graph(graph), x), want, atol=1e-3)
        assert sum(n.op_type == "Weight" for n in graph.graph) == layers


@pytest.mark.parametrize("axis", [0, 1])
def test_blocks_of_outputs(axis: int) -> None:
    """Blocks of 3 outputs have a scale for each input: more layers than inputs' blocks. They are
    real weights where too many, else layers.
    """
    model = blocked("Gemm", axis, 3, False, "INT4")
    x, want = both(model)
    np.testing.assert_allclose(evaluate(load_graph(model), x), want, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"block_size": 6}, ["'weights'", "blocks of 6 with scales of shape"]),
        ({"block_size": -8}, ["'weights'", "blocks of -8"]),
        ({"axis": 5}, ["'weights'", "axis 5"]),
    ],
)
def test_blocks_that_do_not_fit(change: dict[str, int], words: list[str]) -> None:
    model = blocked("MatMul", 0, 8, False, "INT4")
    for attribute in model.graph.node[2].attribute:
        attribute.i = change.get(attribute.name, attribute.i)
    refused(model, *words)


@pytest.mark.parametrize("size", [33, 1 << 40])
def test_blocks_larger_than_the_weights(size: int) -> None:
    """They are one block, of the inputs there are: nothing of the stated size is made."""
    for model in (packed(32, 32, zeros=False), blocked("MatMul", 0, 20, False, "INT4")):
        x, want = both(model)
        for node_ in model.graph.node:
            for attribute in node_.attribute:
                if attribute.name == "block_size":
                    attribute.i = size
        np.testing.assert_allclose(evaluate(load_graph(model), x), want, atol=1e-4)


def test_blocked_activations_are_refused() -> None:
    body = """q = QuantizeLinear <axis = 1, block_size = 8> (x, s)
        y = DequantizeLinear <axis = 1, block_size = 8> (q, s)"""
    model = model_of(body, {"s": np.full((2, 2), 0.1)}, {}, "float[2,16] x", 21)
    refused(model, "blocked quantization of an activation")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bits": 3}, ["weights of 3 bits"]),
        ({"K": 0}, ["K, N or block_size"]),
        ({"K": 33}, ["packed numbers"]),
        ({"block_size": 16, "K": 2048}, ["128 blocks of inputs"]),
    ],
)
def test_refused(change: dict[str, int], words: list[str]) -> None:
    block = change.get("block_size", 32)
    model = packed(2048, 16) if block == 16 else packed(32, 32)
    for attribute in model.graph.node[2].attribute:
        attribute.i = change.get(attribute.name, attribute.i)
    refused(model, "MatMulNBits 'layer'", *words)


def test_weights_beyond_float32_are_refused() -> None:
    """Blocks whose scales differ from place to place are dequantized as numbers."""
    scales = np.full((6, 2, 3, 3), 0.01, np.float32)
    scales[0, 0, 1, 1] = 3e38
    values = {"w": np.full((6, 24, 3, 3), 100, np.int8), "sw": scales}
    body = "v = DequantizeLinear <axis = 1, block_size = 12> (w, sw) y = Conv (x, v)"
    refused(model_of(body, values, {}, "float[2,24,5,4] x", 21), "finite")
