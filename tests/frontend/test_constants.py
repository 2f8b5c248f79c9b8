"""Which values are constant, and their arrays against onnxruntime's arithmetic."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.frontend.constants import GraphConstants
from n2uqc.frontend.diagnostics import CompileError
from tests.frontend.networks import build, run_onnx

BINARY = ["Add", "Sub", "Mul", "Div"]


def values(body: str, **parameters: object) -> tuple[dict[str, ir.Value], ir.Model]:
    model = ir.from_proto(build(body, parameters, x="float[2,2,4,4] x"))
    return {str(v.name): v for n in model.graph for v in n.outputs}, model


@settings(max_examples=50, deadline=None)
@given(
    steps=st.lists(st.tuples(st.sampled_from(BINARY), st.integers(0, 9)), min_size=1, max_size=12),
    seed=st.integers(0, 2**16),
)
def test_float32_arithmetic_agrees_with_onnxruntime(
    steps: list[tuple[str, int]], seed: int
) -> None:
    """Random expressions over two parameters, every intermediate reused."""
    rng = np.random.default_rng(seed)
    names, lines = ["p", "q"], []
    for index, (op, pick) in enumerate(steps):
        left, right = names[pick % len(names)], names[(pick * 7 + 3) % len(names)]
        lines.append(f"v{index} = {op} ({left}, {right})")
        names.append(f"v{index}")
    body = " ".join(lines)
    parameters = {"p": rng.uniform(0.5, 2, 6), "q": rng.uniform(0.5, 2, 6)}
    found, model = values(body + " y = Relu (x)", **parameters)
    last = found[names[-1]]
    known = GraphConstants(model, None)
    assert known.known(last) and not known.known(found["y"])
    want = run_onnx(
        build(f"{body} z = Mul (x, zero) y = Add ({names[-1]}, z)",
              parameters | {"zero": np.zeros(6, np.float32)}, x="float[6] x"),
        np.zeros(6, np.float32),
    )  # fmt: skip
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(known.array(last), want)


def test_scalar_does_not_compute_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    found, model = values("b = Add (big, one) s = Add (one, one) y = Relu (x)",
                          big=np.zeros(10), one=np.float32([1]))  # fmt: skip
    found["b"].shape = ir.Shape([10])
    known = GraphConstants(model, None)
    monkeypatch.setattr(known, "arrays", lambda _: pytest.fail("computed"))
    assert known.scalar(found["b"]) is None
    monkeypatch.undo()
    assert known.scalar(found["s"]) == 2
    assert known.scalar(None) is None and known.scalar(found["y"]) is None


def test_shapes_are_constants_of_the_batch() -> None:
    found, model = values("s = Shape (x) t = Shape (c) u = Concat <axis = 0> (s, t) y = Relu (x)",
                          c=np.zeros((3, 5)))  # fmt: skip
    known = GraphConstants(model, (2, 3))
    assert known.depends_on_batch(found["s"]) and not known.depends_on_batch(found["t"])
    np.testing.assert_array_equal(known.array(found["u"]), [2, 2, 4, 4, 3, 5])
    np.testing.assert_array_equal(known.with_other_batch(found["u"]), [3, 2, 4, 4, 3, 5])
    assert not GraphConstants(model, None).depends_on_batch(found["s"])


def test_part_of_a_shape() -> None:
    found, model = values("s = Shape <start = 1, end = -1> (x) y = Relu (x)")
    np.testing.assert_array_equal(GraphConstants(model, (2, 3)).array(found["s"]), [2, 4])


def test_a_long_chain_is_no_recursion() -> None:
    body = "v0 = Add (p, p) " + " ".join(f"v{i} = Add (v{i - 1}, p)" for i in range(1, 3000))
    found, model = values(body + " y = Relu (x)", p=np.float32(1))
    assert GraphConstants(model, None).scalar(found["v2999"]) == 3001


def test_arithmetic_that_fails_names_the_node() -> None:
    found, model = values("[bad] v = Add (p, q) y = Relu (x)", p=np.zeros(2), q=np.zeros(3))
    with pytest.raises(CompileError, match="bad"):
        GraphConstants(model, None).array(found["v"])


@pytest.mark.parametrize(
    "body",
    [
        "v = Clip (p, n)",
        "v = Clip (p, p, n)",
        "v = ReduceMax <keepdims = 0> (n)",
        "v = ReduceMin <keepdims = 0> (n)",
        "v = ArgMax <axis = 0> (n)",
        "v = ArgMin <axis = 0> (n)",
        "k = Constant <value = int64[1] {1}> () v, w = TopK (n, k)",
        "v = Cast <to = 6> (n)",
        "k = Constant <value = int64[1] {1}> () v = CastLike (n, k)",
        "v = QuantizeLinear (n, one)",
    ],
)
def test_a_result_that_depends_on_the_order_of_a_nan_is_none(body: str) -> None:
    """Such as Clip's bounds: onnx.reference gives NaN, ONNX Runtime no bound."""
    nan, p = np.float32([np.nan, 1, 2]), np.float32([0.5])
    parameters = {"n": nan[0] if "Clip" in body else nan, "p": p, "one": np.float32(1)}
    found, model = values(f"[bad] {body} y = Relu (x)".replace("[bad] k", "k"), **parameters)
    with pytest.raises(CompileError, match="NaN"):
        GraphConstants(model, None).array(found["v"])


def test_a_nan_that_is_dropped_is_none() -> None:
    """Quantizers to powers of two divide by weights of zero."""
    found, model = values(
        "q = Div (p, p) zero = Equal (p, none) v = Where (zero, none, q) y = Relu (x)",
        p=np.float32([0, 2, -3]),
        none=np.float32(0),
    )
    np.testing.assert_array_equal(GraphConstants(model, None).array(found["v"]), [0, 1, 1])
