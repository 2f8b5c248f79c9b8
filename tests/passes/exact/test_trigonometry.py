"""Sine, cosine and arc tangent: exact tables before a quantizer, proved; pieces elsewhere."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from n2uqc.frontend.load import load_graph
from n2uqc.passes import Options, compile_graph
from n2uqc.passes.checks.evaluate import reference
from n2uqc.passes.checks.network import hold
from n2uqc.passes.checks.prove import prove_tables
from n2uqc.passes.program import Interpolate, Program
from tests.frontend.networks import build, images, run_onnx


def model(op: str, factor: float, end: str) -> onnx.ModelProto:
    rng = np.random.default_rng(7)
    parameters = {
        "s": np.float32(0.03), "z": np.uint8(128), "sw": np.float32(0.004),
        "w": rng.integers(-90, 91, (4, 3, 1, 1)).astype(np.int8), "factor": factor,
        "so": np.float32(0.031), "zo": np.uint8(100),
    }  # fmt: skip
    body = f"""k = QuantizeLinear (x, s, z) q = DequantizeLinear (k, s, z)
        v = DequantizeLinear (w, sw) c = Conv (q, v) u = Mul (c, factor) f = {op} (u) {end}"""
    return build(body, parameters, x="float[N,3,6,6] x")


def held(network: onnx.ModelProto) -> Program:
    graph = load_graph(network)
    program = compile_graph(graph)
    found = hold(reference(graph, Options()), program, images(network, 4))
    assert not any(row.wrong for row in found.rows), found.rows
    assert not [m for proof in prove_tables(graph, program) for m in proof.mismatches]
    return program


@pytest.mark.parametrize("factor", [1.0, 5.0])
@pytest.mark.parametrize("op", ["Sin", "Cos", "Atan"])
def test_before_a_quantizer(op: str, factor: float) -> None:
    """Rising and falling many times, too."""
    end = "n = QuantizeLinear (f, so, zo) y = DequantizeLinear (n, so, zo)"
    network = model(op, factor, end)
    program = held(network)
    assert not any(isinstance(op, Interpolate) for op in program.ops)
    x = images(network, 4)
    want, got = run_onnx(network, x), program(x)
    assert np.ptp(want) > 10 * 0.031
    assert (np.abs(got - want) > 0.02).mean() < 2e-3, "float32 decides few codes otherwise"


@pytest.mark.parametrize("op", ["Sin", "Cos", "Atan"])
def test_values_used_as_real(op: str) -> None:
    """A layer reads the function's value, which becomes straight pieces of a stated bound."""
    network = model(op, 1.0, "y = Conv (f, r)")
    network.graph.initializer.append(
        onnx.numpy_helper.from_array(np.full((2, 4, 1, 1), 0.5, np.float32), "r")
    )
    program = held(network)
    assert any(isinstance(op, Interpolate) for op in program.ops)
    x = images(network, 4)
    np.testing.assert_allclose(program(x), run_onnx(network, x), atol=1e-4)
