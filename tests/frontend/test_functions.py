"""Functions are counted before they are inlined."""

from __future__ import annotations

import onnx
import pytest

from n2uqc.frontend import functions
from tests.calls import count_calls
from tests.frontend.networks import build, check_same, ops, refused

RELU = ("", "Relu")


def calling(model: onnx.ModelProto, name: str, *inner: tuple[str, str]) -> None:
    """Adds a function of the domain `other` that calls one operator behind the other."""
    values = ["x", *(f"t{k}" for k in range(len(inner) - 1)), "y"]
    nodes = [
        onnx.helper.make_node(op, [values[k]], [values[k + 1]], domain=domain)
        for k, (domain, op) in enumerate(inner)
    ]
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("other", 1)]
    function = onnx.helper.make_function("other", name, ["x"], ["y"], nodes, opsets)
    model.functions.append(function)


def network() -> onnx.ModelProto:
    return build("a = Relu (x) [call] y = other.F0 (a)")


@pytest.mark.parametrize("depth", [17, 40, 3000])
def test_functions_that_explode(depth: int) -> None:
    """Two calls in each: 2^17 nodes from 4 KB, a number of 3000 bits from less than a megabyte."""
    model = network()
    for k in range(depth):
        calling(model, f"F{k}", *[("other", f"F{k + 1}") if k < depth - 1 else RELU] * 2)
    problems = []
    calls = count_calls(lambda: problems.extend(refused(model, "more than 50,000 nodes")))
    assert [problem.node for problem in problems] == ["call"]
    assert calls < 2_000 * depth + 200_000


def test_functions_that_nobody_calls() -> None:
    """They are not inlined into each other either: 2^60 nodes."""
    model = build("a = Relu (x) [call] y = other.G (a)")
    for k in range(60):
        calling(model, f"F{k}", *[("other", f"F{k + 1}") if k < 59 else RELU] * 2)
    calling(model, "G", ("other", "H"))
    calling(model, "H", RELU, RELU)
    assert ops(check_same(model)) == ["Relu", "Relu", "Relu"]


def test_calls_beside_each_other() -> None:
    """No single call is large."""
    body = "".join(f"t{k} = other.F0 (t{k - 1}) " for k in range(1, 60))
    model = build(f"t0 = Relu (x) {body} y = Relu (t59)")
    calling(model, "F0", *[RELU] * 1000)
    refused(model, "59,002 nodes")


def test_calls_in_each_other() -> None:
    model = network()
    for k in range(100):
        calling(model, f"F{k}", ("other", f"F{k + 1}") if k < 99 else RELU)
    refused(model, "100 calls deep")


@pytest.mark.parametrize("inner", ["F0", "F1"])
def test_functions_that_call_themselves(inner: str) -> None:
    model = network()
    calling(model, "F0", ("other", inner))
    calling(model, "F1", ("other", "F0"))
    refused(model, "calls itself")


def test_functions_defined_twice() -> None:
    model = network()
    calling(model, "F0", RELU)
    calling(model, "F0", RELU, RELU)
    refused(model, "other:F0 is defined twice")


def test_the_bound_is_not_reached_by_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network()
    calling(model, "F0", ("other", "F1"), RELU, ("other", "F1"))
    calling(model, "F1", RELU, RELU)
    check_same(model)
    monkeypatch.setattr(functions, "MOST_NODES", 5)
    refused(model, "6 nodes")
