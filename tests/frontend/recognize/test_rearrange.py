"""Operators that only copy elements to other places, against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.load import load_graph
from n2uqc.passes import compile_graph
from n2uqc.passes.program import quantize_inputs, real_outputs, run

from ..networks import build, check_same, ops

R = "r = Relu (x) "
CASES = {
    "slice": "[s] y = Slice (r, b, e, ax, st)",
    "split": "a, c = Split <axis = 1> (r, two) y = Add (c, a)",
    "gather": "[g] y = Gather <axis = 1> (r, i)",
    "gather rows": "y = Gather <axis = 2> (r, i)",
    "shuffle": "a = Reshape (r, s5) t = Transpose <perm = [0, 2, 1, 3, 4]> (a) y = Reshape (t, s4)",
    "depth to space": "y = DepthToSpace <blocksize = 2> (r)",
    "depth to space, CRD": 'y = DepthToSpace <blocksize = 2, mode = "CRD"> (r)',
    "space to depth": "y = SpaceToDepth <blocksize = 2> (r)",
    "tokens": "a = Reshape (r, tk) t = Transpose <perm = [0, 2, 1]> (a) y = Relu (t)",
    "swap": "a = Transpose <perm = [0, 1, 3, 2]> (r) y = Relu (a)",
    "pad": "p = Pad (r, pads) y = Relu (p)",
    "crop beyond the map": "p = Pad (r, beyond) y = Relu (p)",
    "reflect": 'p = Pad <mode = "reflect"> (r, pads) y = Relu (p)',
    "edge": 'p = Pad <mode = "edge"> (r, pads) y = Relu (p)',
    "tile": "t = Tile (r, rep) y = Relu (t)",
    "nearest": 'y = Resize <mode = "nearest", coordinate_transformation_mode = "asymmetric", '
    'nearest_mode = "floor"> (r, , sc)',
    "nearest, half pixel": 'y = Resize <mode = "nearest"> (r, , sc)',
    "nearest to sizes": 'y = Resize <mode = "nearest"> (r, , , sz)',
    "no tables": "a = Transpose <perm = [0, 2, 1, 3]> (r) t = Reshape (a, odd) y = Relu (t)",
    "concat of rows": "y = Concat <axis = 2> (r, x, r)",
    "concat of many": "y = Concat <axis = 1> (r, x, r, x)",
    "to a map": "f = Flatten (r) h = Relu (f) m = Reshape (h, back) y = Relu (m)",
    "five axes at the end": "a = Reshape (r, s5) y = Transpose <perm = [0, 2, 3, 4, 1]> (a)",
}
PARAMETERS = {
    "b": np.array([-1, 0]), "e": np.array([-100, 4]), "ax": np.array([1, 3]),
    "st": np.array([-3, 2]), "two": np.array([4, 4]), "i": np.array([3, 0, 0, 2]),
    "s5": np.array([0, 2, 4, 4, 6]), "s4": np.array([0, 8, 4, 6]), "tk": np.array([0, 8, 24]),
    "pads": np.array([0, 0, 1, 2, 0, 0, 2, -1]), "rep": np.array([1, 2, 1, 3]),
    "beyond": np.array([0, 0, 3, -7, 0, 0, -6, 5]),
    "sc": np.array([1, 1, 2, 1.5], np.float32), "sz": np.array([2, 8, 7, 5]),
    "odd": np.array([0, 6, 16, 2]), "back": np.array([0, 6, 4, 8]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_moves_what_onnxruntime_moves(name: str) -> None:
    body = R + CASES[name]
    used = {k: v for k, v in PARAMETERS.items() if f"{k})" in body or f"{k}," in body}
    batch = "2" if "sz" in used else "N"
    graph = check_same(build(body, used, x=f"float[{batch},8,4,6] x"))
    assert "Reshape" not in ops(graph)[:-1] and "Transpose" not in ops(graph)[:-1]


def test_what_moves_nothing_is_nothing() -> None:
    body = R + "a = Transpose <perm = [0, 2, 3, 1]> (r) b = Transpose <perm = [0, 3, 1, 2]> (a)"
    graph = check_same(build(body + " y = Relu (b)", x="float[N,8,4,6] x"))
    assert ops(graph) == ["Relu", "Relu"]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("a = Transpose <perm = [1, 0, 2, 3]> (r) y = Relu (a)", "images mix with the batch"),
        ("a = Reshape (r, s5) y = Relu (a)", "lays a tensor out"),
    ],
)
def test_refusals(body: str, found: str) -> None:
    names = {k: v for k, v in PARAMETERS.items() if k in ("pads", "s5") and k in body}
    with pytest.raises(CompileError, match=found):
        load_graph(build(R + body, names, x="float[N,8,4,6] x"))


def test_an_output_that_is_read_again() -> None:
    """Heat maps and their maxima over all positions, as keypoint detectors give them."""
    body = R + "v = Reshape (r, tk) w = ReduceMax <axes = [2], keepdims = 0> (v) y = Relu (w)"
    model = build(body, {"tk": PARAMETERS["tk"]}, x="float[N,8,4,6] x", y="float[] y, float[] v")
    graph = load_graph(model)
    assert "Rearrange" in ops(graph)
    x = np.random.default_rng(0).normal(0, 1, (2, 8, 4, 6)).astype(np.float32)
    program = compile_graph(graph)
    found = real_outputs(program, run(program, quantize_inputs(program, x)))
    np.testing.assert_allclose(found["v"], np.maximum(x, 0).reshape(2, 8, 24), atol=1e-5)
    np.testing.assert_allclose(found["y"], np.maximum(x, 0).max((2, 3)), atol=1e-5)
