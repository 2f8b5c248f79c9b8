"""Quantizers behind pools and flattenings of codes whose offset is read elsewhere, too."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from n2uqc.frontend.load import load_graph
from n2uqc.passes import Options, compile_graph
from n2uqc.passes.checks.draw import as_images, drawn
from n2uqc.passes.checks.evaluate import reference
from n2uqc.passes.checks.network import hold
from n2uqc.passes.checks.prove import prove_tables

from ...frontend.networks import build

MOVES = {
    "flattening": "r = Reshape (b, w)",
    "pool": "r = MaxPool <kernel_shape=[2, 2], strides=[2, 2]> (b)",
    "both": "p = MaxPool <kernel_shape=[2, 2], strides=[2, 2]> (b) r = Reshape (p, w)",
}


def network(move: str, zero: int = 3) -> ir.Model:
    body = f"""
        a = QuantizeLinear (x, s, z) b = DequantizeLinear (a, v, z) {MOVES[move]}
        c = QuantizeLinear (r, t, u) y = DequantizeLinear (c, q, u)"""
    parameters = {
        name: np.float32(v) for name, v in {"s": 0.05, "v": 0.06, "t": 0.07, "q": 0.1}.items()
    }
    parameters |= {"z": np.uint8(zero), "u": np.uint8(9)}
    if "Reshape" in MOVES[move]:
        parameters["w"] = np.int64([0, -1])
    model = build(body, parameters)
    model.graph.output.append(onnx.helper.make_tensor_value_info("b", 1, ["N", 2, 4, 4]))
    return load_graph(model)


@pytest.mark.parametrize("move", MOVES)
def test_codes_that_moved_before_their_offset(move: str) -> None:
    graph = network(move)
    program = compile_graph(graph)
    proofs = prove_tables(graph, program)
    assert len(proofs) == 2 and not any(p.mismatches for p in proofs)
    images = as_images(program, drawn(program, 12, 3), 3)
    found = hold(reference(graph, Options()), program, images)
    assert found.rows and not any(row.faults for row in found.rows)


@pytest.mark.parametrize("move", MOVES)
def test_another_offset_is_found(move: str) -> None:
    """The network's zero point is another one: the proof follows the chain to it."""
    program = compile_graph(network(move))
    proofs = prove_tables(network(move, zero=5), program)
    assert [bool(p.mismatches) for p in proofs] == [True, True]
