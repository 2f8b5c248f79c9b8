"""Degenerate parameters fold exactly or are refused by node; nothing hangs, nothing is NaN."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from decimal import localcontext
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.passes import compile_graph
from n2uqc.passes.checks.prove import prove_tables
from n2uqc.passes.program import quantize_input, real_output, run

from ...properties.builder import F32, NetworkBuilder
from ..test_exactness import decimal_codes


@pytest.fixture(autouse=True, scope="module")
def digits() -> Iterator[None]:
    with localcontext() as context:
        context.prec = 60
        yield


def network(stream: bool, bits: int = 2, **given: Any) -> ir.Model:
    """Quantizer, convolution, BatchNorm, PReLU, bias, quantizer, convolution; perhaps a skip."""
    b = NetworkBuilder(1, 2, 4)

    def full(name: str, default: float, *shape: int) -> str:
        return b.array(np.full(shape, given.get(name, default), F32))

    def quantize(
        x: str, table: Any = None, scale: float = 1, strict: int = 1, step: float = 1
    ) -> str:
        n = 2**bits - 1
        rows = np.linspace(-0.5, 1.0, n) if table is None else table
        inputs = [np.asarray(rows, F32).reshape(1, n), np.array(F32(scale)), np.array(float(step))]
        return b.node(
            "Threshold", [x, *map(b.array, inputs)], b.shape[x], divisor=n, strict=strict, bits=bits
        )

    x = quantize("x")
    top = 2**bits - 1
    codes = (2 * b.rng.integers(0, top + 1, (4, 2, 3, 3)) - top).astype(np.int64)
    steps = np.full(4, given.get("weight_step", 0.4), np.float64)
    weight = b.node(
        "Weight",
        [b.array(codes.astype(np.int16 if bits == 8 else np.int8)), b.array(steps)],
        codes.shape,
        divisor=2 * top,
        bits=bits,
    )
    y = b.node("Conv", [x, weight], (4, 4, 4), pads=[1] * 4, kernel_shape=[3, 3], strides=[1, 1])
    rows = [full("gamma", 0.7, 4), full("beta", 0.1, 4), full("mean", 0.2, 4), full("var", 2, 4)]
    y = b.node("BatchNormalization", [y, *rows], b.shape[y], epsilon=float(given.get("eps", 1e-5)))
    y = b.node("PRelu", [y, full("slope", 0.25, 4, 1, 1)], b.shape[y])
    y = b.node("Add", [y, full("bias", 0.05, 1, 4, 1, 1)], b.shape[y])
    if stream:
        y = b.prelu(b.add(y, b.batchnorm(b.conv("x", 4, bits=None))))
    quantizer = {k: v for k, v in given.items() if k in ("table", "scale", "strict", "step")}
    y = quantize(y, **quantizer)
    return b.model(b.batchnorm(b.conv(y, 3, bits=2, kernel=given.get("kernel", 1))))


FOLDED: list[dict[str, Any]] = [
    {},
    *({"gamma": v} for v in (0, -1, 1e30, -1e30, 1e-30, 1e-45, 3e38)),
    *({"beta": v} for v in (0, 1e30, 1e-30)),
    {"mean": 1e30},
    {"bias": 1e30},
    {"bias": -1e-30},
    *({"var": v} for v in (0, 1e-45, 1e30)),
    {"eps": 0},
    *({"slope": v} for v in (0, -0.5, 1, 1e30, -1e30, 1e-30)),
    *({"scale": v} for v in (0, -1, 1e30, 1e-30, -1e-30)),
    *({"step": v} for v in (-1, 1e30, 1e-30)),
    *({"weight_step": v} for v in (0, -1, 1e30, 1e-30)),
    {"strict": 0},
    {"table": [1e30] * 3},
    {"table": [-1e30] * 3},
    {"table": [0.1] * 3},
    {"table": [0, 0, 0], "strict": 0},
    {"gamma": 0, "beta": 0, "bias": 0, "table": [0, 0, 0]},
    {"gamma": 0, "beta": 0, "bias": 0, "table": [0, 0, 0], "strict": 0},
    {"gamma": 0, "beta": 0.9, "kernel": 3},
    {"bits": 1},
    {"bits": 3},
]
REFUSED = [
    *(
        {name: value}
        for name in ("gamma", "beta", "mean", "var", "slope", "bias", "scale")
        for value in (np.nan, np.inf)
    ),
    {"var": -1},
    {"var": -1e-5},
    {"var": 0, "eps": 0},
    {"step": 0},
    {"step": np.nan},
    {"weight_step": np.nan},
    {"table": [0, np.nan, 1]},
    {"table": [0, 1, np.inf]},
    {"table": [1, 0, 2]},
]


@pytest.mark.parametrize("given", FOLDED, ids=str)
def test_degenerate_parameters_fold_exactly(given: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = network(False, **given)
        program = compile_graph(model)
        proofs = prove_tables(model, program)
        assert len(proofs) == 2 and not [m for p in proofs for m in p.mismatches]
        assert decimal_codes(model, program) > 0
        x = np.random.default_rng(0).normal(0, 1, (2, 2, 4, 4)).astype(F32)
        y = real_output(program, run(program, quantize_input(program, x)))
    assert np.isfinite(y).all()


@pytest.mark.parametrize("given", FOLDED, ids=str)
def test_degenerate_parameters_before_a_skip_fold_or_are_refused(given: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = network(True, **given)
        huge = any(abs(v) >= 1e30 for v in given.values() if isinstance(v, float))
        try:
            program = compile_graph(model)
        except CompileError:
            if not huge:
                raise
            return
        proofs = prove_tables(model, program)
        assert len(proofs) == 2 and not [m for p in proofs for m in p.mismatches]
        x = np.random.default_rng(0).normal(0, 1, (2, 2, 4, 4)).astype(F32)
        y = real_output(program, run(program, quantize_input(program, x)))
    assert np.isfinite(y).all()


@pytest.mark.parametrize("given", REFUSED, ids=str)
def test_impossible_parameters_are_refused_by_node(given: dict[str, Any]) -> None:
    with pytest.raises(CompileError) as caught:
        compile_graph(network(False, **given))
    assert caught.value.problems and all(p.node for p in caught.value.problems)


def test_wide_codes_fold_exactly() -> None:
    model = network(False, bits=8)
    program = compile_graph(model)
    assert not [m for p in prove_tables(model, program) for m in p.mismatches]
