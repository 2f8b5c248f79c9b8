"""Maxima and minima of tensors, and of tensors with a constant of each channel."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from n2uqc.passes import Options, compile_graph
from n2uqc.passes.checks.draw import as_images, drawn
from n2uqc.passes.checks.evaluate import reference
from n2uqc.passes.checks.network import hold
from n2uqc.passes.checks.prove import prove_tables
from n2uqc.passes.program.interpreter import run_real
from tests.frontend.networks import build, check_same, images, ladder, ops, refused, run_onnx, rungs

R = "r = Relu (x) n = Neg (x) g = GlobalAveragePool (x) o = ReduceMax <axes = [1, 3]> (x) "
C = {"c": np.array([0.5, -1], np.float32).reshape(2, 1, 1)}


def model(body: str, **parameters: object) -> onnx.ModelProto:
    return build(body, C | parameters, x="float[N,2,4,4] x")


@pytest.mark.parametrize("op", ["Max", "Min"])
@pytest.mark.parametrize(
    "inputs",
    [
        "r, n",
        "n, r",
        "x, r, n",
        "x, c",
        "c, x",
        "r, c, n",
        "x, one, n",
        "x, x",
        "r, g",
        "g, r",
        "g, n, o",
    ],
)
def test_extremes(op: str, inputs: str) -> None:
    network = model(R + f"[e] y = {op} ({inputs})", one=np.float32(1))
    graph = check_same(network)
    assert not {"Max", "Min"} & {*ops(graph)}
    assert list(graph.graph)[-1].name == "e"
    x = images(network)
    np.testing.assert_allclose(run_real(compile_graph(graph), x), run_onnx(network, x), atol=2e-6)


@pytest.mark.parametrize("op", ["Max", "Min"])
def test_what_a_quantizer_compares(op: str) -> None:
    """Its codes are the network's, within the proven error of a threshold."""
    network = model(
        R + f"m = {op} (r, n) " + ladder(3, x="m", top="y"), **rungs([-0.5, 0.25, 1], [0, 1, 2, 3])
    )
    graph = check_same(network)
    program = compile_graph(graph)
    assert not [m for proof in prove_tables(graph, program) for m in proof.mismatches]
    found = hold(reference(graph, Options()), program, as_images(program, drawn(program, 24, 0), 0))
    assert not any(row.wrong for row in found.rows)


def test_refused() -> None:
    refused(model("[e] y = Max (x, far)", far=np.array([np.inf, 0]).reshape(2, 1, 1)), "inf")
    body = "f = Flatten (x) g = GlobalAveragePool (x) h = Flatten (g) [e] y = Max (f, h)"
    refused(model(body))
