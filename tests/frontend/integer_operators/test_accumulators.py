"""ConvInteger, MatMulInteger and MatMulIntegerToFloat: int32 sums that later nodes scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.reference import evaluate
from n2uqc.frontend.summary import INTEGER, summarize
from n2uqc.passes import compile_graph
from n2uqc.passes.program.interpreter import run_real
from tests.frontend.integer_operators.networks import model_of
from tests.frontend.networks import images, refused, run_onnx

Q = "q = QuantizeLinear (x, s, z)\n"
VALUES = {"s": np.float32(0.0217), "sw": np.float32(0.011), "step": np.float32(0.0217 * 0.011)}
RNG = np.random.default_rng(0)
CODES: dict[str, tuple[Any, str]] = {
    "z": (120, "UINT8"), "zw": (60, "UINT8"), "zc": ([60, 64, 50, 64], "UINT8"),
    "w": (RNG.integers(1, 128, (4, 3, 3, 3)), "UINT8"),
    "m": (RNG.integers(1, 128, (12, 4)), "UINT8"),
    "b": ([[[900]], [[-7]], [[55]], [[-1234]]], "INT32"), "bm": ([900, -7, 55, -1234], "INT32"),
}  # fmt: skip
CONV = "[conv] a = ConvInteger <pads = [1,1,1,1]> (q, w, z, zw)"
CASES = {
    "cast": f"{CONV} c = Cast <to = 1> (a) [scale] y = Mul (c, step)",
    "no zero points": """[conv] a = ConvInteger (q, w) c = Cast <to = 1> (a)
        [scale] y = Mul (c, step)""",
    "bias": f"{CONV} d = Add (a, b) c = Cast <to = 1> (d) [scale] y = Mul (c, step)",
    "dequantized": f"{CONV} d = Add (b, a) [scale] y = DequantizeLinear (d, step)",
    "moved": f"{CONV} f = Flatten (a) c = Cast <to = 1> (f) [scale] y = Mul (c, step)",
    "product": "[conv] a = MatMulInteger (q, m, z, zw) c = Cast <to = 1> (a) y = Mul (c, step)",
    "columns": """[conv] a = MatMulInteger (q, m, z, zc) e = Add (a, bm) c = Cast <to = 1> (e)
        y = Mul (c, step)""",
    "to float": """[conv] y = M.MatMulIntegerToFloat (q, m, s, sw, z, zw, step4)
        """,
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_same_as_onnxruntime(case: str) -> None:
    shape = "float[3,12] x" if case in ("product", "columns", "to float") else "float[2,3,6,6] x"
    values = VALUES | {"step4": np.float32([0.5, -1, 0.1, 2])}
    model = model_of(Q + CASES[case], values, CODES, shape)
    graph, x = load_graph(model), images(model)
    want = run_onnx(model, x)
    np.testing.assert_allclose(evaluate(graph, x), want, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(run_real(compile_graph(graph), x), want, atol=2e-4)
    (layer,) = [one for one in summarize(graph).layers if one.weights]
    assert layer.becomes == INTEGER


def test_sums_before_a_quantizer_are_exact() -> None:
    """A tie of the sum of integers, which a rounded bias would decide otherwise."""
    body = f"""{Q} {CONV} d = Add (a, b) c = Cast <to = 1> (d)
        e = Mul (c, step) r = QuantizeLinear (e, sy, z) y = DequantizeLinear (r, sy, z)"""
    powers = {"s": np.float32(2**-6), "step": np.float32(2**-13), "sy": np.float32(2**-4)}
    model = model_of(body, powers, CODES)
    graph, x = load_graph(model), images(model)
    want = run_onnx(model, x)
    np.testing.assert_array_equal(evaluate(graph, x), want)
    np.testing.assert_allclose(run_real(compile_graph(graph), x), want, atol=1e-6)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (f"{CONV} y = Relu (a)", ["ConvInteger 'conv'", "read by Relu"]),
        (f"{CONV} d = Add (a, big) y = Cast <to = 1> (d)", ["16777216"]),
        (f"{CONV} d = Add (a, a2) y = Cast <to = 1> (d) a2 = Cast <to = 6> (q)", ["constant"]),
        (f"{CONV} y = DequantizeLinear (a, step, one)", ["zero point of 0"]),
    ],
)
def test_refused(body: str, words: list[str]) -> None:
    codes = CODES | {"big": (2**30, "INT32"), "one": (1, "INT32")}
    refused(model_of(Q + body, VALUES, codes), *words)
