"""Means and maxima over channels, tokens, or one axis of a map."""

from __future__ import annotations

from itertools import product

import numpy as np
import onnx
import pytest

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.load import load_graph
from n2uqc.passes import compile_graph
from n2uqc.passes.program import Program, quantize_input, real_output, run
from n2uqc.passes.program.ops import MaxPool, SumPool

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
    compare(build(f"a = Relu (x) y = {kind} <axes = {axes}, keepdims = {keep}> (a)", x=shape))


def compare(model: onnx.ModelProto) -> Program:
    x = images(model)
    program = compile_graph(load_graph(model))
    got = real_output(program, run(program, quantize_input(program, x)))
    want = run_onnx(model, x)
    np.testing.assert_allclose(got.reshape(want.shape), want, atol=2e-3)
    return program


@pytest.mark.parametrize("shape", SHAPES[1:])
@pytest.mark.parametrize("kind", ["ReduceMean", "ReduceMax"])
@pytest.mark.parametrize("keep", [(1, 1), (0, 0), (1, 0), (0, 1)])
@pytest.mark.parametrize(
    "axes", [(3, 2), (2, 3), (3, 1), (1, 3), (2, 1), (3, 3), ([2, 3], 1), ([1, 3], 2)]
)
def test_means_in_a_row(
    axes: tuple[list[int] | int, int], keep: tuple[int, int], kind: str, shape: str
) -> None:
    """Each axis that a reduction dropped moves those behind it down."""
    first, second = axes[0] if isinstance(axes[0], list) else [axes[0]], [axes[1]]
    if not keep[0]:
        if set(second) <= set(first):
            return
        second = [a - sum(b < a for b in first) for a in second]
    program = compare(
        build(
            f"a = {kind} <axes = {first}, keepdims = {keep[0]}> (x) "
            f"y = {kind} <axes = {second}, keepdims = {keep[1]}> (a)",
            x=shape,
        )
    )
    pools = [op for op in program.ops if isinstance(op, (MaxPool, SumPool))]
    assert keep[0] != keep[1] or len(pools) == 1, "one operation for all of the row"


@pytest.mark.parametrize("kind", ["ReduceMean", "ReduceMax"])
def test_a_mean_in_a_row_that_something_else_reads(kind: str) -> None:
    form = f"{kind} <axes = [2], keepdims = 1>"
    compare(build(f"a = {form} (x) b = {kind} <axes = [1]> (a) y = Add (a, b)", x=SHAPES[1]))


@pytest.mark.parametrize("shape", [*SHAPES, "float[N,6] x"])
@pytest.mark.parametrize("kind", ["ReduceMean", "ReduceMax"])
@pytest.mark.parametrize("keep", [0, 1])
def test_of_everything(shape: str, kind: str, keep: int) -> None:
    axes = list(range(1, shape.count(",") + 1))
    model = build(f"a = Relu (x) y = {kind} <axes = {axes}, keepdims = {keep}> (a)", x=shape)
    compare(model)


@pytest.mark.parametrize("axes", ["1, 2, 3", "1", "0"])
@pytest.mark.parametrize("keep", [0, 1])
def test_means_of_constants_stay_constant(axes: str, keep: int) -> None:
    """The mean of weights, as weight standardization subtracts it; the batch is fixed."""
    spread = "" if keep else "n = Unsqueeze (m, where) "
    model = build(
        f"m = ReduceMean <axes = [{axes}], keepdims = {keep}> (W) {spread}"
        f"v = Sub (W, {'m' if keep else 'n'}) y = Conv (x, v)",
        {
            "W": np.random.default_rng(1).normal(size=(4, 3, 2, 2)),
            "where": np.array([int(a) for a in axes.split(",")]),
        },
        x=SHAPES[2],
    )
    compare(model)


@pytest.mark.parametrize("kind", ["ReduceSum", "ReduceSumSquare", "ReduceMin"])
@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("axes", [[2, 3], [1, 2, 3]])
def test_sums_and_minima(kind: str, keep: int, axes: list[int]) -> None:
    model = build(
        f"y = {kind} <axes = {axes}, keepdims = {keep}> (x)",
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
