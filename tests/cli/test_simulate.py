"""`n2uqc simulate` and `n2uqc compile --target program` by the interpreter."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import n2uqc
from n2uqc.passes.program import quantize_input, trace

from .conftest import Command


def test_outputs_are_those_of_the_program(
    command: Command,
    model: Path,
    program: n2uqc.Program,
    images: np.ndarray,
    samples: Path,
    tmp_path: Path,
) -> None:
    result = command("simulate", model, "--input", samples, "--output", tmp_path / "y.npy")
    assert result.status == 0, result.err
    y = np.load(tmp_path / "y.npy")
    assert y.dtype == np.float64
    assert y.shape == (5, 10)
    np.testing.assert_array_equal(y, program(images))


def test_integers_and_the_dump_agree(
    command: Command,
    program_file: Path,
    program: n2uqc.Program,
    images: np.ndarray,
    samples: Path,
    tmp_path: Path,
) -> None:
    y, dump = tmp_path / "y.npy", tmp_path / "dump.npz"
    result = command(
        "simulate", program_file, "--input", samples, "--output", y, "--integers", "--dump", dump
    )
    assert result.status == 0, result.err
    tensors = np.load(dump)
    expected = trace(program, quantize_input(program, images))
    assert set(tensors.files) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(tensors[name], value)
    np.testing.assert_array_equal(np.load(y), tensors[program.output])


def test_no_samples_give_no_outputs(command: Command, program_file: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((0, 1, 8, 8), np.float32))
    y = tmp_path / "y.npy"
    result = command("simulate", program_file, "--input", tmp_path / "x.npy", "--output", y)
    assert result.status == 0, result.err
    assert np.load(y).shape == (0, 10)


def test_more_samples_than_a_piece(
    command: Command,
    program_file: Path,
    program: n2uqc.Program,
    images: np.ndarray,
    tmp_path: Path,
) -> None:
    many = np.tile(images, (15, 1, 1, 1))
    np.save(tmp_path / "x.npy", many)
    y = tmp_path / "y.npy"
    assert command("simulate", program_file, "-i", tmp_path / "x.npy", "--output", y).status == 0
    np.testing.assert_array_equal(np.load(y), program(many))


def test_folding_needs_the_datapath(
    command: Command, program_file: Path, samples: Path, tmp_path: Path
) -> None:
    result = command("simulate", program_file, "-i", samples, "--folding", tmp_path / "f.json")
    assert result.status == 2
    assert "--folding: only with --datapath" in result.err
