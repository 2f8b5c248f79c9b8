"""Grid recovery from float weights: any grid with noise, exact where float32 allows, no luck."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import Weight, read_weight
from n2uqc.frontend.recognize.pattern import NOTE
from n2uqc.frontend.recognize.weight_grid import NOISE, recover
from tests.frontend.networks import build, check_same, ladder, node, ops, rungs

LADDER = rungs([-0.5, 0.1, 0.9], [0, 2 / 3, 4 / 3, 2.0])


def random_codes(bits: int, shape: tuple[int, ...], seed: int) -> Any:
    rng = np.random.default_rng(seed)
    codes = 2 * rng.integers(0, 2**bits, shape) - (2**bits - 1)
    codes.reshape(len(codes), -1)[:, 0] = 2**bits - 1  # every channel uses its top level
    codes.reshape(len(codes), -1)[:, 1] = 1  # and has no common odd factor
    return codes


@settings(max_examples=60, deadline=None)
@given(
    bits=st.integers(1, 4),
    seed=st.integers(0, 2**16),
    noise=st.sampled_from([0.0, 1e-6, 5e-5]),
    magnitude=st.sampled_from([1e-7, 0.01, 1.0]),
)
def test_recovers_codes(bits: int, seed: int, noise: float, magnitude: float) -> None:
    codes = random_codes(bits, (6, 4, 3, 3), seed)
    rng = np.random.default_rng(seed)
    steps = magnitude * rng.uniform(0.5, 2, (6, 1, 1, 1))
    weights = (steps * (codes + noise * rng.uniform(-1, 1, codes.shape))).astype(np.float32)
    found = recover(weights)
    assert isinstance(found, Weight)
    np.testing.assert_array_equal(found.codes, codes)
    np.testing.assert_allclose(found.step, steps.reshape(-1), rtol=2 * noise + 1e-6)
    assert (found.bits, found.divisor) == (bits, 1)
    if noise == 0:
        np.testing.assert_array_equal(found.values().astype(np.float32), weights)


def test_fused_batch_norm_only_flips_signs() -> None:
    codes = random_codes(3, (4, 2, 3, 3), 1)
    gamma = np.array([-1.5, 0.3, -0.01, 2]).reshape(-1, 1, 1, 1)
    found = recover((codes * gamma).astype(np.float32))
    assert isinstance(found, Weight) and (found.step > 0).all()
    np.testing.assert_array_equal(found.codes, codes * np.sign(gamma))


def test_a_gamma_of_zero_silences_a_channel() -> None:
    codes = random_codes(2, (3, 2, 3, 3), 1)
    weights = (codes * np.array([0.1, 0.0, 0.2]).reshape(-1, 1, 1, 1)).astype(np.float32)
    found = recover(weights)
    assert isinstance(found, Weight) and found.step[1] == 0
    assert (found.codes % 2 != 0).all()
    np.testing.assert_array_equal(found.values().astype(np.float32), weights)
    assert recover(np.zeros_like(weights)) == "all weights are 0"


def test_ambiguous_but_exact() -> None:
    """A channel of ±3 steps only is as well ±1 of a larger step."""
    codes = np.array([3, -3, 3, 3] * 9).reshape(1, 4, 3, 3)
    weights = (codes * 0.1).astype(np.float32)
    found = recover(weights)
    assert isinstance(found, Weight) and found.bits == 1
    np.testing.assert_array_equal(found.values().astype(np.float32), weights)


def test_one_weight_a_channel_is_always_exact() -> None:
    weights = np.random.default_rng(0).standard_normal((7, 1, 1, 1)).astype(np.float32)
    found = recover(weights)
    assert isinstance(found, Weight)
    np.testing.assert_array_equal(found.values().astype(np.float32), weights)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), fan_in=st.integers(2, 12), channels=st.integers(1, 4))
def test_random_weights_are_never_taken_for_a_grid(seed: int, fan_in: int, channels: int) -> None:
    weights = np.random.default_rng(seed).standard_normal((channels, fan_in, 1, 1))
    assert isinstance(recover(weights.astype(np.float32)), str)


def test_coincidence_is_refused_where_few_weights_make_it_likely() -> None:
    """Two weights near 1:3 within the noise but not exactly: no proof of a grid."""
    weights = np.array([1.0, 3.0 * (1 + NOISE / 4)], np.float32).reshape(1, 2, 1, 1)
    assert "coincidence" in str(recover(weights))
    exact = np.array([0.1, 0.3], np.float32).reshape(1, 2, 1, 1)
    assert isinstance(recover(exact), Weight)


def test_reasons() -> None:
    weights = np.random.default_rng(0).standard_normal((4, 2, 3, 3)).astype(np.float32)
    assert "output channel 0" in str(recover(weights))
    weights[2, 1, 0, 0] = 0
    assert "output channel 2 holds a weight of 0" in str(recover(weights))


def test_five_bits_are_no_grid() -> None:
    assert isinstance(recover(random_codes(5, (4, 4, 3, 3), 0).astype(np.float32)), str)


def test_only_behind_a_threshold() -> None:
    codes = random_codes(2, (3, 2, 3, 3), 0) * 0.1
    model = build(ladder(3) + "[conv] y = Conv (f, W)", LADDER | {"W": codes})
    graph = check_same(model)
    assert ops(graph) == ["Threshold", "Weight", "Conv"]
    np.testing.assert_array_equal(
        read_weight(node(graph, "Weight")).codes, random_codes(2, (3, 2, 3, 3), 0)
    )
    assert ops(check_same(build("y = Conv (x, W)", {"W": codes}))) == ["Conv"]


@pytest.mark.parametrize("zero", [False, True])
def test_weights_off_every_grid_stay_float_with_a_note(zero: bool) -> None:
    weights = np.random.default_rng(0).standard_normal((3, 2, 3, 3))
    weights[1, 0] *= not zero
    graph = load_graph(build(ladder(3) + "[conv] y = Conv (f, W)", LADDER | {"W": weights}))
    assert ops(graph) == ["Threshold", "Conv"]
    assert "weights stay float" in node(graph, "Conv").metadata_props[NOTE]
