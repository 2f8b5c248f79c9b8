"""Softmax and LogSoftmax between layers, held against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.reference import evaluate_values
from n2uqc.passes import Options, compile_graph, load
from n2uqc.passes.checks.draw import as_images, drawn
from n2uqc.passes.checks.evaluate import reference
from n2uqc.passes.checks.network import hold
from n2uqc.passes.checks.recompile import differences, recompiled
from n2uqc.passes.pipeline import graph_of

from ..networks import build, images, ladder, ops, run_onnx, rungs

KERNEL = np.random.default_rng(0).normal(size=(3, 2, 3, 3))
MIX = np.random.default_rng(1).normal(size=(2, 3, 1, 1))


def network(op: str, axis: int, x: str = "float[N,2,4,5] x") -> onnx.ModelProto:
    """A layer, a distribution, a quantizer whose values the last layer sums."""
    thresholds = [0.1, 0.4, 0.7] if op == "Softmax" else [-3, -1.5, -0.5]
    body = f"""c = Conv <pads = [1, 1, 1, 1]> (x, k) s = {op} <axis = {axis}> (c)
        {ladder(3, x="s")} y = Conv (f, w)"""
    numbers = {"k": KERNEL, "w": MIX} | rungs(thresholds, [0, 1, 2, 3])
    return build(body, numbers, x=x)


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("axis", [1, 2, 3, -1, -3])
def test_the_same_as_the_operator(op: str, axis: int) -> None:
    model = network(op, axis)
    graph, x = load_graph(model), images(model)
    assert "Threshold" in ops(graph) and op not in ops(graph)
    inner = onnx.ModelProto()
    inner.CopyFrom(model)
    inner.graph.output[0].name = "s"
    (got,) = evaluate_values(graph, x, ["s"]).values()
    np.testing.assert_allclose(got, run_onnx(inner, x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
def test_codes_within_the_proven_error(op: str) -> None:
    graph = load_graph(network(op, 1))
    program = compile_graph(graph)
    found = hold(reference(graph, Options()), program, as_images(program, drawn(program, 24, 0), 0))
    assert not any(row.wrong for row in found.rows)
    (codes,) = found.codes
    assert codes.values > 1000 and codes.differing < 5


def test_of_an_axis_of_one_number() -> None:
    """It is 1, whatever the number."""
    body = "a = ReduceMean <axes = [1]> (x) s = Softmax <axis = 1> (a) y = Mul (x, s)"
    weight = {"v": np.ones((1, 2, 1, 1))}
    model = build(f"{body} z = Conv (y, v)", weight, y="float[] z")
    x = images(model)
    np.testing.assert_allclose(
        evaluate_values(load_graph(model), x, ["z"])["z"], run_onnx(model, x), rtol=1e-5, atol=1e-6
    )


HEADS = {
    "Softmax": "y = Softmax <axis = 1> (f)",
    "LogSoftmax": "y = LogSoftmax <axis = 1> (f)",
    "Sigmoid": "y = Sigmoid (f)",
    "two": "s = Softmax <axis = 1> (f) y = Mul (s, half)",
}


@pytest.mark.filterwarnings("ignore:.*no activation quantizer")
@pytest.mark.parametrize("name", HEADS)
def test_at_the_end_as_the_user_says(name: str, tmp_path: Path) -> None:
    weight = np.random.default_rng(0).normal(0, 0.3, (5, 2, 4, 4))
    numbers = {"k": weight} | ({"half": np.float32(0.5)} if name == "two" else {})
    model = build(f"c = Conv (x, k) f = Flatten (c) {HEADS[name]}", numbers, y="float[N,5] y")
    onnx.save(model, path := tmp_path / "net.onnx")
    x = images(model, 50)
    want = run_onnx(model, x)
    program = load(path, Options(integer_heads=True))
    host = load(path)
    assert program.host is None and host.host is not None
    for each in (program, host):
        assert np.abs(each(x) - want).max() < 1e-3 * want.std()
    graph = graph_of(path, program)
    assert not any(differences(program, recompiled(graph, program)))
    found = hold(reference(graph, Options(integer_heads=True)), program, x)
    assert not any(row.wrong for row in found.rows)


def test_indices_need_no_softmax() -> None:
    """The largest score stays the largest: exact in integers."""
    body = "c = Conv (x, k) f = Flatten (c) s = Softmax <axis = 1> (f) y = ArgMax <axis = 1> (s)"
    numbers = {"k": np.random.default_rng(0).normal(size=(5, 2, 4, 4))}
    model = build(body, numbers, y="int64[N,1] y")
    assert ops(load_graph(model, integer_heads=True)) == ops(load_graph(model))
