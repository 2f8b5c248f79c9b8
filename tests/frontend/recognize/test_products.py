"""Products of two tensors: gates that are spread over a map, in either order."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.load import load_graph
from n2uqc.passes import Options, compile_graph
from n2uqc.passes.checks.draw import as_images, drawn
from n2uqc.passes.checks.evaluate import reference
from n2uqc.passes.checks.network import hold
from n2uqc.passes.checks.prove import prove_tables
from n2uqc.passes.program import Multiply
from n2uqc.passes.program.interpreter import run_real
from tests.frontend.networks import build, check_same, images, ladder, refused, run_onnx, rungs

GATES = {
    "one a channel": "g = GlobalAveragePool (x)",
    "one a row": "g = AveragePool <kernel_shape = [1, 5]> (x)",
    "one a column": "g = AveragePool <kernel_shape = [4, 1]> (x)",
    "one a place": "g = Conv (x, w)",
    "one": "a = GlobalAveragePool (x) g = Conv (a, w)",
    "a tensor": "g = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x)",
}
X = "float[N,2,4,5] x"
W = {"w": np.array([0.5, -1]).reshape(1, 2, 1, 1)}


def gated(gate: str, product: str) -> onnx.ModelProto:
    return build(f"{GATES[gate]} [e] y = {product}", W, x=X)


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("product", ["Mul (x, g)", "Mul (g, x)"])
def test_products(gate: str, product: str) -> None:
    network = gated(gate, product)
    graph = check_same(network)
    program = compile_graph(graph)
    assert sum(isinstance(op, Multiply) for op in program.ops) == 1
    x = images(network)
    np.testing.assert_allclose(run_real(program, x), run_onnx(network, x), atol=2e-6)


@pytest.mark.parametrize("gate", GATES)
def test_what_a_quantizer_compares(gate: str) -> None:
    """Its codes are the network's, within the proven error of a threshold."""
    network = build(
        f"{GATES[gate]} m = Mul (g, x) " + ladder(3, x="m", top="y"),
        W | rungs([-0.1, 0.05, 0.3], [0, 1, 2, 3]),
        x=X,
    )
    graph = check_same(network)
    program = compile_graph(graph)
    assert not [m for proof in prove_tables(graph, program) for m in proof.mismatches]
    found = hold(reference(graph, Options()), program, as_images(program, drawn(program, 24, 0), 0))
    assert not any(row.wrong for row in found.rows)


def test_products_after_a_flattening() -> None:
    """Both operands have their channels in the order of memory."""
    w = np.random.default_rng(0).standard_normal((3, 40))
    for pair in ("f, g", "g, f"):
        network = build(
            f"f = Flatten (x) h = Gemm <transB = 1> (f, v) g = Relu (h) p = Mul ({pair})"
            "[e] y = Gemm <transB = 1> (p, w)",
            {"w": w, "v": np.random.default_rng(1).standard_normal((40, 40)) / 8},
            x=X,
        )
        x = images(network)
        graph = check_same(network)
        program = compile_graph(graph)
        np.testing.assert_allclose(run_real(program, x), run_onnx(network, x), atol=1e-3)
        found = hold(reference(graph, Options()), program, x)
        assert not any(row.wrong for row in found.rows)


def test_of_rows_and_columns() -> None:
    """Neither has the product's shape: one is repeated first."""
    body = "a = AveragePool <kernel_shape = [1, 5]> (x) b = AveragePool <kernel_shape = [4, 1]> (x)"
    check_same(build(f"{body} y = Mul (a, b)", x=X))


def test_refused() -> None:
    body, weight = "r = Conv (x, w) [e] y = Div (x, r)", {"w": np.ones((2, 2, 1, 1))}
    refused(build(body, weight, x=X), "two computed tensors")
    with pytest.raises(CompileError, match="have no bound"):  # a mean may be 0
        compile_graph(load_graph(build("r = GlobalAveragePool (x) y = Div (x, r)", x=X)))
