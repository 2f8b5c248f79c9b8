"""Sums of several tensors in the order written, joins along the channels."""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.frontend.load import load_graph
from n2uqc.passes import compile_graph
from n2uqc.passes.program.interpreter import run_real
from tests.frontend.networks import build, check_same, images, ops, refused, run_onnx

R = "r = Relu (x) "


def test_sum_is_a_chain_of_additions() -> None:
    graph = check_same(build(R + "[s] y = Sum (x, r, x, r)"))
    assert ops(graph) == ["Relu", "Add", "Add", "Add"]
    assert [n.name for n in graph.graph][-1] == "s"
    assert graph.graph.outputs[0].name == "y"


def test_sum_of_one_and_with_a_constant() -> None:
    assert ops(check_same(build(R + "s = Sum (r) y = Sum (s, k)", {"k": 0.5}))) == ["Relu", "Add"]


@pytest.mark.parametrize("axis", [1, -3])
def test_concat(axis: int) -> None:
    model = build(R + f"y = Concat <axis = {axis}> (x, r, x)")
    graph = check_same(model)
    assert ops(graph) == ["Relu", "Concat"]
    x = images(model)
    program = compile_graph(load_graph(model))
    np.testing.assert_allclose(run_real(program, x), run_onnx(model, x), atol=1e-5)


def test_concat_of_vectors() -> None:
    check_same(build(R + "f = Flatten (x) g = Flatten (r) y = Concat <axis = 1> (f, g)"))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (R + "[c] y = Concat <axis = 0> (x, r)", ["axis 0", "channels"]),
        ("[c] y = Concat <axis = 1> (x, k)", ["differs by image"]),
    ],
)
def test_refused(body: str, words: list[str]) -> None:
    (problem,) = refused(
        build(body, {"k": np.arange(64).reshape(2, 2, 4, 4)}, x="float[2,2,4,4] x"), *words
    )
    assert problem.node == "c"
