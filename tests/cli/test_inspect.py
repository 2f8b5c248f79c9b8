"""`n2uqc inspect`: what was recognized, as tables, JSON and program text."""

from __future__ import annotations

import json
from pathlib import Path

import n2uqc
from n2uqc.passes.program import dump

from .conftest import Command


def test_the_tables_name_every_quantizer_and_layer(command: Command, model: Path) -> None:
    result = command("inspect", model)
    assert result.status == 0, result.err
    for name in ("conv1/Conv", "layer2.0/downsample", "fc/Gemm", "quan2"):
        assert name in result.out
    assert result.out.count("2 bit") == 5
    assert "fixed point: float weights, real-valued input" in result.out
    assert "comparison table" in result.out
    assert "skip connection is real-valued" in result.out


def test_json_holds_the_thresholds_in_order(command: Command, model: Path) -> None:
    result = command("inspect", model, "--json")
    assert result.status == 0, result.err
    summary = json.loads(result.out)
    assert len(summary["quantizers"]) == 5
    for quantizer in summary["quantizers"]:
        [thresholds] = quantizer["thresholds"]
        assert len(thresholds) == 3
        assert thresholds == sorted(thresholds)
        assert quantizer["rule"] == ">"
    weights = [layer for layer in summary["layers"] if layer["weight_bits"]]
    assert all(set(layer["codes"]) <= {"-3", "-1", "1", "3"} for layer in weights)


def test_a_saved_program_prints_its_text(
    command: Command, program_file: Path, program: n2uqc.Program
) -> None:
    shown, text = command("inspect", program_file).out, dump(program, inline=False)
    assert shown.startswith(text)
    convs = [op.output for op in program.ops if op.mnemonic == "conv"]
    rest = shown.removeprefix(text).splitlines()
    assert [line.split(":")[0] for line in rest] == [f"# accumulator of {name}" for name in convs]


def test_a_saved_program_as_json(
    command: Command, program_file: Path, program: n2uqc.Program
) -> None:
    facts = json.loads(command("inspect", program_file, "--json").out)
    assert [op["output"] for op in facts["operations"]] == [op.output for op in program.ops]
    assert facts["input"]["shape"] == [1, 8, 8]
    assert facts["workspace_bytes"] > 0
    assert all(0 <= a["steps"] <= a["taps"] for a in facts["accumulators"].values())
