"""Each QLinear operator by itself against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.reference import evaluate
from n2uqc.frontend.summary import INTEGER, summarize
from tests.frontend.integer_operators.networks import check, model_of
from tests.frontend.networks import images, refused, run_onnx

Q = "[quantize] q = QuantizeLinear (x, sx, zx)\n"
D = "\n[out] y = DequantizeLinear (r, sy, zy)"
ROW = "float[4,12] x"
SIGNS = {"UINT8": (3, 131), "INT8": (-7, 5)}


def scales(**more: Any) -> dict[str, Any]:
    values = {"sx": 0.0217, "sy": 0.0631, **more}
    return {name: np.float32(value) for name, value in values.items()}


def zeros(kind: str, **more: tuple[Any, str]) -> dict[str, tuple[Any, str]]:
    first, second = SIGNS[kind]
    return {"zx": (first, kind), "zy": (second, kind), **more}


def codes(shape: tuple[int, ...], seed: int = 0, most: int = 63) -> Any:
    """Weights at most 63: products of larger ones saturate in onnxruntime on old processors."""
    return np.random.default_rng(seed).integers(-most, most + 1, shape)


@pytest.mark.parametrize("kind", sorted(SIGNS))
@pytest.mark.parametrize("channels", [False, True])
def test_convolution(kind: str, channels: bool) -> None:
    body = f"""{Q} r = QLinearConv <pads = [1,1,1,1], strides = [2,2], kernel_shape = [3,3]>
        (q, sx, zx, w, sw, zw, sy, zy, b) {D}"""
    step = np.random.default_rng(1).uniform(0.004, 0.012, 4) if channels else 0.0071
    more = {
        "w": (codes((4, 3, 3, 3)), "INT8"), "zw": (np.zeros(np.shape(step)), "INT8"),
        "b": (codes((4,), 2, 9000), "INT32"),
    }  # fmt: skip
    model = model_of(body, scales(sw=step), zeros(kind, **more))
    check(model, 0.0631)
    (layer,) = [one for one in summarize(load_graph(model)).layers if one.weights]
    assert layer.becomes == INTEGER


def test_grouped_one_dimensional_without_bias() -> None:
    body = f"{Q} r = QLinearConv <group = 3, dilations = [2]> (q, sx, zx, w, sw, zw, sy, zy) {D}"
    more = {"w": (codes((6, 1, 3)), "INT8"), "zw": (0, "INT8")}
    model = model_of(body, scales(sw=0.011), zeros("UINT8", **more), "float[2,3,9] x")
    check(model, 0.0631)


@pytest.mark.parametrize("column", [(), (5,), (1, 5)])
def test_product(column: tuple[int, ...]) -> None:
    """One scale, or one per column; weights with a zero point."""
    body = f"{Q} r = QLinearMatMul (q, sx, zx, w, sw, zw, sy, zy) {D}"
    step = np.random.default_rng(1).uniform(0.01, 0.03, column)
    more = {"w": (codes((12, 5)) + 64, "UINT8"), "zw": (np.full(column, 60), "UINT8")}
    model = model_of(body, scales(sw=step), zeros("UINT8", **more), ROW)
    check(model, 0.0631, flips=0.06)  # of 20 codes


@pytest.mark.parametrize("quantized", [True, False])
def test_gemm(quantized: bool) -> None:
    output = "sy, zy" if quantized else ""
    body = f"{Q} r = M.QGemm <transB = 1, alpha = 0.5> (q, sx, zx, w, sw, zw, b, {output})"
    body = body.replace("b, )", "b)") + (D if quantized else "\ny = Identity (r)")
    step = np.random.default_rng(1).uniform(0.02, 0.04, 5)
    more = {
        "w": (codes((5, 12)), "INT8"), "zw": (np.zeros(5), "INT8"), "b": (codes((5,), 2), "INT32"),
    }  # fmt: skip
    model = model_of(body, scales(sw=step), zeros("INT8", **more), ROW)
    if quantized:
        check(model, 0.0631, flips=0.06)
        return
    x, graph = images(model), load_graph(model)
    np.testing.assert_allclose(evaluate(graph, x), run_onnx(model, x), rtol=1e-5)


@pytest.mark.parametrize("operator", ["QLinearAdd", "QLinearMul"])
def test_of_two_tensors(operator: str) -> None:
    body = f"""[pre] u = LeakyRelu <alpha = 0.25> (x)
        [qb] t = QuantizeLinear (u, sb, zb)
        r = M.{operator} (q, sx, zx, t, sb, zb, sy, zy)"""
    model = model_of(Q + body + D, scales(sb=0.0313), zeros("UINT8", zb=(40, "UINT8")))
    check(model, 0.0631)


@pytest.mark.parametrize(
    ("operator", "shape"),
    [
        ("QLinearLeakyRelu <alpha = 0.2>", "float[2,3,6,6] x"),
        ("QLinearSigmoid", "float[2,3,6,6] x"),
        ("QLinearAveragePool <kernel_shape = [2,2], strides = [2,2]>", "float[2,3,6,6] x"),
        ("QLinearGlobalAveragePool", "float[4,9,6,6] x"),
    ],
)
@pytest.mark.parametrize("kind", sorted(SIGNS))
def test_of_one_tensor(operator: str, shape: str, kind: str) -> None:
    model = model_of(f"{Q} r = M.{operator} (q, sx, zx, sy, zy) {D}", scales(sy=0.0211),
                     zeros(kind), shape)  # fmt: skip
    check(model, 0.0211, flips=0.03)


def test_attributes_that_are_not_the_operators_are_left_out() -> None:
    """No schema of ONNX checks these operators: anything may stand there, of any type."""
    operator = "M.QLinearLeakyRelu <alpha = 0.2, kernel_shape = 2, domain = 3.5>"
    model = model_of(f"{Q} r = {operator} (q, sx, zx, sy, zy) {D}", scales(sy=0.0211),
                     zeros("UINT8"), "float[2,3,6,6] x")  # fmt: skip
    assert all(layer.kernel == [] for layer in summarize(load_graph(model)).layers)


def test_channels_last() -> None:
    body = f"""{Q} t = Transpose <perm = [0,2,3,1]> (q)
        g = M.QLinearGlobalAveragePool <channels_last = 1> (t, sx, zx, sy, zy)
        r = Transpose <perm = [0,3,1,2]> (g) {D}"""
    check(model_of(body, scales(sy=0.0111), zeros("UINT8"), "float[4,9,6,6] x"), 0.0111, flips=0.03)


def test_concat() -> None:
    body = """[pre] u = LeakyRelu <alpha = 0.25> (x)
        [qb] t = QuantizeLinear (u, sb, zb)
        r = M.QLinearConcat <axis = 1> (sy, zy, q, sx, zx, t, sb, zb)"""
    check(model_of(Q + body + D, scales(sb=0.0313), zeros("INT8", zb=(40, "INT8"))), 0.0631)


def test_zero_points_left_out() -> None:
    """The type of the codes then is that of the inputs. (onnxruntime ends in an abort.)"""
    values, types = scales(), {"zx": (0, "INT8"), "zy": (0, "INT8")}
    graphs = [
        load_graph(model_of(f"""{Q} a = M.QLinearAdd (q, sx, zx, q, sx, zx, sy, {zero})
            r = M.QLinearLeakyRelu <alpha = 0.5> (a, sy, {zero}, sy, {zero})
            [out] y = DequantizeLinear (r, sy, zy)""", values, types))
        for zero in ("", "zy")
    ]  # fmt: skip
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 6)).astype(np.float32)
    results = [evaluate(graph, x) for graph in graphs]
    np.testing.assert_array_equal(results[0], results[1])
    assert results[0].min() < 0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("r = QLinearConv (q, sx, zx, w, q, zw, sy, zy, b)", ["QLinearConv", "constant scale"]),
        ("r = QLinearConv (q, sx, zx, w, sx, zx, sy, zy, q)", ["constant bias"]),
        ("r = M.QLinearConcat (sy, zy, q, sx)", ["4 inputs"]),
        ("r = M.QLinearAdd (q, sx, zx)", ["missing"]),
        ("r = M.QGemm (q, sx, zx, w, s3, z3, b, sy, zy)", ["QGemm", "3 scales"]),
        ("r = M.QLinearGlobalAveragePool <channels_last = 1.5> (q, sx, zx, sy, zy)", ["damaged"]),
    ],
)
def test_refused(body: str, words: list[str]) -> None:
    more = {"w": (codes((4, 3, 3, 3)), "INT8"), "zw": (0, "INT8"), "b": (codes((4,)), "INT32"),
            "z3": (np.zeros(3), "INT8")}  # fmt: skip
    refused(model_of(f"{Q} {body} {D}", scales(s3=[1, 2, 3]), zeros("UINT8", **more)), *words)
