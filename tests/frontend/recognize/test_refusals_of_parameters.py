"""Refusals of parameters that no quantizer, convolution or padding can have, each by its reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.frontend.networks import build, ladder, refused, rungs
from tests.frontend.qonnx_models import qonnx_model, quant, quant_parameters

TRUNC = "[q] y = q.Trunc (x, s, z, ib, os, ob)"
TRUNCATED = {"s": 0.25, "z": 0.0, "ib": 8.0, "os": 0.5, "ob": 4.0}
COMPUTED = "[m] m = GlobalAveragePool (x) "
TABLE = {"T": np.zeros((2, 3))}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"s": 0.0}, "a scale that is not positive"),
        ({"os": -0.5}, "a scale that is not positive"),
        ({"os": np.float32([[[0.5]], [[1.0]]])}, "different powers of two"),
        ({"ob": 9.0}, "truncation to 9 bits"),
        ({"ob": 40.0}, "output bit width of 40"),
        ({"ib": 2.5}, "input bit width [2.5]"),
        ({"s": np.ones((2, 4, 4)) * np.arange(1, 5)}, "a scale of shape (2, 4, 4)"),
    ],
)
def test_trunc(changes: dict[str, Any], words: str) -> None:
    parameters = {k: np.float32(v) for k, v in (TRUNCATED | changes).items()}
    (problem,) = refused(qonnx_model(TRUNC, parameters, version=2), words)
    assert (problem.node, problem.op) == ("q", "Trunc")


@pytest.mark.parametrize("zero", [np.inf, np.nan])
def test_a_quant_parameter_that_is_not_finite(zero: float) -> None:
    body = "i = Div (one, nought) " + quant("q", "x", "y").replace("q_z", "i")
    parameters = quant_parameters("q", 0.5, 0, 3) | {"one": np.float32(1), "nought": np.float32(0)}
    if np.isnan(zero):
        parameters["one"] = np.float32(0)
    refused(qonnx_model(body, parameters), "not finite", "finite numbers")


def test_thresholds_along_an_axis_that_is_neither_first_nor_last() -> None:
    body = '[q] y = q.MultiThreshold <data_layout = "NHCW"> (x, T)'
    refused(qonnx_model(body, {"T": np.zeros((4, 3))}), "channels on axis 2 of 4")


def test_an_output_offset_that_no_float64_holds() -> None:
    body = "[q] y = q.MultiThreshold <out_scale = -0.1, out_bias = 1e30> (x, T)"
    refused(qonnx_model(body, TABLE), "an output offset")


@pytest.mark.parametrize(
    ("body", "parameters", "words"),
    [
        (
            "[z] z = Relu (W1) w = Mul (m, W) [c] y = Conv (x, w)",
            {"W": np.ones((1, 2, 1, 1)), "W1": np.ones(1)},
            "computed weights",
        ),
        (
            "r = Reshape (m, two) b = ReduceSum (r, one) [c] y = Conv (x, W, b)",
            {"W": np.ones((2, 2, 1, 1)), "two": np.int64([2, 2]), "one": np.int64([0])},
            "a computed bias",
        ),
        (
            "[c] y = Conv (x, W, b)",
            {"W": np.ones((3, 2, 1, 1)), "b": np.ones(1)},
            "a bias of shape (1,)",
        ),
        (
            "[b] y = BatchNormalization (x, g, g, g, s)",
            {"g": np.ones(2), "s": np.ones(3)},
            "does not fit its inputs",
        ),
    ],
)
def test_convolution_and_normalization(body: str, parameters: dict[str, Any], words: str) -> None:
    full = (COMPUTED if "(m" in body else "") + body
    refused(build(full, parameters, x="float[2,2,4,4] x"), words)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("[p] p = Pad (x, pads, five) y = Conv (p, W)", "padding with -inf"),
        ("[p] p = Pad (x, batch) y = Conv (p, W)", "images mix with the batch"),
    ],
)
def test_padding(body: str, words: str) -> None:
    parameters = {
        "W": np.ones((2, 2, 1, 1)), "five": np.float32(-np.inf),
        "pads": np.int64([0, 0, 1, 1, 0, 0, 1, 1]), "batch": np.int64([1, 0, 0, 0, 0, 0, 0, 0]),
    }  # fmt: skip
    problems = refused(build(body, parameters), words)
    assert "p" in {p.node for p in problems}


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("T2", "a threshold is not finite"),
        ("v2", "the constant 'v2' computed for it is not finite"),
    ],
)
def test_a_ladder_of_numbers_that_overflow(number: str, words: str) -> None:
    """Computed in the graph, so that no parameter of the file is infinite."""
    body = f"{number} = Mul (huge, huge) " + ladder(2, top="y")
    parameters = rungs([-0.5, 0.5], [0, 1, 2]) | {"huge": np.float32([3e38])}
    del parameters[number]
    refused(build(body, parameters), words)


def test_a_scale_that_underflows() -> None:
    """round(x / s) with s = 1e-30 squared."""
    body = "s = Mul (tiny, tiny) [q] q = QuantizeLinear (x, s, z) y = DequantizeLinear (q, s, z)"
    model = build(body, {"tiny": np.float32(1e-30), "z": np.uint8(0)})
    refused(model, "a scale of 0", "positive, finite scales")


@pytest.mark.parametrize("shape", [(0, 1, 1, 1), (5, 1, 1, 1), (2, 3, 2, 1, 1)])
@pytest.mark.parametrize("name", ["s", "z"])
def test_weights_of_another_shape_than_their_parameters(name: str, shape: tuple[int, ...]) -> None:
    body = quant("q", "W", "w") + "[c] y = Conv (x, w)"
    parameters = quant_parameters("q", 0.5, 0.0, 3)
    parameters |= {f"q_{name}": np.ones(shape, np.float32), "W": np.ones((3, 2, 1, 1), np.float32)}
    refused(qonnx_model(body, parameters, out=(2, 3, 4, 4)), f"shape {shape} for a constant")
