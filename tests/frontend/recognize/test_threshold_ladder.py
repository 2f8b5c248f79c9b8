"""Threshold ladders: comparison directions, exact parameters, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.reference import evaluate
from tests.frontend.networks import (
    build,
    check_same,
    images,
    ladder,
    node,
    ops,
    refused,
    run_onnx,
    rungs,
)
from tests.frontend.recognize.three_steps import LEVELS, THRESHOLDS, the_threshold


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8])
def test_n2uq_ladder(bits: int) -> None:
    n = 2**bits - 1
    thresholds = np.sort(np.random.default_rng(bits).standard_normal(n)).astype(np.float32)
    levels = np.cumsum([0] + [np.float32(2 / n)] * n, dtype=np.float32)  # as PyTorch adds them up
    graph = check_same(build(ladder(n, top="y"), rungs(list(thresholds), list(levels))))
    params = the_threshold(graph)
    np.testing.assert_array_equal(params.thresholds, thresholds[None])
    assert params.thresholds.dtype == np.float32
    assert (params.step, params.divisor, params.bits, params.strict) == (2.0, n, bits, True)
    assert params.input_scale == 1


def test_three_levels_need_two_bits() -> None:
    params = the_threshold(check_same(build(ladder(2, top="y"), rungs(THRESHOLDS[:2], [0, 1, 2]))))
    assert (params.levels, params.bits, params.step, params.divisor) == (2, 2, 2.0, 2)


@pytest.mark.parametrize(
    ("condition", "branches", "strict"),
    [
        ("Greater (x, T)", "v1, v0", True),
        ("GreaterOrEqual (x, T)", "v1, v0", False),
        ("Less (T, x)", "v1, v0", True),
        ("LessOrEqual (T, x)", "v1, v0", False),
        ("Less (x, T)", "v0, v1", False),
        ("LessOrEqual (x, T)", "v0, v1", True),
        ("Greater (T, x)", "v0, v1", False),
        ("GreaterOrEqual (T, x)", "v0, v1", True),
    ],
)
@pytest.mark.parametrize("inverted", [False, True])
def test_every_way_of_comparing(
    condition: str, branches: str, strict: bool, inverted: bool
) -> None:
    if inverted:
        branches = ", ".join(reversed(branches.split(", ")))
        body = f"a = {condition} c = Not (a) y = Where (c, {branches})"
    else:
        body = f"c = {condition} y = Where (c, {branches})"
    model = build(body, {"T": 0.5, "v0": [0.0], "v1": [2.0]})
    graph = load_graph(model)
    assert the_threshold(graph).strict is strict
    x = np.array([0.5, np.nextafter(np.float32(0.5), 1), 0.25, 1.0] * 8, np.float32)
    x = x.reshape(1, 2, 4, 4)
    np.testing.assert_array_equal(evaluate(graph, x), run_onnx(model, x))


@settings(max_examples=40, deadline=None)
@given(
    thresholds=st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=7, unique=True),
    scale=st.sampled_from([1.0, -1.0, 0.5, -2.0]),  # powers of two: float32 compares exactly
    compare=st.sampled_from(["Greater", "GreaterOrEqual"]),
    step=st.floats(2**-6, 4, width=32),
)
def test_any_ladder_agrees_with_onnxruntime_on_ties_too(
    thresholds: list[float], scale: float, compare: str, step: float
) -> None:
    thresholds = sorted(thresholds)
    n = len(thresholds)
    levels = [float(np.float32(k * step / n)) for k in range(n + 1)]
    body = "s = Mul (scale, x) " + ladder(n, compare, x="s", top="y")
    model = build(body, rungs(thresholds, levels) | {"scale": np.float32(scale)})
    graph = load_graph(model)
    params = the_threshold(graph)
    np.testing.assert_array_equal(params.thresholds[0], np.float32(thresholds))
    assert params.input_scale == np.float32(scale)
    assert ops(graph) == ["Threshold"]
    x = images(model)
    x.reshape(-1)[:n] = np.float32(thresholds) / np.float32(scale)
    np.testing.assert_allclose(evaluate(graph, x), run_onnx(model, x), rtol=1e-5, atol=1e-6)


def test_thresholds_computed_from_start_and_lengths() -> None:
    """T_i comes out as the float32 numbers the graph's own additions give."""
    body = """
        [positive] p = Greater (a, eps) [clamp] l = Where (p, a, eps)
        [l0] l0 = Gather (l, i0) [l1] l1 = Gather (l, i1)
        [h0] h0 = Div (l0, two) [T1] T1 = Add (start, h0)
        [h1] h1 = Div (l1, two) [s1] s1 = Add (T1, h0) [T2] T2 = Add (s1, h1)
    """ + ladder(2, top="y")
    a, start = np.float32([0.3, -1.0]), np.float32([0.1])
    parameters = {
        "a": a, "eps": np.float32([1e-3]), "two": np.float32(2), "start": start,
        "i0": np.int64(0), "i1": np.int64(1), "v0": np.float32([0]), "v1": np.float32([1]),
        "v2": np.float32([2]),
    }  # fmt: skip
    first = start[0] + a[0] / np.float32(2)
    second = (first + a[0] / np.float32(2)) + np.float32(1e-3) / np.float32(2)
    params = the_threshold(check_same(build(body, parameters)))
    np.testing.assert_array_equal(params.thresholds, np.float32([[first, second]]))


def test_thresholds_per_channel() -> None:
    low, high = np.float32([[[-1.0]], [[0.25]]]), np.float32([[[0.0]], [[0.5]]])
    parameters = {"T1": low, "T2": high, "v0": [0.0], "v1": [1.0], "v2": [2.0]}
    params = the_threshold(check_same(build(ladder(2, top="y"), parameters)))
    np.testing.assert_array_equal(params.thresholds, [[-1, 0], [0.25, 0.5]])


def test_input_scale_stays_for_other_readers() -> None:
    body = "[mul] s = Mul (x, scale) " + ladder(2, x="s") + "[add] y = Add (f, s)"
    graph = check_same(build(body, rungs(THRESHOLDS[:2], [0, 1, 2]) | {"scale": np.float32(-0.5)}))
    assert ops(graph) == ["Mul", "Threshold", "Add"]
    threshold = node(graph, "Threshold")
    assert threshold.inputs[0] is not None and threshold.inputs[0].name == "x"
    assert the_threshold(graph).input_scale == np.float32(-0.5)


def test_channel_scale_is_not_absorbed() -> None:
    body = "[mul] s = Mul (x, scale) " + ladder(2, x="s", top="y")
    scale = np.float32([[[0.5]], [[2.0]]])
    graph = check_same(build(body, rungs(THRESHOLDS[:2], [0, 1, 2]) | {"scale": scale}))
    assert ops(graph) == ["Mul", "Threshold"]


def test_names_are_those_of_the_replaced_nodes() -> None:
    graph = load_graph(build(ladder(3, top="y"), rungs(THRESHOLDS, LEVELS)))
    threshold = node(graph, "Threshold")
    assert (threshold.name, threshold.outputs[0].name) == ("where3", "y")


def test_refused_per_position() -> None:
    parameters = rungs(THRESHOLDS[:1], [0, 1]) | {"T1": np.zeros((2, 4, 4), np.float32)}
    parameters["T1"][0, 1, 2] = 1
    refused(build(ladder(1, top="y"), parameters), "differ between positions")
