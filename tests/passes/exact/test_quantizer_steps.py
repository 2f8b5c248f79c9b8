"""Scales behind a quantizer join its step; offsets leave its codes, behind pools too."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from n2uqc.frontend.load import load_graph
from n2uqc.passes import compile_graph
from n2uqc.passes.checks.prove import prove_tables
from n2uqc.passes.exact.quantizer_steps import quantizer_steps
from n2uqc.passes.importing.from_graph import import_graph
from n2uqc.passes.program import Program
from n2uqc.passes.program.ops.real import Quantize
from n2uqc.passes.program.text import dump, parse
from tests.frontend.networks import build, images, run_onnx

CODES = "s = Div (x, a) q = Clip (s, low, one) t = Mul (q, n) k = Round (t)"
WEIGHTS = np.random.default_rng(0).choice([-3, -1, 1, 3], (3, 2, 3, 3)) * 0.1
VALUES = {"a": 3.1, "low": -1.0, "one": 1.0, "n": 7.0, "W": WEIGHTS, "w": WEIGHTS[:, :, :1, :1]}


def imported(body: str, **changed: Any) -> Program:
    return quantizer_steps(import_graph(load_graph(build(body, {**VALUES, **changed}))))


def kinds(program: Program) -> list[str]:
    return [op.mnemonic for op in program.ops]


def step(program: Program) -> Fraction | None:
    (found,) = (op for op in program.ops if isinstance(op, Quantize))
    return found.step.rational


def test_one_exact_step() -> None:
    """alpha / n as a rational, whatever the order; the network ends in codes."""
    exact = Fraction(float(np.float32(3.1))) / 7
    for behind in ("v = Div (k, n) y = Mul (v, a)", "v = Mul (a, k) y = Div (v, n)"):
        program = imported(f"{CODES} {behind}", low=0.0)
        assert step(program) == exact
        assert kinds(program)[-1] == "quantize"
        program = imported(f"{CODES} {behind}")
        assert step(program) == exact
        assert kinds(program)[-2:] == ["quantize", "affine"]


def test_what_others_read_or_channels_differ_in_stays() -> None:
    shared = imported(f"{CODES} v = Mul (k, a) y = Add (v, k)", low=0.0)
    assert step(shared) == 1
    channels = imported(f"{CODES} y = Mul (k, c)", low=0.0, c=[[[0.5]], [[0.3]]])
    assert step(channels) == 1


@pytest.mark.parametrize("behind", ["y = Identity (p)", "y = Conv (p, w)"])
@pytest.mark.parametrize("low", [-1.0, 0.0])
def test_the_greatest_of_falling_levels(behind: str, low: float) -> None:
    """A negative scale: the greatest value is the least code."""
    model = build(f"{CODES} m = Mul (k, c) p = MaxPool <kernel_shape = [2, 2]> (m) {behind}",
                  VALUES | {"low": low, "c": -0.5})  # fmt: skip
    x = images(model)
    want = run_onnx(model, x)
    np.testing.assert_allclose(compile_graph(load_graph(model))(x), want, atol=1e-4)


@pytest.mark.parametrize(
    "body",
    [
        "y = Conv <pads = [1, 1, 1, 1]> (z, W)",
        "p = MaxPool <kernel_shape = [2, 2]> (z) y = Conv (p, w)",
        "p = MaxPool <kernel_shape = [2, 2]> (z) u = Conv (p, w) v = Conv (z, W) r = Relu (v)"
        " g = GlobalAveragePool (u) h = GlobalAveragePool (r) y = Add (g, h)",
        "p = MaxPool <kernel_shape = [3, 3]> (z) f = Flatten (p) y = Gemm <transB = 1> (f, V)",
    ],
)
@pytest.mark.parametrize("low", [-1.0, 0.0])
def test_codes_reach_integer_layers(body: str, low: float) -> None:
    """Signed or not, pooled and flattened: every layer of grid weights reads integers."""
    rng = np.random.default_rng(1)
    values = VALUES | {"low": low, "V": rng.choice([-1, 1], (3, 8)) * 0.5}
    model = build(f"{CODES} v0 = Div (k, n) z = Mul (v0, a) {body}", values)
    graph = load_graph(model)
    program = compile_graph(graph)
    assert not any(op.mnemonic == "maxpool" and program.types[op.inputs[0]].bits > 8  # type: ignore[union-attr]
                   for op in program.ops)  # fmt: skip
    assert sum(op.mnemonic == "conv" for op in program.ops) == body.count("Conv ") + (
        "Gemm" in body
    )
    x = images(model, 4)
    np.testing.assert_allclose(program(x), run_onnx(model, x), atol=1e-4)
    assert not any(proof.mismatches for proof in prove_tables(graph, program))


def test_tables_behind_signed_codes_are_proved() -> None:
    """Codes, offset, integer convolution, and the next quantizer, with a constant channel."""
    second = CODES
    for name in "sqtk":
        second = second.replace(f"{name} = ", f"{name}2 = ").replace(f"({name},", f"({name}2,")
    second = second.replace("(x,", "(c,").replace("(t)", "(t2)")
    second = second.replace("k = Round (t2)", "k2 = Round (t2)")
    weights = WEIGHTS.copy()
    weights[1] *= 1e-6  # its codes are all 0
    body = f"{CODES} v = Div (k, n) z = Mul (v, a) c = Conv (z, W) {second} y = Conv (k2, U)"
    model = build(body, VALUES | {"W": weights, "U": np.sign(WEIGHTS.sum(axis=1))[:, :, :1, None]
                                  * np.ones((3, 3, 1, 1))})  # fmt: skip
    graph = load_graph(model)
    program = compile_graph(graph)
    proofs = prove_tables(graph, program)
    assert len(proofs) == 2
    assert not any(proof.mismatches for proof in proofs)
    x = images(model)
    np.testing.assert_allclose(program(x), run_onnx(model, x), atol=1e-3)


def test_rules_of_channels_are_written_and_read() -> None:
    """Rounding half to even of different parity, as text of the real dialect."""
    model = build(CODES + " y = Mul (k, a)", VALUES)
    program = import_graph(load_graph(model))
    assert parse(dump(program)) == program
