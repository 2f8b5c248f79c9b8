"""Heads: every way to flatten and to multiply by the classifier's matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from n2uqc.frontend.opset import constant, read_weight
from n2uqc.passes.pipeline import compile_graph
from tests.frontend.networks import (
    build,
    check_same,
    images,
    ladder,
    node,
    ops,
    quantizer_parameters,
    refused,
    run_onnx,
    rungs,
    weight_quantizer,
)

COMPUTED = """s = Shape (x) n = Gather (s, zero) u = Unsqueeze (n, zeros)
    t = Concat <axis = 0> (u, minus) y = Reshape (x, t)"""
INDICES = {"zero": np.int64(0), "zeros": np.int64([0]), "minus": np.int64([-1])}


@pytest.mark.parametrize("x", ["float[N,2,4,4] x", "float[3,2,4,4] x", "float[1,2,4,4] x"])
@pytest.mark.parametrize(
    ("body", "parameters"),
    [
        ("y = Flatten (x)", {}),
        ("y = Flatten <axis = -3> (x)", {}),
        ("y = Reshape (x, t)", {"t": np.int64([-1, 32])}),
        ("y = Reshape (x, t)", {"t": np.int64([0, -1])}),
        (COMPUTED, INDICES),
    ],
)
def test_flatten(x: str, body: str, parameters: Any) -> None:
    graph = check_same(build(body, parameters, x=x))
    assert ops(graph) == ["Flatten"]
    assert node(graph, "Flatten").attributes.get_int("axis") == 1


def test_reshape_to_a_static_batch() -> None:
    model = build("y = Reshape (x, t)", {"t": np.int64([3, -1])}, x="float[3,2,4,4] x")
    assert ops(check_same(model)) == ["Flatten"]


def test_squeeze_after_pooling() -> None:
    body = "p = GlobalAveragePool (x) y = Squeeze (p, axes)"
    graph = check_same(build(body, {"axes": np.int64([2, 3])}))
    assert ops(graph) == ["GlobalAveragePool", "Flatten"]


def test_reshape_to_the_same_shape_vanishes() -> None:
    body = "a = Relu (x) b = Reshape (a, t) y = Relu (b)"
    assert ops(check_same(build(body, {"t": np.int64([-1, 2, 4, 4])}))) == ["Relu", "Relu"]


@pytest.mark.parametrize("target", [[1, -1], [2, -1], [-1, 8], [-1, 64], [3, -1]])
def test_reshape_that_mixes_images_with_the_batch(target: list[int]) -> None:
    """MobileNetV2's view(-1, 1280) at another image size; a batch fixed by tracing."""
    body = "[view] y = Reshape (x, t)"
    (problem,) = refused(build(body, {"t": np.int64(target)}), "batch")
    assert problem.node == "view"


def test_reshape_to_other_images() -> None:
    body = "r = Relu (x) [view] v = Reshape (r, t) y = Relu (v)"
    assert ops(check_same(build(body, {"t": np.int64([0, 2, 2, 8])}))) == [
        "Relu",
        "Relu",
        "Rearrange",
    ]


def test_reshape_to_another_size() -> None:
    model = build("[view] y = Reshape (x, t)", {"t": np.int64([3, 31])}, x="float[3,2,4,4] x")
    refused(model, "'view'")


FLAT = "f = Flatten (x) "
V = np.random.default_rng(0).standard_normal((5, 32)).astype(np.float32)
C = np.random.default_rng(1).standard_normal(5).astype(np.float32)


@pytest.mark.parametrize(
    "body",
    [
        "y = Gemm <transB = 1> (f, V, C)",
        "y = Gemm (f, VT, C)",
        "y = Gemm (f, VT, C1)",
        "y = Gemm (f, VT)",
        "y = Gemm (f, VT, c0)",
        "m = MatMul (f, VT) y = Add (m, C)",
        "m = MatMul (f, VT) y = Add (C1, m)",
        "m = MatMul (f, VT) y = Add (m, c0)",
        "y = MatMul (f, VT)",
        "t = Transpose <perm = [1, 0]> (V) y = MatMul (f, t)",
    ],
)
def test_matrix_products(body: str) -> None:
    parameters = {"V": V, "VT": V.T, "C": C, "C1": C[None], "c0": np.float32(0.5)}
    graph = check_same(build(FLAT + body, parameters))
    assert ops(graph) == ["Flatten", "Gemm"]
    gemm = node(graph, "Gemm")
    np.testing.assert_array_equal(constant(gemm.inputs[1]), V)
    assert gemm.attributes.get_int("transB") == 1
    assert len(gemm.inputs) == 2 or (bias := constant(gemm.inputs[2])) is not None
    assert len(gemm.inputs) == 2 or bias.shape == (5,)


def test_names_follow_the_last_node() -> None:
    graph = check_same(
        build(FLAT + "[mm] m = MatMul (f, VT) [add] y = Add (m, C)", {"VT": V.T, "C": C})
    )
    gemm = node(graph, "Gemm")
    assert (gemm.name, gemm.outputs[0].name) == ("add", "y")


def test_a_product_read_twice_keeps_its_bias_apart() -> None:
    body = FLAT + "m = MatMul (f, VT) a = Add (m, C) y = Add (a, m)"
    assert ops(check_same(build(body, {"VT": V.T, "C": C}))) == ["Flatten", "Gemm", "Add", "Add"]


def test_two_layers() -> None:
    body = FLAT + "h = Gemm <transB = 1> (f, V, C) r = Relu (h) y = Gemm (r, U)"
    parameters = {"V": V, "C": C, "U": np.ones((5, 3), np.float32)}
    assert ops(check_same(build(body, parameters))) == ["Flatten", "Gemm", "Relu", "Gemm"]


@pytest.mark.parametrize("factors", [(0.5, 3.0), (-0.3, 0.0), (1.0, -0.7)])
@pytest.mark.parametrize("quantized", [False, True])
def test_alpha_and_beta(factors: tuple[float, float], quantized: bool) -> None:
    alpha, beta = (f"{f:.1f}" for f in factors)
    body = f"g = Flatten ({'q' if quantized else 'x'}) "
    body += f"y = Gemm <transB = 1, alpha = {alpha}, beta = {beta}> (g, V, C)"
    parameters = {"V": np.sign(V) * 0.25, "C": C, **rungs([-0.5, 0.1, 0.9], [0, 1, 2, 3])}
    model = build((ladder(3, top="q") + "\n" if quantized else "") + body, parameters)
    graph = check_same(model)
    assert ops(graph).count("Weight") == quantized
    x = images(model)
    np.testing.assert_allclose(compile_graph(graph)(x), run_onnx(model, x), atol=1e-3)


def test_a_transposed_batch_is_turned_back() -> None:
    body = FLAT + "t = Transpose (f) y = Gemm <transA = 1, transB = 1> (t, V, C)"
    assert ops(check_same(build(body, {"V": V, "C": C}))) == ["Flatten", "Gemm"]


@pytest.mark.parametrize("turned", [False, True])
def test_quantized_matrices_of_either_orientation(turned: bool) -> None:
    """[O,I] behind a Transpose, or [I,O] with its scales along the outputs."""
    weights = np.random.default_rng(1).standard_normal((5, 32, 1, 1)).astype(np.float32)
    parameters = quantizer_parameters(weights, 2)
    for name in ("W", "s"):
        plain = parameters[name].reshape(5, -1)
        parameters[name] = plain.T if turned else plain
    product = "y = MatMul (f, q)" if turned else "qt = Transpose (q) y = MatMul (f, qt)"
    body = f"{ladder(3, top='aq')} f = Flatten (aq) {weight_quantizer(2)} {product}"
    model = build(body, parameters | rungs([-0.5, 0.1, 0.9], [0, 1, 2, 3]))
    graph = check_same(model)
    held = read_weight(node(graph, "Weight"))
    assert (held.codes.shape, held.bits) == ((5, 32), 2)
    assert ops(graph)[-1] == "Gemm"
    x = images(model)
    np.testing.assert_allclose(compile_graph(graph)(x), run_onnx(model, x), atol=1e-3)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (FLAT + "[g] y = Gemm <transB = 1, alpha = 0.0> (f, V)", "alpha 0"),
        (FLAT + "[g] y = Gemm <transA = 1> (f, W)", "transA"),
        (FLAT + "[g] y = Gemm <transB = 1> (f, f)", "computed weights"),
        (FLAT + "[g] y = Gemm <transB = 1> (f, V, N)", "differs by image"),
        ("[g] y = MatMul (W4, x)", "after Flatten"),
    ],
)
def test_refusals(body: str, words: str) -> None:
    parameters = {"V": V, "C": C, "W": np.ones((2, 3)), "W4": np.ones((4, 4)), "N": np.ones((2, 1))}
    problems = refused(build(body, parameters, x="float[2,2,4,4] x"), words)
    assert "g" in {problem.node for problem in problems}
