"""Precision `exact` on networks that compare so many values that streams need more than 32 bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
import torch

from n2uqc.api.executors import run_all
from n2uqc.backends import find_target
from n2uqc.frontend.load import load_graph
from n2uqc.models.blocks import BasicBlock, Bottleneck
from n2uqc.models.export import export_onnx
from n2uqc.models.networks import ResidualNetwork
from n2uqc.models.randomize import randomize, settle
from n2uqc.passes import Options, compile_graph
from n2uqc.passes.checks.evaluate import deviation, reference
from n2uqc.passes.fixed_point import expected_flips
from n2uqc.passes.program import Add, IntType, quantize_input

SOME = ("interpreter", "host", "datapath")
ALL = (*SOME, "aarch64", "armv7", "cortex-m")


def graph_of(folder: Path, block: type, bits: int) -> ir.Model:
    torch.manual_seed(bits)
    network = ResidualNetwork(
        bits,
        (8, 16),
        (1, 1),
        in_channels=3,
        stem_stride=2,
        maxpool=True,
        downsample="float",
        block=block,
    )
    randomize(network, bits)
    settle(network, torch.randn(4, 3, 24, 24), bits)
    export_onnx(network.eval(), folder / "model.onnx", torch.zeros(1, 3, 24, 24))
    return load_graph(folder / "model.onnx")


@pytest.mark.parametrize(
    ("block", "bits", "names"),
    [
        (BasicBlock, 2, ALL),
        pytest.param(Bottleneck, 4, SOME, marks=pytest.mark.slow),
    ],
)
def test_every_executor_runs_wide_streams(
    block: type,
    bits: int,
    names: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = graph_of(tmp_path, block, bits)
    narrow = compile_graph(graph)
    monkeypatch.setattr(expected_flips, "FLIPS", 2.0**-30)  # as if there were millions of codes
    program = compile_graph(graph)
    widest = [
        max(
            k.bits
            for op in p
            for k in [p.types[op.output]]
            if isinstance(op, Add) and isinstance(k, IntType)
        )
        for p in (narrow, program)
    ]
    assert widest[0] <= 32 < 36 <= widest[1]
    images = np.random.default_rng(0).normal(0, 1, (2, 3, 24, 24)).astype(np.float32)
    found = deviation(reference(graph, Options()), program, images)
    assert sum(row.flips for row in found.layers) == 0
    assert found.top1 == len(images)
    assert found.logit_error < 1e-3
    targets = [find_target(name) for name in names]
    first, *others = run_all(program, quantize_input(program, images), targets=targets)
    for outcome in others:
        assert outcome.output is not None or outcome.missing, outcome.target.name
        if outcome.output is not None:
            np.testing.assert_array_equal(outcome.output, first.output, outcome.target.name)


def test_a_stated_width_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = graph_of(tmp_path, BasicBlock, 3)
    monkeypatch.setattr(expected_flips, "FLIPS", 2.0**-30)
    program = compile_graph(graph, Options(residual_bits=24))
    sums = [program.types[op.output] for op in program if isinstance(op, Add)]
    assert sums and all(isinstance(k, IntType) and k.bits <= 24 for k in sums)
