"""Tensors repeated over positions, and constants of each position: what people write as a
positional embedding, a mask, a class token, coordinates of pixels, or conditioning.
"""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.recognize import spread
from n2uqc.passes import Options, compile_graph
from n2uqc.passes.checks.draw import as_images, drawn
from n2uqc.passes.checks.evaluate import reference
from n2uqc.passes.checks.network import hold
from n2uqc.passes.checks.prove import prove_tables
from n2uqc.passes.program import quantize_input, real_output, run
from tests.frontend.networks import build, check_same, images, ladder, refused, run_onnx, rungs

RNG = np.random.default_rng(3)
FULL = RNG.normal(0.5, 1, (1, 2, 4, 3)).astype(np.float32)
G = "g = GlobalAveragePool (x) t = ReduceMean <axes = [1]> (x) "
CASES = {
    "embedding": "y = Add (x, full)",
    "embedding of one sample": "y = Add (full, sample)",
    "mask": "y = Mul (mask, x)",
    "difference from a constant": "y = Sub (full, x)",
    "quotient": "y = Div (x, full)",
    "row": "y = Sub (x, row)",
    "constant that enlarges": G + "y = Add (g, full)",
    "pooled and map": G + "y = Add (g, x)",
    "map and pooled": G + "y = Sub (x, g)",
    "pooled twice": G + "y = Add (g, t)",
    "product of two that are spread": G + "y = Mul (g, t)",
    "square": "y = Mul (x, x)",
    "class token": "y = Concat <axis = 1> (token, x)",
    "coordinates": "y = Concat <axis = -1> (x, column, x)",
    "three, two of them constant": "r = Relu (x) y = Concat <axis = 1> (full, r, mask)",
}
PARAMETERS = {
    "full": FULL, "sample": FULL[0], "mask": FULL[:, :1], "row": FULL[0, 0, 0],
    "token": FULL[:, :1] + 1, "column": FULL[..., :1],
}  # fmt: skip
X = "float[N,2,4,3] x"


@pytest.mark.parametrize("name", CASES)
def test_equal_to_onnxruntime(name: str) -> None:
    body = CASES[name].replace("Add (full, sample)", "Add (x, sample)")
    used = {k: v for k, v in PARAMETERS.items() if f"{k})" in body or f"{k}," in body}
    join = "Concat" in body  # constants have the batch that they are joined to
    used = {k: np.concatenate([v, v]) if join else v for k, v in used.items()}
    model = build(body, used, x=X.replace("N", "2") if join else X)
    program = compile_graph(check_same(model))
    x = images(model)
    got = real_output(program, run(program, quantize_input(program, x)))
    np.testing.assert_allclose(got, run_onnx(model, x), atol=5e-3, rtol=1e-3)


@pytest.mark.parametrize("most", [0, 1 << 12])
def test_before_a_quantizer(most: int, monkeypatch) -> None:
    """Thresholds take in the constants where there are few, and follow them where there are many;
    either way codes are the network's within what the program states.
    """
    monkeypatch.setattr(spread, "_MOST_FEATURES", most)
    weights = RNG.normal(0, 1, (2, 2, 3, 3)).astype(np.float32)
    body = "c = Conv <pads = [1, 1, 1, 1]> (x, W) a = Add (c, full) b = Relu (a) "
    model = build(
        body + ladder(3, x="b", top="y"),
        {"W": weights, "full": FULL, **rungs([0.25, 1, 2], [0, 1, 2, 3])},
        x=X,
    )
    graph = check_same(model)
    program = compile_graph(graph)
    assert not [m for proof in prove_tables(graph, program) for m in proof.mismatches]
    found = hold(reference(graph, Options()), program, as_images(program, drawn(program, 24, 0), 0))
    assert not any(row.wrong for row in found.rows)


def test_what_differs_by_image_is_refused() -> None:
    other = np.concatenate([FULL, -FULL])
    for body in ("y = Add (x, k)", "y = Concat <axis = 1> (x, k)"):
        refused(build(body, {"k": other}, x="float[2,2,4,3] x"))


def test_a_constant_of_the_whole_batch() -> None:
    """A class token that the exporter expanded to the batch, static or read from the input."""
    body = "s = Shape <start = 0, end = 1> (x) t = Concat <axis = 0> (s, rest) "
    body += "e = Expand (token, t) y = Concat <axis = 1> (e, x)"
    parameters = {"token": PARAMETERS["token"], "rest": np.int64([1, 4, 3])}
    check_same(build(body, parameters, x=X))
    load_graph(build(body, parameters, x="float[2,2,4,3] x"))
