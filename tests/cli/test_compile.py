"""`n2uqc compile`: saved programs, looking inside the passes, refused requests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import n2uqc
from n2uqc.passes import PIPELINE
from n2uqc.passes.program import dump, load

from .conftest import Command


def test_a_saved_program_is_the_program(
    command: Command, model: Path, program: n2uqc.Program, tmp_path: Path
) -> None:
    path = tmp_path / "net.n2uq"
    result = command("compile", model, "--target", "program", "-o", path)
    assert result.status == 0, result.err
    assert str(path) in result.out
    assert dump(load(path)) == dump(program)


def test_saving_twice_gives_the_same_bytes(command: Command, model: Path, tmp_path: Path) -> None:
    for name in ("a.n2uq", "b.n2uq"):
        assert command("compile", model, "-t", "program", "-o", tmp_path / name).status == 0
    assert (tmp_path / "a.n2uq").read_bytes() == (tmp_path / "b.n2uq").read_bytes()


def test_precision_options_reach_the_program(command: Command, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "net.n2uq"
    result = command(
        "compile",
        model,
        "-t",
        "program",
        "-o",
        path,
        "--stem-bits",
        12,
        "--head-bits",
        9,
        "--residual-bits",
        20,
        "--input-range",
        "0,1",
    )
    assert result.status == 0, result.err
    facts = load(path).metadata
    assert (facts["stem_bits"], facts["head_bits"], facts["residual_bits"]) == ("12", "9", "20")
    assert facts["input_range"] == "0.0,1.0"


def test_calibration_data_set_the_input_range(
    command: Command, model: Path, samples: Path, tmp_path: Path
) -> None:
    path = tmp_path / "net.n2uq"
    result = command("compile", model, "-t", "program", "-o", path, "--calib", samples)
    assert result.status == 0, result.err
    assert load(path).metadata["input_range"] == "0.0,1.25"  # largest seen, with the margin


def test_a_named_precision_sets_the_widths(command: Command, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "net.n2uq"
    result = command(
        "compile", model, "-t", "program", "-o", path, "--precision", "small", "--head-bits", 12
    )
    assert result.status == 0, result.err
    facts = load(path).metadata
    assert (facts["residual_bits"], facts["stem_bits"], facts["head_bits"]) == ("16", "8", "12")


def test_raw_pixels_give_the_same_classes(
    command: Command, model: Path, program: n2uqc.Program, images: np.ndarray, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", (images * 16).astype(np.uint8))
    y = tmp_path / "y.npy"
    result = command("simulate", model, "-i", tmp_path / "x.npy", "--output", y, "--pixels", "1/16")
    assert result.status == 0, result.err
    np.testing.assert_array_equal(np.load(y).argmax(1), program(images).argmax(1))


def test_print_after_and_timing(command: Command, model: Path, tmp_path: Path) -> None:
    result = command(
        "compile",
        model,
        "-t",
        "program",
        "-o",
        tmp_path / "net.n2uq",
        "--print-after",
        "integer-layers",
        "--timing",
    )
    assert result.status == 0, result.err
    assert result.out.count("# after ") == 1
    assert "# after integer-layers" in result.out
    assert "real_conv" in result.out
    assert all(step.name in result.err for step in PIPELINE)


def test_print_after_an_unknown_pass(command: Command, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "net.n2uq"
    result = command("compile", model, "-t", "program", "-o", path, "--print-after", "magic")
    assert result.status == 2
    assert "no such pass" in result.err
    assert PIPELINE[0].name in result.err
    assert not path.exists()


@pytest.mark.parametrize("option", [("--mcpu", "cortex-a72"), ("--mattr", "+neon")])
def test_processor_options_do_not_apply_to_a_saved_program(
    option: tuple[str, str], command: Command, model: Path, tmp_path: Path
) -> None:
    result = command("compile", model, "-t", "program", "-o", tmp_path / "p.n2uq", *option)
    assert result.status == 2
    assert option[0] in result.err and "processors" in result.err


@pytest.mark.parametrize("target", ["aarch64", "host", "program"])
def test_a_place_that_cannot_be_written(
    target: str, command: Command, program_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    place = tmp_path / "file" / "out"
    result = command("compile", program_file, "--target", target, "-o", place)
    assert result.status == 2
    assert "cannot write" in result.err
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_an_unknown_target_is_refused_by_name(
    command: Command, program_file: Path, tmp_path: Path
) -> None:
    result = command("compile", program_file, "--target", "z80", "-o", tmp_path / "out")
    assert result.status == 2
    assert "z80" in result.err
    assert "aarch64" in result.err
    assert not (tmp_path / "out").exists()


def test_sizes_are_told(command: Command, program_file: Path, tmp_path: Path) -> None:
    """Workspace beside its bound, library beside what its numbers carry."""
    result = command("compile", program_file, "--target", "host", "-o", tmp_path / "net")
    assert result.status == 0, result.err
    manifest = json.loads((tmp_path / "net/manifest.json").read_text())
    assert f"workspace {manifest['workspace_bytes']:,} bytes" in result.out
    assert f"{manifest['workspace_lower_bound']:,} are in use at once" in result.out
    assert manifest["workspace_bytes"] <= 1.1 * manifest["workspace_lower_bound"]
    assert f"carry {manifest['information_bytes']:,} bytes" in result.out
    stored = sum(c.storage_bits for c in load(program_file).constants.values())
    assert manifest["information_bytes"] == -(-stored // 8)
    for name in ("example/example.c", "include/", "cmake/"):
        assert str(tmp_path / "net" / name) in result.out
    assert f"run it: n2uqc run {tmp_path / 'net'} --input" in result.out
    assert f"cmake -S {tmp_path / 'net/example'} -B" in result.out


def test_targets_are_listed(command: Command, program_file: Path, tmp_path: Path) -> None:
    result = command("compile", "--target", "help")
    assert result.status == 0
    names = [line.split()[0] for line in result.out.splitlines()]
    assert {"host", "aarch64+dotprod", "cortex-a72", "armv7", "cortex-m7", "fpga", "program"} <= {
        *names
    }
    refused = command("compile", program_file, "--target", "cortex-a999", "-o", tmp_path / "out")
    assert refused.status == 2
    assert all(line in refused.err for line in result.out.splitlines())


def test_a_chip_is_told_its_memory(command: Command, program_file: Path, tmp_path: Path) -> None:
    result = command("compile", program_file, "--target", "cortex-m4", "-o", tmp_path / "out")
    assert result.status == 0, result.err
    assert "bytes of flash" in result.out
    assert (tmp_path / "out" / "source" / "board.ld").is_file()


def test_a_folder_in_the_way_is_named_before_the_work_begins(
    command: Command, model: Path, tmp_path: Path
) -> None:
    from n2uqc.backends.artifact import Artifact

    folder = Artifact({"Makefile": b""}, frozenset(), {}).save(tmp_path / "out")
    (folder / "build").mkdir()
    result = command("compile", model, "--target", "aarch64", "-o", folder, "--timing")
    assert result.status == 2
    assert "did not write: build" in result.err and f"make -C {folder} clean" in result.err
    assert "pixel-input" not in result.err  # no pass ran
