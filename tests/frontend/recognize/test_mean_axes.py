"""Means and maxima over channels, tokens, or one axis of a map."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.load import load_graph
from n2uqc.passes import compile_graph
from n2uqc.passes.program import quantize_input, real_output, run

from ..networks import build, images, run_onnx

SHAPES = ("float[N,3,5] x", "float[N,3,4,5] x", "float[2,3,4,5] x")
AXES = {3: ([1],), 4: ([1], [2], [3], [1, 2], [1, 3])}


@pytest.mark.parametrize(
    ("shape", "axes", "keep", "kind"),
    [
        (shape, axes, keep, kind)
        for shape in SHAPES
        for axes, keep, kind in product(
            AXES[shape.count(",") + 1], (0, 1), ("ReduceMean", "ReduceMax")
        )
    ],
)
def test_equal_to_onnxruntime(shape: str, axes: list[int], keep: int, kind: str) -> None:
    """The integer program reorders around the mean by operations of its own."""
    model = build(f"a = Relu (x) y = {kind} <axes = {axes}, keepdims = {keep}> (a)", x=shape)
    x = images(model)
    program = compile_graph(load_graph(model))
    got = real_output(program, run(program, quantize_input(program, x)))
    want = run_onnx(model, x)
    np.testing.assert_allclose(got.reshape(want.shape), want, atol=2e-3)


@pytest.mark.parametrize("kind", ["ReduceSum", "ReduceSumSquare", "ReduceMin"])
@pytest.mark.parametrize("keep", [0, 1])
def test_sums_and_minima(kind: str, keep: int) -> None:
    model = build(
        f"y = {kind} <axes = [2, 3], keepdims = {keep}> (x)",
        x="float[N,3,4,5] x",
        opset=12 if kind == "ReduceSum" else 17,
    )
    x = images(model)
    program = compile_graph(load_graph(model))
    got = real_output(program, run(program, quantize_input(program, x)))
    want = run_onnx(model, x)
    np.testing.assert_allclose(got.reshape(want.shape), want, atol=1e-3 * np.abs(want).max())


def test_a_sum_over_images_is_refused() -> None:
    with pytest.raises(CompileError, match="ReduceSum"):
        load_graph(build("r = ReduceSum (x, a) y = Add (x, r)", {"a": np.int64([0])}))


@pytest.mark.parametrize("before", ["", "r = Relu (x) ", "r = Exp (x) "])
@pytest.mark.parametrize("axes", ["2, 3, 2", "2, -2"])
@pytest.mark.parametrize("op", ["ReduceMean", "ReduceMax", "ReduceL2", "ReduceSumSquare"])
def test_axes_that_are_named_twice(before: str, axes: str, op: str) -> None:
    """ONNX does not say what they mean: its reference fails, ONNX Runtime takes them once."""
    model = build(f"{before}y = {op} <axes = [{axes}]> ({'r' if before else 'x'})", {})
    with pytest.raises(CompileError, match=op):
        load_graph(model)
