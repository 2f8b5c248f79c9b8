"""Modules may be called what passes call their own tensors: names carry no meaning."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from n2uqc.frontend.load import load_graph
from n2uqc.models.shipped import path
from n2uqc.passes import Options, compile_graph
from n2uqc.passes.checks.draw import as_images, drawn
from n2uqc.passes.checks.evaluate import reference
from n2uqc.passes.checks.network import hold
from n2uqc.passes.checks.prove import prove_tables
from n2uqc.passes.checks.relation import Unrelated
from n2uqc.passes.pixels import Pixels
from n2uqc.passes.program import Conv, dump, parse, run

# What a module of the shipped network is called, and what else it may be called.
CALLED = {
    "bn1/": "conv1.acc/",
    "bias11/": "relu.rest/",
    "prelu2/": "conv1.acc.rest/",
    "bias21/": "quan1.codes/",
    "avgpool/": "fc.acc/",
    "relu/": "input.normalized/",
}


def network(folder: Path, called: dict[str, str]) -> Path:
    """The shipped network, with modules called otherwise."""
    model = onnx.load(path("digits_2bit"))
    for node in model.graph.node:
        for old, new in called.items():
            node.name = re.sub(rf"(?<=[/.]){old}", new, node.name)
    onnx.save(model, folder / "net.onnx")
    return folder / "net.onnx"


@pytest.mark.parametrize("pixels", [None, Pixels(1 / 255, (0.4,), (0.2,))])
def test_modules_called_like_tensors_of_passes(pixels: Pixels | None, tmp_path: Path) -> None:
    options = Options(pixels=pixels)
    graph, plain = load_graph(network(tmp_path, CALLED)), load_graph(path("digits_2bit"))
    program, usual = (compile_graph(g, options) for g in (graph, plain))
    # The first is sums: the module of that name was merged into what follows it.
    assert {"layer1.0.conv1.acc", "fc.acc", "fc.acc_1"} <= set(program.types)
    x = drawn(program, 8, 0)
    np.testing.assert_equal(list(run(program, x).values()), list(run(usual, x).values()))
    assert not any(proof.mismatches for proof in prove_tables(graph, program))
    found = hold(reference(graph, options), program, as_images(program, x, 0))
    assert not any(row.wrong for row in found.rows)


@pytest.mark.parametrize("stated", [(), ("/layer1/layer1.0/conv2/Conv",)])
def test_sums_of_other_nodes_are_not_proved_to_be_a_layers(stated: tuple[str, ...]) -> None:
    graph = load_graph(path("digits_2bit"))
    program = compile_graph(graph)
    conv = program.producer("layer1.0.conv1.acc")
    assert isinstance(conv, Conv)
    assert conv.origin == ("/layer1/layer1.0/conv1/Conv",)
    ops = tuple(replace(op, origin=stated) if op is conv else op for op in program.ops)
    other = parse(dump(replace(program, ops=ops)))
    said = rf"layer1.0.conv1.acc is of {stated[0] if stated else 'no node'}, where the network has"
    with pytest.raises(Unrelated, match=said):
        prove_tables(graph, other)
    with pytest.raises(Unrelated, match=said):
        hold(reference(graph, Options()), other, np.zeros((1, 1, 8, 8), np.float32))
