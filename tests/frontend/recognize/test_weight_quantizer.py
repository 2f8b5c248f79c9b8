"""The weight quantizer by structure: codes as PyTorch rounds, steps exact, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import Weight, read_weight
from tests.frontend.networks import (
    build,
    check_same,
    ladder,
    node,
    ops,
    quantizer_parameters,
    refused,
    rungs,
    weight_quantizer,
)

CONV = "[conv] y = Conv <pads = [1, 1, 1, 1]> (x, q)"


def weights(seed: int = 0, shape: tuple[int, ...] = (5, 2, 3, 3)) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def read(graph: Any) -> Weight:
    return read_weight(node(graph, "Weight"))


@settings(max_examples=40, deadline=None)
@given(
    bits=st.integers(1, 7),
    clip=st.floats(0.5, 4, width=32),
    seed=st.integers(0, 2**16),
    magnitude=st.sampled_from([1e-6, 1e-3, 1.0, 100.0]),
    through=st.booleans(),
)
def test_codes_are_those_of_pytorch(
    bits: int, clip: float, seed: int, magnitude: float, through: bool
) -> None:
    """Even where the float noise of the straight-through pair exceeds a level (std 1e-6)."""
    n = 2**bits - 1
    parameters = quantizer_parameters(weights(seed) * np.float32(magnitude), bits, clip)
    body = weight_quantizer(bits, straight_through=through) + CONV
    params = read(load_graph(build(body, parameters)))
    tensor = {name: torch.tensor(array) for name, array in parameters.items()}
    c = tensor["W"] / tensor["s"]
    c = torch.where(c < tensor["h"], c, tensor["h"])
    c = torch.where(c > tensor["minus_h"], c, tensor["minus_h"])
    k = torch.round((c + tensor["h"]) * tensor["m"])
    np.testing.assert_array_equal(params.codes, (2 * k - n).numpy().astype(np.int8))
    assert params.codes.dtype == np.int8 and (params.codes % 2 != 0).all()
    step = parameters["s"].reshape(-1).astype(np.float64) * float(np.float32(clip))
    np.testing.assert_array_equal(params.step, step)
    assert (params.divisor, params.bits) == (2 * n, bits)


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_same_convolution(bits: int) -> None:
    model = build(weight_quantizer(bits) + CONV, quantizer_parameters(weights(), bits, 1.7))
    graph = check_same(model)
    assert ops(graph) == ["Weight", "Conv"]
    weight = node(graph, "Weight")
    assert (weight.name, weight.outputs[0].name) == ("scale", "q")


def test_behind_a_threshold() -> None:
    body = ladder(3) + weight_quantizer(2) + CONV.replace("(x", "(f")
    parameters = rungs([-0.5, 0.1, 0.9], [0, 2 / 3, 4 / 3, 2.0])
    graph = check_same(build(body, parameters | quantizer_parameters(weights(), 2)))
    assert ops(graph) == ["Threshold", "Weight", "Conv"]


def test_one_scale_for_all_channels() -> None:
    parameters = quantizer_parameters(weights(), 2, scale=np.float32([0.5]))
    params = read(check_same(build(weight_quantizer(2) + CONV, parameters)))
    np.testing.assert_array_equal(params.step, np.full(5, 1.0))


def test_negative_scale_turns_the_codes() -> None:
    scale = np.float32([1, -1, 1, 1, 1]).reshape(5, 1, 1, 1)
    params = read(
        check_same(
            build(weight_quantizer(2) + CONV, quantizer_parameters(weights(), 2, scale=scale))
        )
    )
    assert (params.step > 0).all()


def test_exact_ties_round_half_to_even() -> None:
    """w/s of ±0 is a tie for even n+1: (0 + 1)·1.5 = 1.5 rounds to 2."""
    w = np.full((1, 2, 1, 1), 0.0, np.float32)
    parameters = quantizer_parameters(w, 2, scale=np.float32([1.0]))
    params = read(load_graph(build(weight_quantizer(2) + "y = Conv (x, q)", parameters)))
    np.testing.assert_array_equal(params.codes, np.ones((1, 2, 1, 1)))


def test_shared_weights() -> None:
    body = weight_quantizer(2) + "c1 = Conv (x, q) c2 = Conv (x, q) y = Add (c1, c2)"
    assert ops(check_same(build(body, quantizer_parameters(weights(), 2)))).count("Weight") == 1


def test_all_zero_filter_names_the_channel() -> None:
    w = weights()
    w[3] = 0
    problems = refused(build(weight_quantizer(2) + CONV, quantizer_parameters(w, 2)), "channels 3 ")
    assert len(problems) == 1 and "all zero" in problems[0].found
    assert problems[0].node == "round"


def test_all_zero_filter_behind_a_quantizer_is_one_error() -> None:
    """Its weights are NaN by then, which no grid is searched for."""
    w = weights()
    w[0] = 0
    body = ladder(1, top="level") + weight_quantizer(2) + "y = Conv (level, q)"
    parameters = quantizer_parameters(w, 2) | rungs([0.5], [0, 1])
    (problem,) = refused(build(body, parameters), "channels 0 are all zero")
    assert problem.node == "round"


def test_many_dead_filters_are_counted() -> None:
    w = weights(shape=(12, 2, 3, 3))
    w[:11] = 0
    refused(build(weight_quantizer(2) + CONV, quantizer_parameters(w, 2)), "(11 in all)")


def test_steps_that_are_no_power_of_two() -> None:
    parameters = quantizer_parameters(weights(), 2) | {"m": np.float32(2.0)}  # 4 steps
    refused(build(weight_quantizer(2) + CONV, parameters), "4 steps over its clip range")


def test_eight_bits_stay_float() -> None:
    """Odd codes of 8 bits are no int8; such layers are fixed point as any float one."""
    model = build(weight_quantizer(8) + CONV, quantizer_parameters(weights(), 8))
    assert "Weight" not in ops(check_same(model))


def test_levels_outside_the_clip_range() -> None:
    parameters = quantizer_parameters(weights(), 2)
    body = weight_quantizer(2).replace("Where (g, a, minus_h)", "Identity (u)")
    refused(build(body + CONV, parameters), "levels ", "0 to 3")


def test_scale_per_input_channel() -> None:
    parameters = quantizer_parameters(weights(), 2, scale=np.ones((1, 2, 1, 1), np.float32))
    refused(build(weight_quantizer(2) + CONV, parameters), "weight scale of shape (1, 2, 1, 1)")


def test_feeding_something_else() -> None:
    body = weight_quantizer(2) + "[add] y = Add (x, q)"
    parameters = quantizer_parameters(weights(shape=(1, 2, 1, 1)), 2)
    problems = refused(build(body, parameters), "other than a convolution")
    assert "Weight" in {p.op for p in problems}


def test_rounding_of_another_kind_is_folded_and_stays_float() -> None:
    """Round(W) is no N2UQ quantizer: its value is a plain float weight."""
    graph = check_same(build("r = Round (W) y = Conv (x, r)", {"W": 3 * weights()}))
    assert ops(graph) == ["Conv"]
