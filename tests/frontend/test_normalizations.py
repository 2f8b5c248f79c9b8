"""Normalizations by each image's own statistics, held against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.reference
import pytest

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.reference import evaluate
from n2uqc.passes import Options, load
from n2uqc.passes.checks.evaluate import reference
from n2uqc.passes.checks.network import hold

from .networks import build, check_same, images, ops, refused, run_onnx

RNG = np.random.default_rng(0)
NUMBERS: dict[str, Any] = {
    "c": RNG.uniform(0.5, 2, 4), "d": RNG.normal(size=4), "wide": RNG.uniform(0.5, 2, (4, 3, 3)),
    "far": RNG.normal(size=(4, 3, 3)), "row": RNG.uniform(0.5, 2, 8), "add": RNG.normal(size=8),
    "e": np.float32(1e-3), "two": np.float32(2), "matrix": RNG.normal(size=(8, 8)),
    "kernel": RNG.normal(size=(2, 4, 1, 1)),
}  # fmt: skip
MAP, TOKENS, ROW = "float[N,4,3,3] x", "float[N,5,8] x", "float[N,8] x"

CASES = {
    "layer of tokens": ("y = LayerNormalization (x, row, add)", TOKENS, 17),
    "layer of rows": ("y = LayerNormalization <epsilon = 0.01> (x, row)", ROW, 17),
    "layer by its first axis": ("y = LayerNormalization <axis = 1> (x, wide, far)", MAP, 17),
    "layer of channels": ("""t = Transpose <perm = [0, 2, 3, 1]> (x)
        n = LayerNormalization (t, c, d) y = Transpose <perm = [0, 3, 1, 2]> (n)""", MAP, 17),
    "instance": ("y = InstanceNormalization <epsilon = 0.1> (x, c, d)", MAP, 17),
    "instance of a series": ("y = InstanceNormalization (x, c, d)", "float[N,4,6] x", 17),
    "groups": ("y = GroupNormalization <num_groups = 2> (x, c, d)", MAP, 21),
    "root mean square": ("y = RMSNormalization (x, row)", TOKENS, 23),
    "in parts": ("""m = ReduceMean <axes = [-1]> (x) v = Sub (x, m) p = Mul (v, v)
        q = ReduceMean <axes = [-1]> (p) s = Add (q, e) r = Sqrt (s) n = Div (v, r)
        z = Mul (n, row) y = MatMul (z, matrix)""", TOKENS, 17),
    "in parts, by a power": ("""m = ReduceMean <axes = [1, 2, 3]> (x) v = Sub (x, m)
        p = Pow (v, two) q = ReduceMean <axes = [1, 2, 3]> (p) s = Add (q, e) r = Sqrt (s)
        z = Div (v, r) y = Conv (z, kernel)""", MAP, 17),
    "root mean square in parts": ("""p = Mul (x, x) q = ReduceMean <axes = [-1]> (p)
        s = Add (q, e) r = Sqrt (s) n = Div (x, r) z = Mul (n, row)
        y = MatMul (z, matrix)""", TOKENS, 17),
}  # fmt: skip


def case(name: str) -> onnx.ModelProto:
    body, x, opset = CASES[name]
    used = {key: value for key, value in NUMBERS.items() if key in body.replace("(", " ( ")}
    return build(body, used, x=x, opset=opset)


@pytest.mark.parametrize("name", CASES)
def test_the_same_as_the_operator(name: str) -> None:
    model = case(name)
    if "RMSNormalization" in CASES[name][0]:  # beyond what the runtime may know
        graph, x = load_graph(model), images(model)
        (want,) = onnx.reference.ReferenceEvaluator(model).run(None, {"x": x})
        np.testing.assert_allclose(evaluate(graph, x), want, rtol=1e-5, atol=1e-5)
    else:
        graph = check_same(model)
    assert "Function" in ops(graph)  # one of the variance, for its root and its inverse


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", CASES)
def test_as_integers(name: str, tmp_path: Path) -> None:
    """Differences stay below 1e-3 of the spread, and the proven bound, on usual images."""
    model = case(name)
    onnx.save(model, tmp_path / "net.onnx")
    x, options = images(model, 20), Options()
    program, graph = load(tmp_path / "net.onnx"), load_graph(tmp_path / "net.onnx")
    found = hold(reference(graph, options), program, x)
    assert not any(row.wrong for row in found.rows)
    want = evaluate(graph, x)
    got = program(x)
    assert np.abs(got - want).max() < 1e-3 * want.std()


def test_no_number_is_farther_than_the_root_of_their_count() -> None:
    """What the Clip says: of n numbers one differs from n - 1 equal ones by most."""
    body = "y = LayerNormalization <epsilon = 1e-12> (x, row)"
    graph = load_graph(build(body, {"row": np.ones(8)}, x=TOKENS))
    assert ops(graph).count("Clip") == 1
    x = np.zeros((1, 5, 8), np.float32)
    x[0, :, 3] = 7, -7, 1, 0.1, -0.1
    np.testing.assert_allclose(np.abs(evaluate(graph, x)).max(axis=2), np.sqrt(7), rtol=1e-5)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("first", "second"), [(1, 1), (1, 3), (3, 1)])
def test_one_behind_another(first: int, second: int, tmp_path: Path) -> None:
    """Bounds of the first keep the second's fixed point fine: without, it was off by the spread."""
    sizes = [2, 3, 8]
    lines, numbers, last = [], {}, "c"
    for k, axis in enumerate((first, second)):
        numbers |= {f"g{k}": RNG.uniform(0.5, 2, sizes[axis - 1 :])}
        lines.append(f"n{k} = LayerNormalization <axis = {axis}> ({last}, g{k})")
        last = f"n{k}"
    numbers["m"] = RNG.normal(size=(8, 8))
    body = f"c = MatMul (x, m) {' '.join(lines)} y = Relu (n1)"
    model = build(body, numbers, x="float[N,2,3,8] x")
    assert ops(load_graph(model)).count("Clip") == 2
    onnx.save(model, tmp_path / "net.onnx")
    given = images(model, 20)
    want = run_onnx(model, given)
    off = np.abs(load(tmp_path / "net.onnx")(given) - want) / want.std()
    assert np.quantile(off, 0.99) < 1e-3 and off.max() < 1e-2


ROOT = "q = ReduceMean <axes = [-1]> (p) s = Add (q, e) r = Sqrt (s)"


@pytest.mark.parametrize(
    "body",
    [
        f"p = Mul (x, x) {ROOT} z = Div (w, r)",
        f"p = Mul (w, w) {ROOT} z = Div (x, r)",
        f"p = Abs (x) {ROOT} z = Div (x, r)",
        """p = Mul (x, x) q = AveragePool <kernel_shape = [3], pads = [1, 1]> (p)
        s = Add (q, e) r = Sqrt (s) z = Div (x, r)""",  # of its neighbors
    ],
)
def test_other_quotients_are_not_bounded(body: str) -> None:
    """Another tensor's mean square bounds nothing, nor does a mean of magnitudes."""
    numbers = {key: NUMBERS[key] for key in ("e", "matrix")}
    model = build(f"w = MatMul (x, matrix) {body} y = MatMul (z, matrix)", numbers, x=TOKENS)
    assert "Clip" not in ops(check_same(model, 1e-4))


@pytest.mark.parametrize(
    ("body", "x", "opset", "words"),
    [
        ("[n] y, m, i = LayerNormalization (x, row) z = Mul (y, m)", TOKENS, 17, "LayerNormal"),
        ("[n] y = GroupNormalization <num_groups = 2> (x, e2, e2)", MAP, 18, "GroupNormalization"),
        ("[n] y = MeanVarianceNormalization (x)", MAP, 17, "its own statistics"),
        ("[n] y = LpNormalization (x)", ROW, 17, "its own statistics"),
    ],
)
def test_what_stays_refused(body: str, x: str, opset: int, words: str) -> None:
    numbers = {"e2": np.ones(2), "row": np.ones(8)}
    used = {key: value for key, value in numbers.items() if key in body}
    output = "float[] z" if "z =" in body else "float[] y"
    refused(build(body, used, x=x, y=output, opset=opset), words)
