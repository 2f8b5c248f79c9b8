"""Levels of step functions: even, skipped, falling, from below zero, codebooks."""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import constant, read_codebook, read_threshold
from n2uqc.frontend.reference import evaluate
from tests.frontend.networks import (
    build,
    check_same,
    ladder,
    node,
    ops,
    refused,
    run_onnx,
    rungs,
)
from tests.frontend.recognize.test_sum_of_comparisons import comparisons
from tests.frontend.recognize.three_steps import LEVELS, THRESHOLDS, the_threshold


def test_other_equidistant_levels_keep_their_step() -> None:
    graph = check_same(build(ladder(3, top="y"), rungs(THRESHOLDS, [0, 0.25, 0.5, 0.75])))
    assert (the_threshold(graph).step, the_threshold(graph).divisor) == (0.75, 3)


@pytest.mark.parametrize("levels", [[0, 1, 2, 4], [0, -1, -2, -4], [1, 0.5, 7, 0.25]])
def test_uneven_levels_are_a_codebook(levels: list[float]) -> None:
    graph = check_same(build(ladder(3, top="y"), rungs(THRESHOLDS, levels)))
    assert ops(graph) == ["Codebook"]
    book = read_codebook(node(graph, "Codebook"))
    np.testing.assert_array_equal(book.levels, levels)
    np.testing.assert_array_equal(book.thresholds, np.float32([THRESHOLDS]))
    assert (book.strict, book.bits, book.input_scale) == (True, 2, 1)


def test_levels_that_fall_evenly() -> None:
    graph = check_same(build(ladder(3, top="y"), rungs(THRESHOLDS, [0, -1, -2, -3])))
    assert ops(graph) == ["Threshold"] and the_threshold(graph).step == -3


def test_levels_from_below_zero_are_an_offset() -> None:
    graph = check_same(build(ladder(3, top="y"), rungs(THRESHOLDS, [-1, 0, 1, 2])))
    assert ops(graph) == ["Threshold", "Add"]
    assert read_threshold(node(graph, "Threshold")).step == 3
    assert constant(node(graph, "Add").inputs[1]) == -1


def test_output_scale_joins_the_codebook() -> None:
    model = build(
        ladder(3) + "y = Mul (f, s)", rungs(THRESHOLDS, [0, 1, 2, 4]) | {"s": np.float32(0.3)}
    )
    graph = check_same(model)
    assert ops(graph) == ["Codebook"]
    levels = read_codebook(node(graph, "Codebook")).levels
    np.testing.assert_array_equal(levels, np.array([0, 1, 2, 4]) * float(np.float32(0.3)))


def test_refused_constant_ladder() -> None:
    (problem,) = refused(build(ladder(3, top="y"), rungs(THRESHOLDS, [0, 0, 0, 0])), "all 0")
    assert (problem.node, problem.op) == ("where3", "Where")


def test_refused_levels_that_are_computed() -> None:
    body = "c1 = Greater (x, T1) y = Where (c1, v1, x)"
    refused(build(body, rungs(THRESHOLDS[:1], [0, 1])), "not all single constants")


def test_refused_too_many_thresholds() -> None:
    levels = [k / 256 for k in range(257)]
    refused(build(ladder(256, top="y"), rungs(list(range(256)), levels)), "256 thresholds")


def test_refused_zero_input_scale() -> None:
    body = "s = Mul (x, z) " + ladder(1, x="s", top="y")
    refused(build(body, rungs(THRESHOLDS[:1], [0, 1]) | {"z": np.float32(0)}), "input scale of 0")


@pytest.mark.parametrize(
    ("written", "passed"),
    [
        ([0.0, 0.5, 0.5], [0.0, 0.5, 0.5]),
        ([0.5, 0.5, 0.9], [0.5, 0.5, 0.9]),
        ([-1e9, -1e9, -1e9], [-1e9, -1e9, -1e9]),
        ([0.1, -0.5, 0.9], [-0.5, -0.5, 0.9]),
        ([0.9, 0.5, 0.1], [0.1, 0.1, 0.1]),
    ],
)
@pytest.mark.parametrize("form", ["selections", "sum"])
def test_thresholds_that_skip_levels_are_all_kept(
    written: list[float], passed: list[float], form: str
) -> None:
    """Equal, or out of order in a ladder (the upper selection decides): still evenly spaced."""
    if form == "sum":
        passed = sorted(written)
    body = ladder(3, top="y") if form == "selections" else comparisons(["step"] * 3)
    graph = check_same(build(body, rungs(written, LEVELS) | {"step": np.float32(2 / 3)}))
    assert ops(graph) == ["Threshold"]
    params = the_threshold(graph)
    np.testing.assert_array_equal(params.thresholds, np.float32([passed]))
    assert (params.divisor, params.bits) == (3, 2)
    assert params.step == pytest.approx(2, rel=1e-6)


def test_equal_thresholds_of_uneven_levels_stay_a_codebook() -> None:
    graph = check_same(build(ladder(3, top="y"), rungs([0.0, 0.5, 0.5], [0, 1, 3, 4])))
    np.testing.assert_array_equal(read_codebook(node(graph, "Codebook")).levels, [0, 1, 4])


def test_equal_comparisons_that_an_optimizer_made_one() -> None:
    body = ladder(3, top="y").replace("(c3, v3", "(c2, v3")
    params = the_threshold(check_same(build(body, rungs([-0.5, 0.5, 0.9], LEVELS))))
    np.testing.assert_array_equal(params.thresholds, np.float32([[-0.5, 0.5, 0.5]]))


def test_equal_thresholds_of_both_rules() -> None:
    """Where(x >= t, 2, Where(x > t, 1, 0)): the tie belongs to the upper level, 1 is never seen."""
    body = ladder(2, top="y").replace("c2 = Greater ", "c2 = GreaterOrEqual ")
    model = build(body, rungs([0.5, 0.5], [0, 1, 2]))
    graph = load_graph(model)
    x = np.float32([0.5, 0.25, 0.75, -1] * 8).reshape(1, 2, 4, 4)
    np.testing.assert_array_equal(evaluate(graph, x), run_onnx(model, x))
    assert the_threshold(graph).rules[0] == (False, False)


@pytest.mark.parametrize("levels", [[0, 1, 2], [0, 1, 3]])
def test_mixed_comparisons(levels: list[float]) -> None:
    body = ladder(2, top="y").replace("c2 = Greater ", "c2 = GreaterOrEqual ")
    model = build(body, rungs(THRESHOLDS[:2], levels))
    graph = check_same(model)
    held = node(graph, ops(graph)[0])
    params = read_threshold(held) if held.op_type == "Threshold" else read_codebook(held)
    assert params.rules[0] == (True, False)
    x = np.float32(
        [THRESHOLDS[0], np.nextafter(np.float32(THRESHOLDS[0]), np.float32(1)), THRESHOLDS[1], -1]
        * 8
    )
    x = x.reshape(1, 2, 4, 4)
    np.testing.assert_array_equal(evaluate(graph, x), run_onnx(model, x))
