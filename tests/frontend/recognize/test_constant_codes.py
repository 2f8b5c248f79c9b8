"""Quantized constants: codes for a layer's weights, float values for every other reader."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import Weight, read_weight
from n2uqc.frontend.recognize.queries import Array
from n2uqc.frontend.reference import evaluate
from n2uqc.frontend.summary import summarize
from n2uqc.passes import compile_graph
from n2uqc.passes.program.interpreter import run_real
from tests.frontend.networks import images, node, ops
from tests.frontend.qonnx_models import qonnx_model, quant, quant_parameters, run_qonnx

pytest.importorskip("qonnx")

FLAT = quant("q", "x", "a") + "f = Flatten (a)\n" + quant("w", "W", "v", narrow=1)


def weights(shape: tuple[int, ...], seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(0, 0.4, shape).astype(np.float32)


def flat_model(layer: str, shape: tuple[int, int], scale: Any = 0.07, **more: Any) -> Any:
    values = quant_parameters("q", 0.25, 0, 4) | quant_parameters("w", scale, 0, 4)
    return qonnx_model(FLAT + layer, values | {"W": weights(shape)} | more, out=(2, 5))


@pytest.mark.parametrize(
    ("layer", "shape", "scale"),
    [
        ("[fc] y = MatMul (f, v)", (32, 5), np.linspace(0.05, 0.1, 5).reshape(1, 5)),
        ("[fc] y = Gemm (f, v)", (32, 5), np.linspace(0.05, 0.1, 5).reshape(1, 5)),
        ("[fc] y = Gemm <transB = 1> (f, v)", (5, 32), np.linspace(0.05, 0.1, 5).reshape(5, 1)),
        ("t = Transpose <perm = [1, 0]> (v) [fc] y = MatMul (f, t)", (5, 32), 0.07),
        ("i = Identity (v) [fc] y = MatMul (f, i)", (32, 5), 0.07),
        ("m = MatMul (f, v) [fc] y = Add (m, B)", (32, 5), 0.07),
    ],
)
def test_matrices_are_codes(layer: str, shape: tuple[int, int], scale: Any) -> None:
    model = flat_model(layer, shape, scale, B=np.arange(5.0))
    graph, x = load_graph(model), images(model)
    want = run_qonnx(model, x)
    np.testing.assert_allclose(evaluate(graph, x), want, atol=1e-5)
    np.testing.assert_allclose(run_real(compile_graph(graph), x), want, atol=1e-4)
    params = read_weight(node(graph, "Weight"))
    assert params.codes.shape == (5, 32) and params.bits == 4 and not params.odd
    assert node(graph, "Gemm").inputs[1].producer() is node(graph, "Weight")
    assert summarize(graph).layers[0].op in ("Flatten", "Add")


def test_scale_along_the_inputs_stays_float_with_a_note() -> None:
    model = flat_model("[fc] y = MatMul (f, v)", (32, 5), np.linspace(0.05, 0.1, 32).reshape(32, 1))
    graph, x = load_graph(model), images(model)
    np.testing.assert_allclose(evaluate(graph, x), run_qonnx(model, x), atol=1e-5)
    assert "Weight" not in ops(graph)
    assert any("one positive value per output" in n.text for n in summarize(graph).notes)


def test_shared_weights_feed_both_layers() -> None:
    values = quant_parameters("q", 0.25, 0, 4) | quant_parameters("w", 0.07, 0, 4)
    body = quant("q", "x", "a") + quant("w", "W", "v") + "c = Conv (a, v) y = Conv (c, v)"
    model = qonnx_model(body, values | {"W": weights((2, 2, 1, 1))})
    graph, x = load_graph(model), images(model)
    assert ops(graph).count("Weight") == 2
    np.testing.assert_allclose(evaluate(graph, x), run_qonnx(model, x), atol=1e-5)


def test_odd_codes_take_the_narrower_form() -> None:
    values = quant_parameters("q", 0.25, 0, 4) | quant_parameters("w", 1.0, 0, 3)
    body = quant("q", "x", "a") + quant("w", "W", "v") + "y = Conv (a, v)"
    odd = np.random.default_rng(0).choice([-3.0, -1.0, 1.0, 3.0], (2, 2, 3, 3))
    graph = load_graph(qonnx_model(body, values | {"W": odd}, out=(2, 2, 2, 2)))
    params = read_weight(node(graph, "Weight"))
    assert isinstance(params, Weight) and (params.odd, params.bits) == (True, 2)
