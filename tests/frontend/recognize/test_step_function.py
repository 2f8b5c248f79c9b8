"""Quantizers written as other arithmetic on comparisons: sums over an axis, tables, distances."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import read_codebook, read_threshold
from n2uqc.frontend.reference import evaluate
from n2uqc.passes.pipeline import compile_graph
from tests.frontend.networks import build, check_same, images, node, ops, refused, run_onnx

T = [-0.5, 0.1, 0.9]
TABLE = {"T": np.float32(T)}
LAST = {"last": np.int64([-1])}
SUM = "u = Unsqueeze (x, last) c = Greater (u, T) d = Cast <to = 1> (c) "


@pytest.mark.parametrize("compare", ["Greater", "GreaterOrEqual"])
def test_sum_over_an_added_axis(compare: str) -> None:
    body = SUM.replace("Greater", compare) + "y = ReduceSum <keepdims = 0> (d, last)"
    model = build(body, TABLE | LAST)
    graph = check_same(model)
    assert ops(graph) == ["Threshold"]
    params = read_threshold(node(graph, "Threshold"))
    assert (params.step, params.divisor, params.strict) == (3, 3, compare == "Greater")
    np.testing.assert_array_equal(params.thresholds, np.float32([T]))
    ties = np.float32([*T, 0] * 8).reshape(1, 2, 4, 4)
    np.testing.assert_array_equal(evaluate(graph, ties), run_onnx(model, ties))


@given(st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=9), st.booleans())
@settings(max_examples=20, deadline=None)
def test_sums_of_any_thresholds(thresholds: list[float], rising: bool) -> None:
    """Equal and unsorted thresholds, counted from above or below; ties included."""
    order = "c = Greater (u, T)" if rising else "c = LessOrEqual (u, T)"
    body = f"u = Unsqueeze (x, last) {order} d = Cast <to = 7> (c) "
    body += "s = ReduceSum <keepdims = 0> (d, last) y = Cast <to = 1> (s)"
    table = np.float32(thresholds)
    model = build(body, {"T": table} | LAST)
    graph = load_graph(model)
    near = np.concatenate([table, np.nextafter(table, np.float32(9)), -table])
    x = np.resize(near, 2 * 4 * 4).reshape(1, 2, 4, 4).astype(np.float32)
    np.testing.assert_array_equal(evaluate(graph, x), run_onnx(model, x))


@pytest.mark.parametrize("moved", ["Sub (x, a)", "Sub (a, x)", "Add (x, a)", "Mul (x, a)"])
@pytest.mark.parametrize("compare", ["Greater", "LessOrEqual"])
def test_one_threshold_behind_arithmetic(moved: str, compare: str) -> None:
    """A difference that is compared with a number, not with 0, is the compared tensor itself."""
    body = f"b = {moved} c = {compare} (b, t) d = Cast <to = 1> (c) y = Mul (d, s)"
    numbers = {"a": np.float32(0.5), "t": np.float32(-0.66), "s": np.float32(0.495)}
    assert ops(check_same(build(body, numbers))).count("Threshold") == 1


def test_thresholds_of_each_channel() -> None:
    rows = np.float32([T, [0, 0.2, 0.3]])[:, None, None]
    body = SUM + "y = ReduceSum <keepdims = 0> (d, last)"
    graph = check_same(build(body, {"T": rows} | LAST))
    found = read_threshold(node(graph, "Threshold")).thresholds
    np.testing.assert_array_equal(found, rows[:, 0, 0])


def test_levels_from_a_table() -> None:
    levels = np.float32([0.1, 0.2, 0.7, 2.0])
    body = SUM.replace("<to = 1>", "<to = 7>")
    body += "k = ReduceSum <keepdims = 0> (d, last) y = Gather (L, k)"
    graph = check_same(build(body, TABLE | LAST | {"L": levels}))
    assert ops(graph) == ["Codebook"]
    np.testing.assert_array_equal(read_codebook(node(graph, "Codebook")).levels, levels)


def test_nearest_level_of_a_flat_tensor() -> None:
    levels = np.float32([-0.5, 0.25, 1.0, 0.0])
    parameters = {
        "flat": np.int64([-1]), "first": np.int64([0]), "L": levels, "column": levels[:, None],
        "shape": np.int64([-1, 2, 4, 4]),
    }  # fmt: skip
    body = """f = Reshape (x, flat) u = Unsqueeze (f, first) s = Sub (u, column) a = Abs (s)
        k = ArgMin <axis = 0, keepdims = 0> (a) g = Gather (L, k) y = Reshape (g, shape)"""
    graph = check_same(build(body, parameters))
    book = read_codebook(node(graph, "Codebook"))
    np.testing.assert_array_equal(book.levels, np.sort(levels))
    np.testing.assert_array_equal(book.thresholds, [[-0.25, 0.125, 0.625]])


def test_sign() -> None:
    """sign(0) = 0 is a level of its own: a tie passes one of two equal thresholds."""
    model = build("d = Sub (x, t) y = Sign (d)", {"t": np.float32(0.25)})
    graph = check_same(model)
    assert read_threshold(node(graph, "Threshold")).rules[0] == (False, True)
    x = np.float32([0.25, 0.5, 0, -1] * 8).reshape(1, 2, 4, 4)
    np.testing.assert_array_equal(evaluate(graph, x), run_onnx(model, x))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (SUM + "y = ReduceSum <keepdims = 0> (d, wrong)", "no known quantizer"),
        ("r = Relu (x) c = Greater (x, r) y = Cast <to = 1> (c)", "no known quantizer"),
    ],
)  # fmt: skip
def test_refused(body: str, words: str) -> None:
    refused(build(body, TABLE | LAST | {"wrong": np.int64([1])}), words)


def test_more_than_255_thresholds_are_refused() -> None:
    body = SUM + "y = ReduceSum <keepdims = 0> (d, last)"
    refused(build(body, {"T": np.arange(256, dtype=np.float32)} | LAST), "256 thresholds")


class Functional(nn.Module):
    """N2UQ's activation quantizer without its ladders, in several ways of writing it."""

    def __init__(self, style: str) -> None:
        super().__init__()
        self.style = style
        self.a = nn.Parameter(torch.tensor([0.4, -0.1, 0.9]))
        self.start, self.scale1 = nn.Parameter(torch.tensor([-0.2])), nn.Parameter(torch.ones(1))
        self.scale2 = nn.Parameter(torch.tensor([0.7]))

    def thresholds(self) -> Tensor:
        length = torch.clamp(self.a, min=1e-3)
        return self.start + torch.cumsum(length, 0) - length / 2

    def forward(self, x: Tensor) -> Tensor:
        t, x = self.thresholds(), x * self.scale1
        if self.style == "sum":
            code = (x.unsqueeze(-1) > t).sum(-1).float()
        elif self.style == "bucketize":
            code = torch.bucketize(x, t).float()
        elif self.style == "loop":
            code = torch.zeros_like(x)
            for i in range(3):
                code = code + (x - t[i] > 0).float()
        elif self.style == "where":
            code = torch.full_like(x, 3.0)
            for i in reversed(range(3)):
                code = torch.where(x <= t[i], float(i), code)
        elif self.style == "masked":
            code = torch.zeros_like(x)
            for i in range(3):
                code = code.masked_fill(x > t[i], i + 1.0)
        else:
            code = torch.stack([x > t[i] for i in range(3)]).float().sum(0)
        return code * (2 / 3) * self.scale2


STYLES = ["sum", "bucketize", "loop", "where", "masked", "stack"]


@pytest.mark.parametrize(
    ("style", "dynamo"),
    [(s, False) for s in STYLES] + [pytest.param(s, True, marks=pytest.mark.slow) for s in STYLES],
)
def test_functional_code(tmp_path: Path, style: str, dynamo: bool) -> None:
    """The code survives both exporters, and the interpreter of the program gives its values."""
    torch.manual_seed(0)
    quantizer = Functional(style)
    net = nn.Sequential(quantizer, nn.Conv2d(2, 4, 3, padding=1), nn.ReLU()).eval()
    path = tmp_path / "net.onnx"
    x = torch.zeros(3, 2, 6, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            torch.onnx.export(
                net, (x,), path, dynamo=True, dynamic_shapes=({0: torch.export.Dim("b")},)
            )
        else:
            torch.onnx.export(
                net, (x,), path, dynamo=False, opset_version=17, input_names=["x"],
                dynamic_axes={"x": {0: "b"}},
            )  # fmt: skip
    graph = load_graph(path)
    params = read_threshold(node(graph, "Threshold"))
    np.testing.assert_allclose(params.thresholds[0], quantizer.thresholds().detach(), rtol=1e-7)
    assert params.strict and params.bits == 2
    step = params.step / params.divisor
    assert step == pytest.approx(2 / 3 * quantizer.scale2.item(), rel=1e-7)
    model = onnx.load(path)
    given_images = images(model, 3)
    want = run_onnx(model, given_images)
    np.testing.assert_allclose(evaluate(graph, given_images), want, atol=1e-5)
    np.testing.assert_allclose(compile_graph(graph)(given_images), want, atol=1e-3)


@pytest.mark.parametrize("op", ["Min", "Max", "Sum"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_operators_of_any_number_of_inputs(op: str, count: int) -> None:
    """The third is an operand like the others, not the place of the result."""
    steps = " ".join(f"g{k} = Greater (x, T{k}) f{k} = Cast <to = 1> (g{k})" for k in range(count))
    parameters = {f"T{k}": t for k, t in enumerate(T[:count])}
    body = f"{steps} m = {op} ({', '.join(f'f{k}' for k in range(count))}) y = Mul (m, two)"
    check_same(build(body, parameters | {"two": np.float32(2)}))


SIGNS = {
    "zero": 0.0, "one": 1.0, "minus": -1.0, "two": 2.0, "half": 0.5, "tiny": 0.01, "a": 0.31,
    "c": [[[0.3]], [[0.5]]], "t": [[[0.25]], [[-0.5]]],
}  # fmt: skip


@pytest.mark.parametrize(
    ("body", "bits"),
    [
        ("y = Sign (x)", 2),
        ("s = Sign (x) b = Add (s, tiny) y = Sign (b)", 1),
        ("g = GreaterOrEqual (x, zero) y = Where (g, one, minus)", 1),
        ("g = GreaterOrEqual (x, zero) b = Cast <to = 1> (g) m = Mul (b, two) y = Sub (m, one)", 1),
        ("s = Sign (x) y = Mul (s, a)", 2),
        ("s = Sign (x) y = Mul (c, s)", 2),
        ("s = Sign (x) m = Mul (s, c) y = Add (m, t)", 2),
        ("d = Sub (x, t) s = Sign (d) y = Mul (s, a)", 2),
        ("d = Add (x, t) y = Sign (d)", 2),
        ("c2 = Clip (x, minus, one) s = Sign (x) d = Sub (s, c2) y = Add (d, c2)", 2),
        ("s = Sign (x) b = Add (s, one) y = Mul (b, half)", 2),
        ("n = Neg (x) y = Sign (n)", 2),
    ],
)
def test_signs(body: str, bits: int) -> None:
    """sign(0) is 0: three levels, the middle one at a tie only; binary forms have two."""
    model = build(body, SIGNS)
    graph = load_graph(model)
    assert read_threshold(node(graph, "Threshold")).bits == bits
    x = (np.random.default_rng(0).integers(-4, 5, (2, 2, 4, 4)) / 4).astype(np.float32)
    want = run_onnx(model, x)
    np.testing.assert_allclose(evaluate(graph, x), want, atol=1e-7)
    np.testing.assert_allclose(compile_graph(graph)(x), want, atol=1e-4)


@pytest.mark.parametrize("batch", ["1", "N", "2"])
@pytest.mark.parametrize("flatten", ["Flatten ({})", "Reshape ({}, r)"])
@pytest.mark.parametrize(
    "body",
    [
        "f = FLAT(x) s = Sign (f) y = MatMul (s, W)",
        "s = Sign (x) f = FLAT(s) y = MatMul (f, W)",
        "f = FLAT(x) g = Greater (f, t) c = Cast <to = 1> (g) y = MatMul (c, W)",
        "g = Greater (x, t) c = Cast <to = 1> (g) f = FLAT(c) y = MatMul (f, W)",
    ],
)
def test_beside_a_flatten(body: str, flatten: str, batch: str) -> None:
    """Flattening a batch of 1 could be mistaken for a part of the quantizer."""
    body = re.sub(r"FLAT\((\w)\)", lambda m: flatten.format(m[1]), body)
    weights = np.random.default_rng(0).standard_normal((32, 3)).astype(np.float32)
    parameters = {"W": weights, "t": np.float32(0.3), "r": np.int64([0, -1])}
    graph = check_same(build(body, parameters, x=f"float[{batch},2,4,4] x"))
    assert ops(graph).count("Threshold") == 1


@pytest.mark.parametrize("one", [1.0, -1.0])
def test_a_step_to_infinity_is_refused_without_a_warning(one: float) -> None:
    body = "[g] b = Greater (x, t) c = Cast <to = 1> (b) f = Div (one, c) y = Conv (f, W)"
    parameters = {"t": np.float32(0.3), "one": np.float32(one), "W": np.ones((2, 2, 1, 1))}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refused(build(body, parameters), "'g'")
