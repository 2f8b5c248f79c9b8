"""Operators between a quantizer and its readers that only move codes: the numbers move instead."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from n2uqc.frontend.check import to_graph
from n2uqc.frontend.integer_operators import to_float_operators
from tests.frontend.integer_operators.networks import check, integers, model_of
from tests.frontend.networks import Array, images, run_onnx

NUMBERS = {
    "pads": [0, 0, 1, 0, 0, 0, 0, 2], "shape": [2, 12, 9], "to": [1, 3, 2], "from": [0, 1, 0],
    "axes": [1, 2, 3], "steps": [1, 1, 2], "rows": [2, 0, 0], "parts": [1, 2], "last": [-1],
}  # fmt: skip
MOVES = [
    "p = MaxPool <kernel_shape = [3,3], strides = [2,2], pads = [1,1,1,1]> (q)",
    "p = Transpose <perm = [2,0,3,1]> (q)",
    "p = Reshape (q, shape)",
    "p = Pad (q, pads, fill)",
    "p = Pad (q, pads)",
    "p = Slice (q, from, to, axes, steps)",
    "p = Gather <axis = 1> (q, rows)",
    "p0, p = Split <axis = 1> (q, parts)",
    "p = SpaceToDepth <blocksize = 2> (q)",
    'p = Resize <mode = "nearest"> (q, , double)',
    "u = Unsqueeze (q, last) f = Flatten (u) p = Identity (f)",
]
READERS = {
    "q": "d = DequantizeLinear (p, s, z) y = Neg (d)",
    "cast": "d = Cast <to = 1> (p) y = Neg (d)",
    "place": "i = ArgMax <axis = 1> (p) y = Cast <to = 1> (i)",
}


def moved(body: str, kind: str) -> tuple[list[str], Array, Array]:
    """Return the operators after the rewrite, and the outputs before and after it."""
    parameters = {"s": np.float32(0.0217), "double": np.float32([1, 1, 2, 2])}
    codes = {"z": (7, kind), "fill": (9, kind)}
    model = model_of("q = QuantizeLinear (x, s, z) " + body, parameters, codes)
    used = {name for node in model.graph.node for name in node.input}
    for name in used & set(NUMBERS):
        model.graph.initializer.append(integers(name, NUMBERS[name], "INT64"))
    x = images(model)
    want = run_onnx(model, x)
    graph = to_graph(model)
    to_float_operators(graph)
    order = [node.op_type for node in graph.graph]
    return order, want, run_onnx(ir.to_proto(graph), x)


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("reader", sorted(READERS))
def test_same_numbers(move: str, reader: str) -> None:
    ops, want, got = moved(f"{move} {READERS[reader]}", "UINT8")
    assert ops[:2] == ["QuantizeLinear", "DequantizeLinear"]
    np.testing.assert_array_equal(got, want)


def test_dequantized_once() -> None:
    """Two readers with equal parameters, directly and behind moves."""
    body = """p = Flatten (q) d = DequantizeLinear (p, s, z) e = DequantizeLinear (p, s, z)
        g = Flatten (e) y = Add (d, g)"""
    ops, want, got = moved(body, "INT8")
    assert ops.count("DequantizeLinear") == 1
    np.testing.assert_array_equal(got, want)


def test_between_integer_layers() -> None:
    """A pad of the zero point is a pad of 0, which the next convolution takes."""
    body = """q = QuantizeLinear (x, s, z) m = MaxPool <kernel_shape = [2,2]> (q)
        p = Pad (m, around, z)
        r = QLinearConv (p, s, z, w, sw, zw, sy, zy) y = DequantizeLinear (r, sy, zy)"""
    values = {"s": np.float32(0.0217), "sw": np.float32(0.01), "sy": np.float32(0.0631)}
    weights = np.random.default_rng(0).integers(-63, 64, (4, 3, 3, 3))
    codes = {"z": (3, "UINT8"), "zy": (131, "UINT8"), "zw": (0, "INT8"), "w": (weights, "INT8")}
    model = model_of(body, values, codes)
    around = integers("around", [0, 0, 1, 1, 0, 0, 1, 1], "INT64")
    model.graph.initializer.append(around)
    check(model, 0.0631)
