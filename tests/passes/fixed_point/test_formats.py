"""Formats of what ordinary networks add up, bend and normalize: nothing overflows or is missing."""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.frontend.load import load_graph
from n2uqc.passes import Options, compile_graph
from n2uqc.passes.program import Requantize

from ...frontend.networks import build
from ...properties.truth import truth

CODES = "q = QuantizeLinear (x, s, z) d = DequantizeLinear (q, s, z) "


def within_bound(
    body: str, low: float, high: float, x: str = "float[N,4] x", **numbers: object
) -> None:
    model = build(body, numbers, x=x)
    shape = [d.dim_value or 8 for d in model.graph.input[0].type.tensor_type.shape.dim]
    images = np.random.default_rng(0).uniform(low, high, shape).astype(np.float32)
    for options in (
        Options(input_range=(min(low, 0.0), max(high, 0.0))),
        Options(calibration=images),
        Options(input_range=(min(low, 0.0), max(high, 0.0)), residual_bits=56),
    ):
        program = compile_graph(load_graph(model), options)
        want = truth(model, images)
        bound = float(program.types[program.output].error) + 1e-9
        np.testing.assert_allclose(program(images), want, rtol=0, atol=bound)
        assert bound < 1e-3


@pytest.mark.parametrize(
    "body",
    ["m = Mul (x, k)", "m = Add (x, k)", "m = Sub (k, x)", "m = Div (x, k)", "m = Neg (x)"],
)
@pytest.mark.parametrize("layer", ["y = MatMul (m, W)", "y = Add (m, m)", "y = Relu (m)"])
def test_affine_maps_of_the_input(body: str, layer: str) -> None:
    weight = np.linspace(-1, 1, 12).reshape(4, 3)
    within_bound(f"{body} {layer}", -2, 3, k=np.float32(0.3), W=weight)


def test_what_is_bent_is_larger_than_the_result() -> None:
    """The input has a scale of its own: brought to the result's, it must still fit."""
    within_bound("y = LeakyRelu <alpha = -0.125> (x)", -8, 2)
    within_bound("b = PRelu (x, k) y = Add (b, j)", -8, 2, k=np.float32(0.1), j=np.float32(0.5))


def test_operands_are_larger_than_their_sum() -> None:
    clip = "c = Clip (m, a, b) "
    within_bound(f"m = Neg (x) {clip} y = Add (x, c)", 4, 9, a=np.float32(-5), b=np.float32(-4))
    numbers = {"s": np.float32(9 / 255), "z": np.uint8(0), "a": np.float32(4), "b": np.float32(5)}
    within_bound(CODES + "c = Clip (x, a, b) y = Sub (d, c)", 4, 9, **numbers)


def test_a_map_that_reads_its_own_group() -> None:
    """y and k*y are added: one scale for both, which the map neither finds nor limits."""
    within_bound("r = Relu (x) m = Mul (r, k) y = Add (r, m)", -2, 3, k=np.float32(0.3))
    within_bound("a = Relu (x) b = Neg (a) c = Relu (b) y = Sub (c, b)", -2, 3)


def test_one_tensor_at_two_scales() -> None:
    """The input is added to what is small, and to what is large."""
    body = """a = MatMul (x, V) b = Add (x, a) c = MatMul (x, W) d = Add (x, c) e = Clip (d, lo, hi)
        f = MatMul (b, V) g = MatMul (e, V) y = Add (f, g)"""
    numbers = {"V": 0.1 * np.eye(4), "W": 300 * np.eye(4)}
    within_bound(body, -1, 1, **numbers, lo=np.float32(-1), hi=np.float32(1))


def test_a_tensor_brought_twice_to_one_scale_is_made_once() -> None:
    body = "m = MatMul (x, W) a = Add (x, m) b = Add (m, x) y = Add (a, b)"
    program = compile_graph(load_graph(build(body, {"W": np.eye(4)}, x="float[N,4] x")))
    moved = [op for op in program.ops if isinstance(op, Requantize) and op.inputs == ("x",)]
    assert len(moved) <= 1
