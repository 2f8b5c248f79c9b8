"""Movements that meet once what stood between them has moved on."""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.frontend.load import load_graph
from n2uqc.passes import compile_graph
from n2uqc.passes.program.text import dump

from ..networks import build, check_same, ops

SHUFFLE = (
    "{y}a = Reshape ({x}, {s}) {y}b = Transpose <perm = [0, 2, 1, 3, 4]> ({y}a) "
    "{y} = Reshape ({y}b, whole)"
)
PARAMETERS = {
    "two": np.array([0, 2, 3, 4, 4]), "three": np.array([0, 3, 2, 4, 4]),
    "whole": np.array([0, 6, 4, 4]),
    "starts": np.array([-1]), "ends": np.array([-99]), "axes": np.array([3]),
    "steps": np.array([-1]),
    "crop0": np.array([1]), "crop1": np.array([3]),
    "around": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
    "pos": np.array([1.5]),
}  # fmt: skip
IMAGE = "float[N,6,4,4] x"
FLIP = "{y} = Slice ({x}, starts, ends, axes, steps)"
CROP = "{y} = Slice ({x}, crop0, crop1, axes)"
PAD = "{y} = Pad ({x}, around)"
TURN = "{y} = Transpose <perm = [0, 1, 3, 2]> ({x})"


def body(first: str, between: str, second: str) -> str:
    middle = f"m = {between} (f)" if between else "m = Identity (f)"
    return (
        f"q = Relu (x) {first.format(x='q', y='f')} {middle} {second.format(x='m', y='s')} "
        "y = Mul (s, pos)"
    )


@pytest.mark.parametrize("between", ["Relu", "LeakyRelu"])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (SHUFFLE.replace("{s}", "two"), SHUFFLE.replace("{s}", "three")),
        (FLIP, FLIP),
        (TURN, TURN),
    ],
)
def test_one_that_undoes_the_other(first: str, second: str, between: str) -> None:
    graph = check_same(build(body(first, between, second), PARAMETERS, x=IMAGE))
    assert "Rearrange" not in ops(graph)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (SHUFFLE.replace("{s}", "two"), SHUFFLE.replace("{s}", "two")),
        (SHUFFLE.replace("{s}", "two"), FLIP), (FLIP, TURN), (FLIP, CROP), (TURN, PAD),
    ],
)  # fmt: skip
def test_two_are_one(first: str, second: str) -> None:
    graph = check_same(build(body(first, "Relu", second), PARAMETERS, x=IMAGE))
    assert ops(graph).count("Rearrange") == 1


def test_text_of_the_program() -> None:
    """A flip, a function and another flip with a crop: one movement, then nothing."""
    two = body(FLIP, "Relu", CROP).replace("y = Mul", "z = Mul")
    model = build(
        f"{two} {TURN.format(x='z', y='t')} u = Relu (t) {TURN.format(x='u', y='y')}",
        PARAMETERS, x=IMAGE,
    )  # fmt: skip
    program = compile_graph(load_graph(model))
    text = dump(program)
    lines = [line.split(" = ")[1] for line in text.splitlines() if line[0] == "%"]
    assert [line.split("(")[0] for line in lines] == [
        "requantize", "clamp", "clamp", "rearrange", "requantize", "clamp",
    ]  # fmt: skip
    assert "@s.rows : u7[4] = 6 30 54 78\n@s.columns : u3[2] = 6 0\n" in text


def test_an_output_stays_an_output() -> None:
    """A tensor that is read elsewhere, too, is none of the network's outputs."""
    model = build(
        f"q = Relu (x) {FLIP.format(x='q', y='f')} i = Relu (f) {FLIP.format(x='i', y='y')}",
        PARAMETERS, x=IMAGE,
    )  # fmt: skip
    check_same(model)
