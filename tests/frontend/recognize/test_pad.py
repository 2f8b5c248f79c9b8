"""Zero padding in front of convolutions joins theirs."""

from __future__ import annotations

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
    ("body", "pads"),
    [
        ('p = Pad <mode = "reflect"> (x, q) y = Conv (p, W)', [0, 0, 1, 1] * 2),
        ("p = Pad (x, q) y = Relu (p)", [0, 0, 1, 1] * 2),
        ("p = Pad (x, q) y = Conv (p, V)", [0, 1, 0, 0] * 2),
        ("p = Pad (x, q) y = Conv (p, W)", [0, 0, -1, 0] * 2),
    ],
)
def test_what_no_convolution_takes_moves_elements(body: str, pads: list[int]) -> None:
    parameters = {"q": np.array(pads), "W": W, "V": np.ones((3, 4, 3, 3))}
    assert ops(check_same(build(body, parameters, x=X)))[0] == "Rearrange"


@pytest.mark.parametrize(
    "reader", ["Conv (p, W)", "Relu (p)", "AveragePool <kernel_shape = [2, 2]> (p)"]
)
def test_by_another_number(reader: str) -> None:
    parameters = {"q": np.array([0, 0, 1, 2, 0, 0, 0, 1]), "W": W, "c": np.float32(-0.7)}
    check_same(build(f"p = Pad (x, q, c) y = {reader}", parameters, x=X))
    parameters |= {"q": np.array([1, 2, 0, 1]), "a": np.array([-1, 2])}
    check_same(build(f"p = Pad (x, q, c, a) y = {reader}", parameters, x=X, opset=18))


@pytest.mark.parametrize("lowest", [-np.inf, np.finfo(np.float32).min])
def test_by_the_lowest_number_before_a_maximum(lowest: float) -> None:
    """TensorFlow's "same" padding, as libraries for PyTorch write it."""
    parameters = {"q": np.array([0, 0, 0, 0, 0, 0, 1, 1]), "low": np.float32(lowest)}
    body = "p = Pad (x, q, low) y = MaxPool <kernel_shape = [3, 3], strides = [2, 2]> (p)"
    assert ops(check_same(build(body, parameters, x=X))) == ["MaxPool"]


def test_refused() -> None:
    parameters = {"q": np.array([0, 0, 1, 1] * 2), "W": W, "low": np.float32(-np.inf)}
    body = "[p] p = Pad (x, q, low) y = Conv (p, W)"
    problems = refused(build(body, parameters, x=X), "-inf")
    assert problems[0].node == "p"
