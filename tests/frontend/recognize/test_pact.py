"""PACT: every way it is exported, codes against exact arithmetic and PyTorch, ties, refusals."""

from __future__ import annotations

import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import n2uqc
from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import Threshold, is_op, read_threshold
from n2uqc.frontend.recognize.uniform import KIND
from n2uqc.frontend.reference import evaluate
from n2uqc.models.export import export_onnx
from n2uqc.models.pact import PACT
from n2uqc.models.quantizers import QuantizedConv2d
from n2uqc.models.randomize import randomize
from n2uqc.passes.checks.prove import prove_tables
from tests.frontend.networks import Array, build, check_same, node, ops, refused, run_onnx

RELU = "[relu] r = Relu (x)"
RELU6 = "[relu] r = Clip (x, zero, six)"
CLIP = "[less] l = Less (r, c) [where] w = Where (l, r, c)"
ROUND = "[mul] p = Mul (w, m) [round] k = Round (p) [div] q = Div (k, m)"
PAIR = "[add] a = Add (q, w) [sub] y = Sub (a, w)"
EXPORTED = "\n".join([RELU, CLIP, ROUND, PAIR])
PAPER = """u = Abs (x) d = Sub (x, c) v = Abs (d) t = Sub (u, v) s = Add (t, c)
    w = Mul (s, half)"""


def parameters(clip: float = 2.0, n: int = 15, **changed: Any) -> dict[str, Any]:
    """What `EXPORTED` reads; m as PyTorch computes it."""
    level = np.array([clip], np.float32)
    found: dict[str, Any] = {"c": level, "m": np.float32(1) / level * np.float32(n)}
    found |= {"zero": np.float32(0), "six": np.float32(6), "half": np.float32(0.5)}
    return found | {name: np.asarray(value, np.float32) for name, value in changed.items()}


def codes(params: Threshold, x: Array) -> Array:
    """The quantizer's codes; float64 holds the product of two float32 exactly."""
    scaled = x.astype(np.float64) * float(params.input_scale)
    rows = zip(params.thresholds[0].astype(np.float64), params.rules[0], strict=True)
    found: Array = np.sum([scaled > t if strict else scaled >= t for t, strict in rows], axis=0)
    return found


def boundaries(params: Threshold) -> Array:
    """float32 numbers on, and two to either side of, every place where the code may rise."""
    at = (params.thresholds[0] / np.float64(params.input_scale)).astype(np.float32)
    steps = [at]
    for towards in (-np.inf, np.inf):
        near = np.nextafter(at, np.float32(towards))
        steps += [near, np.nextafter(near, np.float32(towards))]
    return np.concatenate(steps)


@pytest.mark.parametrize("pair", [PAIR, "a = Add (w, q) y = Sub (a, w)", "y = Identity (q)"])
@pytest.mark.parametrize("first", [RELU, RELU6, "r = Max (x, zero)"])
def test_forms(first: str, pair: str) -> None:
    graph = check_same(build("\n".join([first, CLIP, ROUND, pair]), parameters(2.5)))
    bound = [] if first is RELU else ["Clip" if first is RELU6 else "Relu"]
    assert ops(graph) == [*bound, "Threshold"]
    found = node(graph, "Threshold")
    assert (found.name, found.outputs[0].name) == ("div", "y")
    assert found.metadata_props[KIND] == "uniform"


@pytest.mark.parametrize(
    "clip",
    [
        "l = Less (r, c) w = Where (l, r, c)",
        "l = LessOrEqual (r, c) w = Where (l, r, c)",
        "l = Greater (c, r) w = Where (l, r, c)",
        "l = GreaterOrEqual (c, r) w = Where (l, r, c)",
        "l = Greater (r, c) w = Where (l, c, r)",
        "l = Less (c, r) w = Where (l, c, r)",
        "c2 = Identity (c) l = Less (r, c2) w = Where (l, r, c)",
    ],
)
@pytest.mark.parametrize("product", ["Mul (w, m)", "Mul (m, w)"])
def test_every_way_of_clipping(clip: str, product: str) -> None:
    graph = check_same(
        build("\n".join([RELU, clip, ROUND.replace("Mul (w, m)", product), PAIR]), parameters())
    )
    assert ops(graph) == ["Threshold"]


def test_factor_not_folded() -> None:
    body = "i = Reciprocal (c) m = Mul (i, n) " + EXPORTED
    made = parameters(1.7)
    del made["m"]
    params = read_threshold(
        node(check_same(build(body, made | {"n": np.float32(15)})), "Threshold")
    )
    assert params.input_scale == np.float32(1) / np.float32(1.7) * np.float32(15)


@settings(max_examples=60, deadline=None)
@given(bits=st.integers(1, 8), clip=st.floats(2**-7, 2**7, width=32), reciprocal=st.booleans())
def test_codes_are_those_of_exact_arithmetic(bits: int, clip: float, reciprocal: bool) -> None:
    """round(min(max(x, 0), c) * m) in rational arithmetic, at every boundary and past the clip."""
    n = 2**bits - 1
    made = parameters(clip, n) if reciprocal else parameters(clip, n, m=[np.float32(n) / clip])
    params = read_threshold(node(load_graph(build(EXPORTED, made)), "Threshold"))
    assert (params.step, params.divisor, params.bits) == (float(np.float32(clip)), n, bits)
    assert params.rules[0] == tuple(k % 2 == 0 for k in range(n))
    c, m = Fraction(float(made["c"][0])), Fraction(float(made["m"][0]))
    x = np.concatenate(
        [boundaries(params), np.array([-clip, -1e-6, 0, clip, 2 * clip, 1e9], np.float32)]
    )
    want = [round(min(max(Fraction(float(v)), Fraction(0)), c) * m) for v in x]
    np.testing.assert_array_equal(codes(params, x), want)


def exact_clips(bits: int) -> list[float]:
    """Clipping levels whose factor PyTorch computes as a power of two, so that ties occur."""
    n = 2**bits - 1
    found = [n * 2.0**e for e in range(-4, 2)]
    return [c for c in found if np.float32(1) / np.float32(c) * np.float32(n) * c == n]


@pytest.mark.parametrize(
    "clip",
    [
        "w = Min (r, c)", "w = Clip (x, zero, c)", "w = Clip (r, , c)", PAPER,
        PAPER.replace("Mul (s, half)", "Div (s, two)"),
    ],
)  # fmt: skip
def test_other_ways_to_clip(clip: str) -> None:
    body = EXPORTED.replace(CLIP, clip)
    if "r" not in clip.split("(")[1]:
        body = body.replace(RELU, "")
    graph = check_same(build(body, parameters(two=2.0)))
    assert ops(graph) == ["Threshold"]
    want = read_threshold(node(load_graph(build(EXPORTED, parameters())), "Threshold"))
    found = read_threshold(node(graph, "Threshold"))
    np.testing.assert_array_equal(found.thresholds, want.thresholds)
    assert (found.rules, found.step, found.input_scale) == (
        want.rules, want.step, want.input_scale
    )  # fmt: skip


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_ties_as_in_torch(bits: int) -> None:
    n = 2**bits - 1
    assert exact_clips(bits)
    for clip in exact_clips(bits):
        module = PACT(bits, clip)
        params = read_threshold(node(load_graph(build(EXPORTED, parameters(clip, n))), "Threshold"))
        x = np.concatenate(
            [boundaries(params), np.float32(np.arange(2 * n + 4) - 1) / 2 * clip / n]
        )
        want = np.rint(module(torch.from_numpy(x)).detach().numpy() * n / clip).astype(int)
        ties = x.astype(np.float64) * params.input_scale % 1 == 0.5
        assert ties.sum() >= n
        np.testing.assert_array_equal(codes(params, x), want)


def small(bits: int, clip: float) -> nn.Sequential:
    """Build the end of the published MobileNetV2: a block, PACT and the last convolution."""
    torch.manual_seed(bits)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU6(),
        PACT(bits, clip), QuantizedConv2d(6, 5, 1, bits), nn.BatchNorm2d(5), nn.ReLU6(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4),
    )  # fmt: skip
    randomize(net, bits)
    with torch.no_grad():
        net[3].clip_val.fill_(clip)  # type: ignore[operator]
    return net.eval()


def check_export(net: nn.Sequential, path: Path) -> None:
    """The file's quantizer gives the module's codes, its network the file's output."""
    graph = load_graph(path)
    module = net[3]
    assert isinstance(module, PACT)
    (params,) = (read_threshold(n) for n in graph.graph if is_op(n, "Threshold"))
    clip = module.clip_val.item()
    assert (params.step, params.divisor, params.bits) == (clip, module.steps, module.bits)
    assert params.input_scale == (module.steps / module.clip_val).item()
    x = np.random.default_rng(1).standard_normal((4, 3, 8, 8)).astype(np.float32)
    with torch.no_grad():
        inner = net[:3](torch.from_numpy(x))
        level = module(inner).numpy()
    want = np.rint(level.astype(np.float64) * module.steps / clip)
    assert len(np.unique(want)) > module.steps // 2
    np.testing.assert_array_equal(codes(params, inner.numpy()), want)
    y = run_onnx(onnx.load(path), x)
    np.testing.assert_allclose(evaluate(graph, x), y, rtol=1e-4, atol=1e-4)
    program = n2uqc.load(path)
    np.testing.assert_allclose(program(x).reshape(y.shape), y, rtol=1e-3, atol=1e-3)
    proofs = prove_tables(graph, program)
    assert proofs and not any(proof.mismatches for proof in proofs)


@pytest.mark.parametrize(("bits", "clip"), [(2, 1.7), (3, 2.2), (4, 2.9), (4, 7.5)])
def test_torchscript_export(tmp_path: Path, bits: int, clip: float) -> None:
    net = small(bits, clip)
    export_onnx(net, tmp_path / "net.onnx", torch.zeros(1, 3, 8, 8))
    assert "Relu" in [n.op_type for n in onnx.load(tmp_path / "net.onnx").graph.node]
    check_export(net, tmp_path / "net.onnx")


def test_dynamo_export(tmp_path: Path) -> None:
    net = small(4, 2.9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net, (torch.zeros(2, 3, 8, 8),), tmp_path / "net.onnx", dynamo=True,
            input_names=["input"], dynamic_shapes=({0: torch.export.Dim("batch")},),
        )  # fmt: skip
    check_export(net, tmp_path / "net.onnx")


@pytest.mark.parametrize(
    ("changed", "body", "words"),
    [
        ({"m": [-7.5]}, EXPORTED, "a factor of -7.5"),
        ({"c": [-2.0]}, EXPORTED, "a clipping level of -2"),
        ({"m": [128.0]}, EXPORTED, "257 levels"),
        ({"m": [0.1]}, EXPORTED, "0.2 steps"),
        ({}, EXPORTED.replace(RELU, "r = LeakyRelu (x)"), "'r' may be negative"),
        ({}, EXPORTED.replace(RELU, "r = Clip (x, , six)"), "'r' may be negative"),
        ({}, EXPORTED.replace("Less (r, c)", "Greater (r, c)"), "not the smaller"),
        ({}, EXPORTED.replace("Less (r, c)", "Less (r, six)"), "not the smaller"),
        ({}, EXPORTED.replace("Less (r, c)", "Less (x, c)"), "not the smaller"),
        ({}, EXPORTED.replace(CLIP, "w = Relu (r)"), "without an upper clip"),
        ({}, EXPORTED.replace(RELU, "").replace(CLIP, "w = Clip (x, , c)"), "may be negative"),
        ({}, EXPORTED.replace(RELU, "").replace(CLIP, "w = Min (x, c)"), "may be negative"),
    ],
)
def test_refusals(changed: dict[str, Any], body: str, words: str) -> None:
    """One problem, naming the division."""
    problems = refused(build(body, parameters(**changed)), words)
    assert [(p.node, p.op) for p in problems] == [("div", "Div")]


@pytest.mark.parametrize("changed", [{"c": [[[2.0]], [[3.0]]]}, {"m": [[[7.5]], [[5.0]]]}])
def test_channels_of_different_numbers_of_levels(changed: dict[str, Any]) -> None:
    problems = refused(build(EXPORTED, parameters(**changed)), "channels that are rounded")
    assert [(p.node, p.op) for p in problems] == [("round", "Round")]


def test_a_level_for_each_channel() -> None:
    changed = {"c": [[[2.0]], [[3.0]]], "m": [[[7.5]], [[5.0]]]}
    assert "Threshold" in ops(check_same(build(EXPORTED, parameters(**changed))))


@pytest.mark.parametrize("changed", [{"c": [2.1]}, {"c": [2.00001]}, {"m": [7.6]}])
@pytest.mark.parametrize("divisor", ["m", "c"])
def test_steps_that_do_not_end_at_the_clip(changed: dict[str, Any], divisor: str) -> None:
    """No PACT, but a quantizer as written."""
    body = EXPORTED.replace("Div (k, m)", f"Div (k, {divisor})")
    assert "Threshold" in ops(check_same(build(body, parameters(**changed))))


def test_a_lower_clip_below_zero() -> None:
    model = build(EXPORTED.replace(RELU, RELU6), parameters(zero=-1.0))
    assert ops(check_same(model))[:2] == ["Threshold", "Add"]
