"""Quantizers with a trained bound: any float32, held against rational arithmetic on the file."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.frontend.load import load_graph
from n2uqc.passes import compile_graph
from n2uqc.passes.checks.prove import prove_tables
from tests.frontend.exact_values import around, of_file, of_graph
from tests.frontend.networks import build, ops, refused

UNSIGNED = {
    "PACT": "q = Clip (x, zero, a) s = Mul (q, n) t = Div (s, a) k = Round (t) v = Mul (k, a)"
            " y = Div (v, n)",
    "divided first": "s = Div (x, a) q = Clip (s, zero, one) t = Mul (q, n) k = Round (t)"
                     " v = Div (k, n) y = Mul (v, a)",
    "Min of Relu": "r = Relu (x) q = Min (r, a) s = Div (q, a) t = Mul (s, n) k = Round (t)"
                   " v = Div (k, n) y = Mul (a, v)",
    "Where": "r = Relu (x) l = Less (r, a) q = Where (l, r, a) s = Mul (n, q) t = Div (s, a)"
             " k = Round (t) v = Mul (k, a) y = Div (v, n)",
    "Max of Min": "m = Min (x, a) q = Max (m, zero) s = Div (q, a) t = Mul (s, n) k = Round (t)"
                  " v = Mul (k, a) y = Div (v, n)",
    "floor": "q = Clip (x, zero, a) s = Div (q, a) t = Mul (s, n) h = Add (t, half) k = Floor (h)"
             " v = Div (k, n) y = Mul (v, a)",
    "DoReFa": "s = Mul (x, a) q = Clip (s, zero, one) t = Mul (q, n) k = Round (t) y = Div (k, n)",
    "paper": "u = Abs (x) d = Sub (x, a) w = Abs (d) e = Sub (u, w) g = Add (e, a)"
             " q = Mul (g, half) s = Mul (q, n) t = Div (s, a) k = Round (t) v = Mul (k, a)"
             " y = Div (v, n)",
}  # fmt: skip
SIGNED = {
    "normalized": "s = Div (x, a) q = Clip (s, minus, one) t = Mul (q, n) k = Round (t)"
                  " v = Div (k, n) y = Mul (v, a)",
    "clipped first": "q = Clip (x, b, a) s = Div (q, a) t = Mul (s, n) k = Round (t)"
                     " v = Mul (k, a) y = Div (v, n)",
    "clipped last": "s = Div (x, a) t = Mul (s, n) k = Round (t) q = Clip (k, low, n)"
                    " v = Mul (q, a) y = Div (v, n)",
    "Max, Min last": "s = Div (x, a) t = Mul (n, s) k = Round (t) m = Max (k, low) q = Min (m, n)"
                     " v = Mul (q, a) y = Div (v, n)",
    "Where": "l = Less (x, b) p = Where (l, b, x) q = Min (p, a) s = Mul (q, n) t = Div (s, a)"
             " k = Round (t) v = Div (k, n) y = Mul (v, a)",
    "shifted": "z = Sub (x, c) s = Div (z, a) t = Mul (s, n) q = Clip (t, low, n) k = Round (q)"
               " v = Mul (k, a) w = Div (v, n) y = Add (w, c)",
    "ceil": "s = Div (x, a) t = Mul (s, n) q = Clip (t, low, n) h = Sub (q, half) k = Ceil (h)"
            " v = Mul (k, a) y = Div (v, n)",
}  # fmt: skip
BOUNDS = st.floats(2.0**-6, 2.0**5, width=32)


def parameters(bound: float, n: int, shift: float) -> dict[str, np.float32]:
    values = {
        "a": bound, "b": -bound, "n": n, "low": -n - 1, "c": shift, "zero": 0, "one": 1,
        "minus": -1, "half": 0.5,
    }  # fmt: skip
    return {name: np.float32(value) for name, value in values.items()}


@pytest.mark.parametrize("form", [*UNSIGNED, *(f"signed {name}" for name in SIGNED)])
@settings(max_examples=4, deadline=None)
@given(BOUNDS, st.integers(1, 8), st.floats(-2, 2, width=32))
def test_values_are_those_the_file_states(form: str, bound: float, bits: int, shift: float) -> None:
    """Inputs lie next to each threshold, on it where float32 can hold it, and beyond the bounds."""
    signed = form.startswith("signed ")
    body = SIGNED[form.removeprefix("signed ")] if signed else UNSIGNED[form]
    bits = max(bits, 2) if signed else bits
    n = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    model = build(body, parameters(bound, n, shift), x="float[N,1] x")
    graph = load_graph(model)
    assert ops(graph).count("Threshold") == 1
    unit = 1 / Fraction(bound) / n if form == "DoReFa" else Fraction(bound) / n
    move = Fraction(shift) if form == "signed shifted" else Fraction(0)
    codes = range(-n - 2, n + 2)[:: max(1, n // 4)]
    points = [unit * (Fraction(k) + Fraction(1, 2)) + move for k in codes]
    for x in [*around(points), *np.float32([0, bound, -bound, 1e6, -1e6])]:
        exact = Fraction(float(x))
        assert of_graph(graph, exact) == of_file(model, exact), (form, float(x))


@pytest.mark.parametrize("form", ["PACT", "divided first", "signed normalized", "signed shifted"])
@settings(max_examples=2, deadline=None)
@given(BOUNDS, st.integers(2, 8), st.floats(-2, 2, width=32), st.booleans())
def test_a_program_gives_these_values(
    form: str, bound: float, bits: int, shift: float, pooled: bool
) -> None:
    """Inputs that the program's own input format holds exactly: its codes times one number."""
    signed = form.startswith("signed ")
    n = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    body = SIGNED[form.removeprefix("signed ")] if signed else UNSIGNED[form]
    if pooled:
        body = body.replace(" y =", " p =") + " y = MaxPool <kernel_shape = [1, 1]> (p)"
    model = build(body, parameters(bound, n, shift), x="float[N,1,16,16] x")
    graph = load_graph(model)
    program = compile_graph(graph)
    x = np.float32(np.random.default_rng(n).integers(-2048, 2048, (1, 1, 16, 16)) / 512)
    del model.graph.node[len(model.graph.node) - pooled :]
    model.graph.output[0].name = model.graph.node[-1].output[0]
    want = [float(of_file(model, Fraction(float(v)))) for v in x.ravel()]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = program(x).ravel()
    error = float(program.types[program.output].error)  # type: ignore[union-attr]
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=error)
    assert signed or not error, "codes times one exact number"
    assert not any(proof.mismatches for proof in prove_tables(graph, program))


def test_bounds_of_each_channel() -> None:
    """One threshold set a channel; one number of levels for all."""
    bounds = np.float32([3.1, 0.7, 12.3]).reshape(3, 1, 1)
    body = UNSIGNED["Min of Relu"]
    model = build(body, {"a": bounds, "n": np.float32(15)}, x="float[N,3,4,4] x")
    graph = load_graph(model)
    assert ops(graph)[:3] == ["Div", "Mul", "Threshold"]
    program = compile_graph(graph)
    x = np.float32(np.random.default_rng(0).integers(-999, 8191, (2, 3, 4, 4)) / 1024)
    a = bounds.astype(np.float64)
    want = np.rint(np.clip(x.astype(np.float64), 0, a) / a * 15) * a / 15
    np.testing.assert_allclose(program(x), want, atol=1e-4)
    uneven = body.replace("Mul (s, n)", "Mul (q, n)")
    (problem,) = refused(
        build(uneven, {"a": bounds, "n": np.float32(15)}, x="float[N,3,4,4] x"),
        "as many levels in every channel",
    )
    assert problem.op == "Round"
