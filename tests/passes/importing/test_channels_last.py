"""Flattened maps: joined, summed, grouped, quantized, given out; always the network's values."""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.load import load_graph
from n2uqc.passes import compile_graph
from n2uqc.passes.program import quantize_input, run
from n2uqc.passes.program.boundary import real_output

from ...frontend.networks import build
from ...properties.test_ordinary import check
from ...properties.truth import Ordinary

RNG = np.random.default_rng(0)
FLAT = "f = Flatten (x) "
POOLED = "p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (x) g = Flatten (p) "
POINT = "m = Reshape (f, s) "


def weight(*shape: int) -> np.ndarray:
    return RNG.uniform(-1, 1, shape).astype(np.float16)


def same(body: str, x: str = "float[N,3,4,2] x", **numbers: object) -> None:
    model = build(body, {k: np.asarray(v, np.float64) for k, v in numbers.items()}, x=x)
    for tensor in model.graph.initializer:
        if tensor.name == "s":
            tensor.CopyFrom(_integers(tensor.name, numbers["s"]))
    size = [d.dim_value or 3 for d in model.graph.input[0].type.tensor_type.shape.dim]
    check(Ordinary(model, RNG.normal(0, 1, size).astype(np.float32).astype(np.float64)))


def _integers(name: str, values: object):
    from onnx import numpy_helper

    return numpy_helper.from_array(np.asarray(values, np.int64), name)


@pytest.mark.parametrize(
    "join", ["f, g", "g, f", "f, f", "f, g, f", "f, o", "o, g"]
)  # o: of another layer, in no map's order
def test_joins(join: str) -> None:
    body = f"{FLAT}{POOLED}o = MatMul (g, V) j = Concat <axis = 1> ({join}) r = Relu (j) "
    sizes = {"f": 24, "g": 6, "o": 5}
    total = sum(sizes[n] for n in join.split(", "))
    same(body + "y = MatMul (r, W)", V=weight(6, 5), W=weight(total, 2))


def test_joins_of_joins_with_thresholds_a_channel() -> None:
    body = (
        f"{FLAT}{POOLED}j = Concat <axis = 1> (f, g) k = Concat <axis = 1> (g, j) b = Add (k, B) "
    )
    body += "c = Greater (b, T) q = Where (c, u, z) y = MatMul (q, W)"
    same(body, B=weight(1, 36), T=0.1, u=0.5, z=0.0, W=weight(36, 2))


def test_ties_by_zero_points_a_channel() -> None:
    """Halves go to even integers before a channel's zero point is added, wherever it lies."""
    rng = np.random.default_rng(0)
    zeros, w = rng.integers(0, 4, 12), rng.integers(-3, 4, (12, 3))
    body = (
        FLAT + "q = QuantizeLinear <axis = 1> (f, s, z) d = DequantizeLinear <axis = 1> (q, s, z) "
    )
    numbers = {"s": np.ones(12), "z": zeros.astype(np.uint8), "W": w.astype(np.float64)}
    program = compile_graph(
        load_graph(build(body + "y = MatMul (d, W)", numbers, x="float[N,3,2,2] x"))
    )
    x = rng.integers(-4, 8, (20, 3, 2, 2)) + 0.5
    codes = np.clip(np.round(x.reshape(20, -1)) + zeros, 0, 255)
    got = real_output(program, run(program, quantize_input(program, x.astype(np.float32))))
    np.testing.assert_array_equal(got, (codes - zeros) @ w)


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 24])
@pytest.mark.parametrize("wide", [1, 2])
def test_grouped_convolutions(groups: int, wide: int) -> None:
    body = f"{FLAT}{POINT}c = Conv <group = {groups}> (m, W) r = PRelu (c, P) e = Flatten (r) "
    out = 24 * wide
    same(
        body + "y = MatMul (e, V)",
        s=[0, 24, 1, 1],
        W=weight(out, 24 // groups, 1, 1),
        P=weight(out, 1, 1),
        V=weight(out, 2),
    )


@pytest.mark.parametrize("groups", [2, 24])
def test_a_grouped_convolution_that_pads_and_is_given_out(groups: int) -> None:
    body = f"{FLAT}{POINT}y = Conv <group = {groups}, pads = [1, 0, 0, 0]> (m, W)"
    same(body, s=[0, 24, 1, 1], W=weight(24, 24 // groups, 2, 1))


def test_flattened_twice() -> None:
    pool = "a = MaxPool <kernel_shape = [1, 1], pads = [0, 0, 0, 0]> (m) "
    same(f"{FLAT}{POINT}{pool}e = Flatten (a) y = MatMul (e, W)", s=[0, 24, 1, 1], W=weight(24, 2))


@pytest.mark.parametrize(
    "end", ["y = Relu (f)", "y = Add (f, B)", "y = Concat <axis = 1> (f, g)", "y = Sub (f, o)"]
)
def test_given_out(end: str) -> None:
    body = f"{FLAT}{POOLED}o = MatMul (g, V) {end}"
    same(body, B=weight(1, 24), V=weight(6, 24))


def test_sums_of_maps_flattened_differently() -> None:
    """[3,4,2] and [6,4,1] have as many values, in other orders."""
    body = "c = Conv (x, K) g = Flatten (c) f = Flatten (x) a = Sub (f, g) y = MatMul (a, W)"
    same(body, K=weight(6, 3, 1, 2), W=weight(24, 2))


def test_uneven_levels_behind_a_flatten() -> None:
    body = f"{FLAT}c = Greater (f, T) q = Where (c, u, z) d = Greater (f, U) y0 = Where (d, v, q) "
    same(body + "y = MatMul (y0, W)", T=0.1, U=0.5, u=0.3, v=1.0, z=0.0, W=weight(24, 2))


def test_too_many_values_to_move() -> None:
    model = build("f = Flatten (x) y = Relu (f)", x="float[N,2,64,64] x")
    with pytest.raises(CompileError, match=r"up to 4096 values in another order"):
        compile_graph(load_graph(model))


def test_a_network_that_computes_nothing() -> None:
    with pytest.raises(CompileError, match="computes nothing"):
        compile_graph(load_graph(build("y = Flatten (x)")))


@pytest.mark.parametrize(
    "rest", ["y = Identity (a)", "y = Relu (a)", "b = Relu (a) y = Flatten (b)"]
)
@pytest.mark.parametrize("axes", [[2, 3], [1], [4]])
def test_tensors_of_more_than_two_positions(rest: str, axes: list[int]) -> None:
    body = f"a = Unsqueeze (x, axes)\n{rest}"
    model = build(body, {"axes": np.array(axes, np.int64)}, x="float[N,2,4,4] x")
    with pytest.raises(CompileError, match="axes|shape|Reshape|reshape"):
        compile_graph(load_graph(model))
