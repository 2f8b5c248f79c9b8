"""Weights of few values: each keeps its own value, whatever stands beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.frontend.recognize.weight_levels import weight_levels

LEVELS = np.array([-2.0, -0.5, 0.25, 1.75], np.float32)


def layer(seed: int, factor: Any = 1.0) -> Any:
    codes = np.random.default_rng(seed).integers(0, 4, (3, 2, 3, 3))
    return (LEVELS[codes] * factor).astype(np.float32)


def values(weight: Any) -> Any:
    table = np.broadcast_to(weight.levels, (len(weight.codes), weight.levels.shape[1]))
    flat = weight.codes.reshape(len(weight.codes), -1)
    return np.take_along_axis(table, flat.astype(np.intp), axis=1).reshape(weight.codes.shape)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**16), st.floats(-38, 38), st.integers(0, 53))
def test_one_weight_of_any_size(seed: int, exponent: float, place: int) -> None:
    weights = layer(seed)
    weights.reshape(-1)[place] = 10**exponent
    weight = weight_levels(weights)
    assert weight is not None
    np.testing.assert_allclose(values(weight), weights, rtol=2.0**-21)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**16))
def test_channels_scaled_by_a_batch_norm(seed: int) -> None:
    """Its factors, applied in float32, leave equal levels equal but for rounding."""
    factor = np.random.default_rng(seed).uniform(0.01, 9, (3, 1, 1, 1)).astype(np.float32)
    weights = np.nextafter(layer(seed, factor), np.float32(np.inf))
    weights.reshape(-1)[::2] = layer(seed, factor).reshape(-1)[::2]
    weight = weight_levels(weights)
    assert weight is not None
    assert weight.levels.shape[1] <= 4
    np.testing.assert_allclose(values(weight), weights, rtol=2.0**-21)


def test_real_weights_are_no_levels() -> None:
    weights = np.random.default_rng(0).standard_normal((4, 8, 3, 3)).astype(np.float32)
    assert weight_levels(weights) is None
