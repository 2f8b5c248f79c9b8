"""Weights that are integers times a step: recovered exactly, never by coincidence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import is_op, read_weight
from n2uqc.frontend.recognize.integer_grid import integer_grid
from n2uqc.passes import compile_graph
from tests.frontend.networks import build, images, run_onnx
from tests.frontend.recognize.test_round_quantizer import LSQ, parameters


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 8), st.integers(1, 6), st.integers(0, 9999), st.booleans(), st.booleans())
def test_recovered(bits: int, channels: int, seed: int, shared: bool, noisy: bool) -> None:
    """Codes, step and bits; with the noise of (q - w) + w too, and a channel of zeros."""
    rng = np.random.default_rng(seed)
    top = 2 ** (bits - 1) - 1
    codes = rng.integers(-top, top + 1, (channels, 3, 3, 3))
    codes[:, 0, 0, 0], codes[:, 0, 0, 1] = 1, top
    steps = rng.uniform(0.01, 1, 1 if shared else channels).astype(np.float32)
    steps = np.broadcast_to(steps, channels)
    if channels > 1:
        codes[0] = 0
    weights = codes.astype(np.float32) * steps[:, None, None, None]
    if noisy:
        near = (weights + rng.uniform(-0.5, 0.5, weights.shape) * steps.min()).astype(np.float32)
        weights = np.where(weights == 0, weights, (weights - near) + near)
    found = integer_grid(weights)
    assert found is not None and not found.odd and found.bits == bits
    np.testing.assert_array_equal(found.codes, codes)
    if not noisy:
        np.testing.assert_array_equal(found.step[codes.any(axis=(1, 2, 3))],
                                      steps[codes.any(axis=(1, 2, 3))])  # fmt: skip
        np.testing.assert_array_equal(found.values().astype(np.float32), weights)


@pytest.mark.parametrize("size", [1, 2, 9, 200])
def test_real_weights_are_none(size: int) -> None:
    weights = np.random.default_rng(size).standard_normal((4, size, 1, 1)).astype(np.float32)
    assert integer_grid(weights) is None


def test_a_few_weights_may_be_coincidence() -> None:
    assert integer_grid(np.float32([[0.1, 0.2], [0.3, 0.6]]).reshape(2, 2, 1, 1)) is None


def test_codes_wider_than_a_byte() -> None:
    codes = np.random.default_rng(0).integers(-300, 300, (4, 30, 1, 1))
    codes[:, 0] = 1
    assert integer_grid(codes.astype(np.float32) * np.float32(0.1)) is None


def test_network() -> None:
    """LSQ's folded weights behind its activations."""
    codes = np.random.default_rng(1).integers(-4, 4, (3, 2, 3, 3))
    weights = codes.astype(np.float32) * np.float32(0.137)
    body = f"{LSQ.replace('y =', 'z =')} [conv] y = Conv (z, W)"
    model = build(body, parameters(0, 7) | {"W": weights})
    graph = load_graph(model)
    (weight,) = (read_weight(n) for n in graph.graph if is_op(n, "Weight"))
    np.testing.assert_array_equal(weight.codes, codes)
    x = images(model)
    want = run_onnx(model, x)
    np.testing.assert_allclose(compile_graph(graph)(x), want, atol=1e-4 * np.abs(want).max())
