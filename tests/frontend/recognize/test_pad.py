"""Zero padding in front of convolutions joins theirs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.frontend.networks import build, check_same, node, ops, refused

X = "float[N,2,6,5] x"
W = np.random.default_rng(0).normal(size=(3, 2, 3, 3))


def test_joins_the_padding_of_the_convolution() -> None:
    body = "p = Pad (x, q) y = Conv <pads = [1, 0, 0, 2]> (p, W)"
    parameters = {"q": np.array([0, 0, 1, 0, 0, 0, 2, 3]), "W": W}
    graph = check_same(build(body, parameters, x=X))
    assert ops(graph) == ["Conv"]
    assert list(node(graph, "Conv").attributes.get_ints("pads")) == [2, 0, 2, 5]


def test_axes_and_two_readers() -> None:
    body = """p = Pad (x, q, z, a) c = Conv <auto_pad = "VALID"> (p, W) d = Conv (p, W)
        y = Add (c, d)"""
    parameters = {"q": np.array([1, 2, 0, 1]), "a": np.array([-1, 2]), "W": W, "z": np.float32(0)}
    assert ops(check_same(build(body, parameters, x=X, opset=18))) == ["Conv", "Conv", "Add"]


@pytest.mark.parametrize(
    ("body", "pads", "words"),
    [
        ('[p] p = Pad <mode = "reflect"> (x, q) y = Conv (p, W)', [0, 0, 1, 1] * 2, ["reflect"]),
        ("[p] p = Pad (x, q, one) y = Conv (p, W)", [0, 0, 1, 1] * 2, ["other than 0"]),
        ("[p] p = Pad (x, q) y = Relu (p)", [0, 0, 1, 1] * 2, ["other than a convolution"]),
        ("[p] p = Pad (x, q) y = Conv (p, V)", [0, 1, 0, 0] * 2, ["pads [0, 1"]),
        ("[p] p = Pad (x, q) y = Conv (p, W)", [0, 0, -1, 0] * 2, ["pads [0, 0, -1"]),
    ],
)
def test_refused(body: str, pads: list[int], words: list[str]) -> None:
    parameters: dict[str, Any] = {"q": np.array(pads), "W": W, "one": np.float32(1)}
    parameters["V"] = np.ones((3, 4, 3, 3))
    (problem,) = refused(build(body, parameters, x=X), *words)
    assert problem.node == "p"
