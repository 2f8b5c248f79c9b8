"""The straight-through pair is canceled around quantizers, and only there."""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import read_threshold
from tests.frontend.networks import build, check_same, ladder, node, ops, refused, rungs

PARAMETERS = rungs([-0.5, 0.1, 0.9], [0, 2 / 3, 4 / 3, 2.0])


@pytest.mark.parametrize(
    "pair",
    [
        "a = Add (f, b) y = Sub (a, b)",
        "a = Add (b, f) y = Sub (a, b)",
        "a = Sub (f, b) y = Add (a, b)",
        "a = Sub (f, b) y = Add (b, a)",
    ],
)
def test_canceled(pair: str) -> None:
    body = ladder(3) + "b = PRelu (x, slope) " + pair
    graph = check_same(build(body, PARAMETERS | {"slope": [9.0]}))
    assert ops(graph) == ["Threshold"]
    assert node(graph, "Threshold").outputs[0].name == "y"


def test_the_backward_ladder_vanishes() -> None:
    """The real shape: a second ladder of straight lines, then scale2."""
    backward = ""
    for k in range(1, 4):
        low = "v0" if k == 1 else f"bw{k - 1}"
        backward += f"""bc{k} = Greater (x, T{k}) bd{k} = Sub (x, T{k}) bm{k} = Mul (bd{k}, v1)
            ba{k} = Add (bm{k}, v{k}) bw{k} = Where (bc{k}, ba{k}, {low}) """
    body = f"{ladder(3)} {backward} bc = Greater (x, T3) b = Where (bc, v3, bw3)"
    body += " a = Add (f, b) s = Sub (a, b) y = Mul (s, scale2)"
    graph = check_same(build(body, PARAMETERS | {"scale2": np.float32([0.7])}))
    assert ops(graph) == ["Threshold"]
    assert read_threshold(node(graph, "Threshold")).step == 2 * float(np.float32(0.7))


@pytest.mark.parametrize("pair", ["a = Add (r, x) y = Sub (a, x)", "a = Sub (r, x) y = Add (a, x)"])
def test_ordinary_arithmetic_is_left_alone(pair: str) -> None:
    """(r + x) - x without a quantizer."""
    graph = check_same(build("r = Relu (x) " + pair))
    assert sorted(ops(graph)) == ["Add", "Add", "Mul", "Relu"]


@pytest.mark.parametrize(
    "pair",
    [
        "a = Add (f, b) y = Sub (b, a)",
        "a = Add (f, b) y = Sub (a, x)",
        "a = Sub (b, f) y = Add (a, b)",
    ],
)
def test_other_sums_are_not_canceled(pair: str) -> None:
    graph = check_same(build(ladder(3) + "b = Relu (x) " + pair, PARAMETERS))
    assert sorted(ops(graph)) == ["Add", "Add", "Mul", "Relu", "Threshold"]


def test_a_refused_quantizer_is_the_only_problem_reported() -> None:
    """Equal levels: the pair and the backward ladder around it stay out of the error."""
    parameters = rungs([0.1, 0.5, 0.9], [0.5] * 4)
    body = ladder(3) + "bc = Greater (x, T1) bm = Mul (x, v1) b = Where (bc, bm, v0) "
    problems = refused(build(body + "a = Add (f, b) y = Sub (a, b)", parameters), "all 0.5")
    assert [p.node for p in problems] == ["where3"]


def test_two_quantizers_on_one_tensor() -> None:
    second = {k.replace("T", "S"): v for k, v in PARAMETERS.items() if k[0] == "T"}
    other = ladder(3, prefix="o", top="g").replace(", T", ", S")
    body = ladder(3) + other + "[skip] y = Add (f, g)"
    assert ops(load_graph(build(body, PARAMETERS | second))).count("Threshold") == 2


def test_a_ladder_of_a_ladder_that_something_else_reads() -> None:
    """The second compares the first's levels: its thresholds are none of x."""
    body = """a = Greater (x, T1) p = Where (a, v1, v0) b = Greater (p, T2) q = Where (b, v1, v0)
        y = Concat <axis = 1> (p, q)"""
    parameters = {"T1": np.float32(-0.2), "T2": np.float32(-0.8), "v0": np.float32(0)}
    check_same(build(body, parameters | {"v1": np.float32(0.25)}))


@pytest.mark.parametrize(
    ("twin", "infinite"),
    [
        ("r = Reciprocal (zero) d = Sub (x, T1) b = Mul (d, r)", True),
        ("b = Div (x, zero)", True),
        ("b = Add (x, endless)", True),
        ("c = Greater (x, T1) b = Where (c, endless, x)", True),
        ("b = Reciprocal (x)", True),
        ("b = Div (one, x)", True),
        ("b = Sqrt (x)", True),
        ("s = Mul (x, x) b = Log (s)", True),
        ("b = Pow (x, minus)", True),
        ("b = Pow (x, two)", False),
        ("s = Mul (x, x) t = Add (s, one) b = Reciprocal (t)", False),
        ("m = GlobalAveragePool (x) d = Sub (x, m) b = Pow (d, two)", False),
        ("m = GlobalAveragePool (x) d = Sub (x, m) b = Pow (d, minus)", True),
        ("n = ReduceL2 <axes = [1]> (x) c = Max (n, one) b = Div (x, c)", False),
        ("n = ReduceL2 <axes = [1]> (x) c = Max (n, zero) b = Div (x, c)", True),
        ("b = Min (x, endless)", False),
        ("c = Greater (x, endless) b = Where (c, zero, x)", False),
    ],
)
@pytest.mark.parametrize("pair", ["a = Add (f, b) y = Sub (a, b)", "a = Sub (f, b) y = Add (a, b)"])
def test_infinity_is_not_canceled(twin: str, infinite: bool, pair: str) -> None:
    """An interval of length 0 gives lines of infinite slope: the file computes NaN there."""
    more = {
        name: np.float32([n]) for name, n in (("zero", 0), ("one", 1), ("two", 2), ("minus", -1))
    }
    model = build(f"{ladder(3)} endless = Reciprocal (zero) {twin} {pair}", PARAMETERS | more)
    if infinite:
        refused(model, "infinite")
    else:
        makers = {v.producer() for v in load_graph(model).graph.outputs}
        assert [maker.op_type for maker in makers if maker is not None] == ["Threshold"]


@pytest.mark.parametrize("length", [0.0, 0.25])
def test_an_infinite_slope_that_is_selected_nowhere(length: float) -> None:
    """All intervals of length 0: the last comparison replaces whatever came before."""
    body = f"""{ladder(3)} r = Reciprocal (zero) d = Sub (x, T1) m = Mul (d, r)
        c = Greater (x, T1) w = Where (c, m, zero) e = Greater (x, end) b = Where (e, one, w)
        a = Add (f, b) y = Sub (a, b)"""
    more = {"zero": np.float32([0]), "one": np.float32([1]), "end": np.float32([-0.5 + length])}
    model = build(body, PARAMETERS | more)
    if length:
        refused(model, "infinite")
    else:
        assert ops(load_graph(model)) == ["Threshold"]
