"""Biases and other constant operands in every way they are written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import constant
from n2uqc.frontend.recognize.queries import channel_values
from tests.frontend.networks import build, check_same, node, ops, refused

BIAS = np.float32([0.3, -0.7])


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize(
    ("form", "canonical"),
    [
        (BIAS.reshape(2, 1, 1), (1, 2, 1, 1)),
        (BIAS.reshape(1, 2, 1, 1), (1, 2, 1, 1)),
        (np.broadcast_to(BIAS.reshape(1, 2, 1, 1), (1, 2, 4, 4)), (1, 2, 1, 1)),
        (np.broadcast_to(BIAS.reshape(2, 1, 1), (2, 4, 4)), (1, 2, 1, 1)),
        (np.float32([0.5]), ()),
        (np.float32(0.5), ()),
        (np.full((1, 2, 4, 4), 0.5, np.float32), (1, 2, 1, 1)),
    ],
)
def test_every_form(op: str, form: Any, canonical: tuple[int, ...]) -> None:
    graph = check_same(build(f"[op] y = {op} (x, b)", {"b": np.ascontiguousarray(form)}))
    assert ops(graph) == [op]
    array = constant(node(graph, op).inputs[1])
    assert array is not None and array.shape == canonical


@pytest.mark.parametrize("op", ["Add", "Mul"])
def test_constant_comes_second(op: str) -> None:
    graph = check_same(build(f"y = {op} (b, x)", {"b": BIAS.reshape(2, 1, 1)}))
    assert constant(node(graph, op).inputs[1]) is not None


def test_constant_minus_tensor() -> None:
    graph = check_same(build("[minus] y = Sub (b, x)", {"b": BIAS.reshape(2, 1, 1)}))
    assert [(n.op_type, n.name) for n in graph.graph] == [("Mul", "minus"), ("Add", "minus")]
    assert graph.graph.outputs[0].name == "y"


def test_static_batch_constant_of_the_whole_tensor() -> None:
    """The other exporter writes a bias of a static-batch network as [N,C,H,W]."""
    full = np.ascontiguousarray(np.broadcast_to(BIAS.reshape(1, 2, 1, 1), (3, 2, 4, 4)))
    graph = check_same(build("y = Add (x, b)", {"b": full}, x="float[3,2,4,4] x"))
    array = constant(node(graph, "Add").inputs[1])
    assert array is not None and array.shape == (1, 2, 1, 1)


def test_bias_expanded_to_the_tensor() -> None:
    body = "[shape] s = Shape (x) [expand] e = Expand (b, s) [add] y = Add (x, e)"
    graph = check_same(build(body, {"b": BIAS.reshape(1, 2, 1, 1)}))
    assert ops(graph) == ["Add"]
    array = constant(node(graph, "Add").inputs[1])
    assert array is not None and array.shape == (1, 2, 1, 1)


def test_after_flatten() -> None:
    body = "p = GlobalAveragePool (x) f = Flatten (p) y = Mul (f, b)"
    graph = check_same(build(body, {"b": BIAS}))
    array = constant(node(graph, "Mul").inputs[1])
    assert array is not None and array.shape == (1, 2)


def test_skip_connection() -> None:
    assert ops(check_same(build("a = Relu (x) [skip] y = Add (a, x)"))) == ["Relu", "Add"]


def different(axis: int) -> Any:
    array = np.zeros((1, 2, 4, 4), np.float32)
    np.moveaxis(array, axis, 0)[1] = 1
    return array


@pytest.mark.parametrize(
    ("body", "parameters", "words"),
    [
        ("[op] y = Div (x, b)", {"b": [0.0]}, "division by 0"),
        ("a = GlobalAveragePool (x) [op] y = Div (a, x)", {}, "two computed tensors"),
    ],
)
def test_refusals(body: str, parameters: Any, words: str) -> None:
    (problem,) = refused(build(body, parameters), words)
    assert problem.node == "op"


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(st.integers(-2, 2), min_size=1, max_size=3),
    rank=st.integers(2, 4),
    batch=st.integers(1, 3),
    size=st.integers(1, 3),
)
def test_channel_values_invert_broadcasting(
    values: list[int], rank: int, batch: int, size: int
) -> None:
    shape = (batch, len(values), size, size)[:rank]
    per_channel = np.float32(values)
    full = np.broadcast_to(per_channel.reshape(1, -1, *[1] * (rank - 2)), shape)
    found = channel_values(np.array(full), shape)
    assert found is not None
    np.testing.assert_array_equal(np.broadcast_to(found, per_channel.shape), per_channel)


def test_channel_values_never_enlarge_a_tensor() -> None:
    assert channel_values(np.zeros(3), (3,)) is None
    assert channel_values(np.zeros((1, 4, 1, 1)), (2, 1, 3, 3)) is None
    assert channel_values(np.zeros((1, 1, 1, 1, 1)), (2, 1, 3, 3)) is None


def test_constant_computed_from_the_batch_size_is_refused() -> None:
    body = """s = Shape (x) n = Gather (s, zero) f = Cast <to = 1> (n) [op] y = Mul (x, f)"""
    refused(build(body, {"zero": np.int64(0)}), "computed from the batch size")
    graph = load_graph(build(body, {"zero": np.int64(0)}, x="float[3,2,4,4] x"))
    array = constant(node(graph, "Mul").inputs[1])
    assert array is not None and float(array) == 3


@pytest.mark.parametrize(
    "body",
    [
        "f = Cast <to = 1> (s) [op] y = Mul (x, f)",  # along the columns: of four, as sizes are
        "f = Cast <to = 1> (n) [op] y = Max (x, f)",
        "[op] y = Pow (x, n)",  # an integer that is no place
    ],
)
def test_numbers_computed_from_the_batch_size_are_refused(body: str) -> None:
    """Whatever the node becomes: its refusal does not go with it."""
    sizes = "s = Shape (x) n = Gather (s, zero) "
    model = build(sizes + body, {"zero": np.int64(0)}, x="float[N,2,4,4] x")
    refused(model, "computed from the batch size", "'op'")


def test_constant_computed_from_the_image_size_is_folded() -> None:
    body = """s = Shape (x) n = Gather (s, two) f = Cast <to = 1> (n) [op] y = Mul (x, f)"""
    assert ops(check_same(build(body, {"two": np.int64(2)}))) == ["Mul"]


def test_constant_expanded_to_the_batch_is_folded() -> None:
    body = "s = Shape (x) e = Expand (b, s) f = Mul (e, e) [op] y = Add (x, f)"
    graph = check_same(build(body, {"b": BIAS.reshape(1, 2, 1, 1)}))
    array = constant(node(graph, "Add").inputs[1])
    assert array is not None
    np.testing.assert_array_equal(array, (BIAS * BIAS).reshape(1, 2, 1, 1))


def test_constant_that_grows_with_the_batch_is_refused() -> None:
    """One number per image: its size follows the batch, but so does its content."""
    body = """s = Shape (x) n = Gather (s, zero) r = Range (zero, n, one) f = Cast <to = 1> (r)
        g = Reshape (f, t) [op] y = Add (x, g)"""
    parameters = {"zero": np.int64(0), "one": np.int64(1), "t": np.int64([-1, 1, 1, 1])}
    refused(build(body, parameters), "computed from the batch size", "'op'")
