"""Networks that move, split, join and enlarge maps: both exporters, every executor, against the
network in float64.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="networks are exported by torch")
pytest.importorskip("onnxscript", reason="the dynamo-based exporter needs onnxscript")

import torch

from n2uqc.backends.fpga import simulate
from n2uqc.frontend.load import load_graph
from n2uqc.models.randomize import randomize, settle
from n2uqc.passes import Options, compile_graph
from n2uqc.passes.checks.evaluate import reference
from n2uqc.passes.checks.network import hold
from n2uqc.passes.checks.prove import prove_tables
from n2uqc.passes.program import quantize_input, run, trace

from ..backends.cpu.host import Host
from .shape_networks import NETWORKS


def export(name: str, path: Path, dynamo: bool) -> None:
    torch.manual_seed(3)
    network = NETWORKS[name]().eval()
    image = torch.randn(4, 3, 8, 8)
    randomize(network, 3)
    settle(network, image, 3)
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            torch.onnx.export(
                network, (image,), path, dynamo=True, dynamic_shapes=({0: batch},), verbose=False
            )
        else:
            axes = {"input": {0: "batch"}, "output": {0: "batch"}}
            torch.onnx.export(
                network, (image,), path, dynamo=False, opset_version=17,
                input_names=["input"], output_names=["output"], dynamic_axes=axes,
            )  # fmt: skip


@pytest.mark.parametrize("dynamo", [False, True], ids=["script", "dynamo"])
@pytest.mark.parametrize("name", NETWORKS)
def test_network(name: str, dynamo: bool, tmp_path: Path) -> None:
    export(name, path := tmp_path / "m.onnx", dynamo)
    graph = load_graph(path)
    program = compile_graph(graph)
    x = np.random.default_rng(0).standard_normal((4, 3, 8, 8))
    x = x.astype(np.float32)
    compared = hold(reference(graph, Options()), program, x)
    assert not any(row.wrong for row in compared.rows), compared.rows
    assert compared.output.share < 1e-2
    assert not any(proof.mismatches for proof in prove_tables(graph, program))
    integers = quantize_input(program, x)
    want = run(program, integers)
    np.testing.assert_array_equal(Host(program, tmp_path)(integers[:2]), want[:2])
    assert np.array_equal(simulate(program, integers[:1]).output, want[:1])
    assert len({v.tobytes() for v in trace(program, integers[:1]).values()}) > len(program.ops) / 2
