"""A channels-last input keeps its Transpose at the input, whatever follows or precedes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnxruntime import InferenceSession

from n2uqc.frontend.load import load_graph
from n2uqc.passes import compile_graph
from tests.frontend.networks import build, check_same, images, ops, run_onnx

T, BACK = "Transpose <perm = [0, 3, 1, 2]>", "Transpose <perm = [0, 2, 3, 1]>"
CONV = "y = Conv (u, W)"
VALUES: dict[str, Any] = {
    "W": [[[[1.25]], [[0.5]], [[-1.0]]], [[[0.0]], [[-0.75]], [[2.0]]]],
    "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.25], "s": 0.25, "low": -8.0, "high": 7.0,
    "zero": np.int8(0), "zeros": np.array([1, -2, 3], np.int8), "s3": [0.25, 0.5, 0.125],
}  # fmt: skip
PAIR = "q = QuantizeLinear (x, s, zero) v = DequantizeLinear (q, s, zero)"


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (f"t = {T} (x) q = QuantizeLinear (t, s, zero) u = DequantizeLinear (q, s, zero) {CONV}",
         ["Transpose", "Threshold", "Add", "Conv"]),
        (f"t = {T} (x) d = Div (t, s) c = Clip (d, low, high) k = Round (c) u = Mul (k, s) {CONV}",
         ["Transpose", "Threshold", "Add", "Conv"]),
        (f"t = {T} (x) u = Div (t, s) {CONV}", ["Transpose", "Div", "Conv"]),
        (f"t = {T} (x) u = Clip (t, low, high) {CONV}", ["Transpose", "Clip", "Conv"]),
        (f"a = Sub (x, mean) b = Div (a, std) u = {T} (b) {CONV}",
         ["Transpose", "Sub", "Div", "Conv"]),
        (f"d = Div (x, std) c = Clip (d, low, high) k = Round (c) m = Mul (k, std) u = {T} (m)"
         f" {CONV}", ["Transpose", "Threshold", "Add", "Mul", "Conv"]),
        (f"{PAIR} u = {T} (v) {CONV}", ["Transpose", "Threshold", "Add", "Conv"]),
        (f"q = QuantizeLinear <axis = 3> (x, s3, zeros) v = DequantizeLinear <axis = 3>"
         f" (q, s3, zeros) u = {T} (v) {CONV}", ["Transpose", "Threshold", "Add", "Mul", "Conv"]),
        (f"t = {T} (x) v = {T} (x) a = Conv (t, W) b = Conv (v, W) y = Add (a, b)",
         ["Transpose", "Conv", "Conv", "Add"]),
        (f"t = {T} (x) r = Relu (t) b = {BACK} (r) u = {T} (b) {CONV}",
         ["Transpose", "Relu", "Conv"]),
        (f"t = {T} (x) c = Clip (t, low, high) a = Conv (c, W) y = {BACK} (a)",
         ["Transpose", "Clip", "Conv", "Transpose"]),
    ],
)  # fmt: skip
def test_forms(body: str, wanted: list[str]) -> None:
    assert ops(check_same(build(body, VALUES, x="float[N,4,5,3] x"))) == wanted


def test_a_program_takes_the_users_layout() -> None:
    body = f"{PAIR} u = {T} (v) {CONV}"
    model = build(body, VALUES, x="float[N,4,5,3] x")
    x = images(model)
    np.testing.assert_allclose(compile_graph(load_graph(model))(x), run_onnx(model, x), atol=1e-4)


@pytest.mark.parametrize(
    "other",
    [
        "f = Flatten (t)",
        "f = Reshape (t, flat)",
        "s = Slice (t, one, far, one) f = Flatten (s)",
        "u = Transpose <perm = [0, 1, 3, 2]> (t) f = Flatten (u)",
    ],
)
def test_the_first_map_may_be_moved_beside_its_other_readers(other: str) -> None:
    body = (
        f"t = Transpose <perm = [0, 3, 1, 2]> (x) {other} r = Conv (t, w) y = Relu (r) z = Relu (f)"
    )
    parameters = {
        "w": np.ones((1, 3, 2, 2), np.float32), "flat": np.array([0, -1]),
        "one": np.array([1]), "far": np.array([9]),
    }  # fmt: skip
    model = build(body, parameters, x="float[N,4,5,3] x", y="float[] y, float[] z")
    graph = load_graph(model)
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype(np.float32)
    want = InferenceSession(model.SerializeToString()).run(None, {"x": x})
    got = compile_graph(graph)({"x": x})
    for name, value in zip("yz", want, strict=True):
        np.testing.assert_allclose(got[name], value, atol=2e-3)
