"""`n2uqc simulate --datapath`: the interpreter's integers, with cycles."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

import n2uqc
from n2uqc.backends.fpga import default_folding
from n2uqc.passes.program import quantize_input, trace

from .conftest import Command


def _datapath(
    command: Command, program_file: Path, samples: Path, *more: object
) -> tuple[int, str]:
    result = command("simulate", program_file, "--input", samples, "--datapath", *more)
    assert result.status == 0, result.err
    [latency, interval] = re.findall(
        r"latency ([\d,]+) cycles, initiation interval ([\d,]+)", result.out
    )[0]
    assert int(latency.replace(",", "")) >= int(interval.replace(",", ""))
    return int(interval.replace(",", "")), result.out


def test_every_tensor_is_the_interpreters(
    command: Command,
    program_file: Path,
    program: n2uqc.Program,
    images: np.ndarray,
    samples: Path,
    tmp_path: Path,
) -> None:
    y, dump = tmp_path / "y.npy", tmp_path / "dump.npz"
    _, text = _datapath(command, program_file, samples, "--output", y, "--dump", dump)
    expected = trace(program, quantize_input(program, images))
    tensors = np.load(dump)
    assert set(tensors.files) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(tensors[name], value)
    np.testing.assert_array_equal(np.load(y), program(images))
    assert "conv2/Conv" in text
    assert "matrix-vector" in text
    assert " 0 accumulator overflows" in text


def test_a_target_of_cycles_is_met_and_slower_is_slower(
    command: Command, program_file: Path, samples: Path
) -> None:
    fast, _ = _datapath(command, program_file, samples, "--target-cycles", 2000)
    slow, _ = _datapath(command, program_file, samples, "--target-cycles", 50000)
    assert fast <= 2000 < slow <= 50000


def test_a_folding_from_a_file(
    command: Command, program_file: Path, program: n2uqc.Program, samples: Path, tmp_path: Path
) -> None:
    folding = tmp_path / "folding.json"
    folding.write_text(default_folding(program, cycles=50000).to_json())
    from_file, _ = _datapath(command, program_file, samples, "--folding", folding)
    assert from_file == _datapath(command, program_file, samples, "--target-cycles", 50000)[0]


def test_foldings_that_do_not_fit(
    command: Command, program_file: Path, samples: Path, tmp_path: Path
) -> None:
    folding, y = tmp_path / "folding.json", tmp_path / "y.npy"
    for text, mention in (("{", "not JSON"), ("{}", "engines"), ('{"engines": {}}', "no entry")):
        folding.write_text(text)
        result = command(
            "simulate",
            program_file,
            "--input",
            samples,
            "--datapath",
            "--folding",
            folding,
            "--output",
            y,
        )
        assert result.status == 2
        assert mention in result.err
    folding.unlink()
    result = command("simulate", program_file, "-i", samples, "--datapath", "--folding", folding)
    assert result.status == 2
    assert "folding.json" in result.err
    assert not y.exists()


def test_an_impossible_target(command: Command, program_file: Path, samples: Path) -> None:
    result = command("simulate", program_file, "-i", samples, "--datapath", "--target-cycles", 1)
    assert result.status == 2
    assert "1 cycles per image asked for" in result.err
