"""Quantizers written as sums of comparisons."""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.frontend.opset import read_codebook
from tests.frontend.networks import (
    build,
    check_same,
    node,
    ops,
    refused,
    rungs,
)
from tests.frontend.recognize.three_steps import LEVELS, THRESHOLDS, the_threshold


def comparisons(weights: list[str], add: str = "chain") -> str:
    """Cast(x > T_k) [* weight], added up as a chain or by Sum."""
    lines = []
    for k, weight in enumerate(weights, start=1):
        lines.append(f"[compare{k}] c{k} = Greater (x, T{k}) [cast{k}] d{k} = Cast <to = 1> (c{k})")
        lines.append(f"[mul{k}] e{k} = Mul (d{k}, {weight})" if weight else "")
    terms = [f"e{k}" if w else f"d{k}" for k, w in enumerate(weights, start=1)]
    if add == "sum":
        return "\n".join(lines) + f"[sum] y = Sum ({', '.join(terms)})"
    for k in range(1, len(terms)):
        left = terms[0] if k == 1 else f"a{k - 1}"
        out = f"a{k}" if k < len(terms) - 1 else "y"
        lines.append(f"[add{k}] {out} = Add ({left}, {terms[k]})")
    return "\n".join(lines)


@pytest.mark.parametrize("add", ["chain", "sum"])
@pytest.mark.parametrize("weight", ["", "step"])
def test_sum_of_comparisons(add: str, weight: str) -> None:
    parameters = rungs(THRESHOLDS, LEVELS) | {"step": np.float32(0.3)}
    graph = check_same(build(comparisons([weight] * 3, add), parameters))
    assert ops(graph) == ["Threshold"]
    params = the_threshold(graph)
    assert params.step == (3 * float(np.float32(0.3)) if weight else 3)
    assert params.divisor == 3


def test_order_of_a_sum_means_nothing() -> None:
    graph = check_same(build(comparisons([""] * 3), rungs([0.9, -0.5, 0.1], LEVELS)))
    np.testing.assert_array_equal(the_threshold(graph).thresholds, np.float32([[-0.5, 0.1, 0.9]]))


def test_sum_of_selections() -> None:
    body = """c1 = Greater (x, T1) e1 = Where (c1, s, v0) c2 = Greater (x, T2)
        e2 = Where (c2, s, v0) y = Add (e1, e2)"""
    parameters = rungs(THRESHOLDS[:2], [0.0]) | {"s": np.float32(0.5)}
    assert the_threshold(check_same(build(body, parameters))).step == 1.0


def test_skip_connections_are_no_sums_of_comparisons() -> None:
    body = "a = Add (x, x) b = Add (a, x) y = Add (a, b)"
    assert ops(check_same(build(body))) == ["Add"] * 3


def test_sum_of_unequal_heights_is_a_codebook() -> None:
    parameters = rungs(THRESHOLDS, LEVELS) | {"s": np.float32(0.5), "t": np.float32(0.25)}
    graph = check_same(build(comparisons(["s", "t", "t"]), parameters))
    np.testing.assert_array_equal(read_codebook(node(graph, "Codebook")).levels, [0, 0.5, 0.75, 1])


def test_comparisons_of_different_tensors_are_quantizers_of_their_own() -> None:
    body = """z = Relu (x) c1 = Greater (x, T1) d1 = Cast <to = 1> (c1)
        c2 = Greater (z, T2) d2 = Cast <to = 1> (c2) y = Add (d1, d2)"""
    assert ops(check_same(build(body, rungs(THRESHOLDS[:2], [0])))).count("Threshold") == 2


def test_a_mask_is_a_quantizer_and_a_product() -> None:
    body = "[c] c = Greater (x, T) [d] d = Cast <to = 1> (c) [y] y = Mul (d, x)"
    assert ops(check_same(build(body, {"T": 0.5}))) == ["Threshold", "Mul"]


def test_a_comparison_of_tensors_is_refused() -> None:
    body = "[z] z = Relu (x) [c] c = Greater (x, z) [d] y = Cast <to = 1> (c)"
    problems = refused(build(body), "no known quantizer")
    assert "c" in {p.node for p in problems}
