"""Softplus as the newer exporter writes it, and selections that only look like it."""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.reference import evaluate
from tests.frontend.networks import build, images, node, ops, run_onnx

VALUES = {
    "c": np.float32(20), "low": np.float32(2), "b": np.float32(4), "quarter": np.float32(0.25),
    "one": np.float32(1), "third": np.float32(1 / 3),
}  # fmt: skip
WRITTEN = {
    "operator": "s = Softplus (x) g = Greater (x, c) y = Where (g, x, s)",
    "decomposed": """e = Exp (x) a = Add (one, e) s = Log (a) g = Greater (x, c)
        y = Where (g, x, s)""",
    "beta": """u = Mul (x, b) t = Softplus (u) s = Div (t, b) g = Greater (u, c)
        y = Where (g, x, s)""",
    "beta, divided by a product": """u = Mul (b, x) t = Softplus (u) s = Mul (t, quarter)
        g = Greater (u, c) y = Where (g, x, s)""",
}


@pytest.mark.parametrize("form", sorted(WRITTEN))
def test_is_softplus(form: str) -> None:
    model = build(WRITTEN[form], VALUES)
    graph = load_graph(model)
    assert "Function" in ops(graph)
    x = images(model) * 12  # on both sides of the guard
    np.testing.assert_allclose(evaluate(graph, x), run_onnx(model, x), rtol=2e-6, atol=1e-6)
    assert node(graph, "Function").outputs[0].name == "y" or ops(graph)[-1] in ("Mul", "Div")


@pytest.mark.parametrize(
    "body",
    [
        "s = Softplus (x) g = Greater (x, low) y = Where (g, x, s)",
        "s = Softplus (x) g = Less (x, c) y = Where (g, x, s)",
        "s = Softplus (x) r = Relu (x) g = Greater (x, c) y = Where (g, r, s)",
        "u = Mul (x, b) t = Softplus (u) s = Mul (t, third) g = Greater (u, c) y = Where (g, x, s)",
        "s = Sigmoid (x) g = Greater (x, c) y = Where (g, x, s)",
    ],
)
def test_another_selection_is_a_function_with_a_jump(body: str) -> None:
    model = build(body, VALUES)
    graph = load_graph(model)
    x = images(model) * 12
    np.testing.assert_allclose(evaluate(graph, x), run_onnx(model, x), rtol=2e-6, atol=2e-6)
