"""`n2uqc compile` for processors and `n2uqc run`: the same integers, or one clear error."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import n2uqc
from n2uqc import cli
from n2uqc.passes.program import quantize_input, run

from .conftest import Command


@pytest.fixture(scope="module", params=["host", "aarch64"])
def artifact(
    request: pytest.FixtureRequest, program_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The shipped network, compiled."""
    folder = tmp_path_factory.mktemp(request.param) / "net"
    assert cli.main(["compile", str(program_file), "-t", request.param, "-o", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def host(program_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for this machine only."""
    folder = tmp_path_factory.mktemp("only-host") / "net"
    assert cli.main(["compile", str(program_file), "-t", "host", "-o", str(folder)]) == 0
    return folder


def test_outputs_are_those_of_the_program(
    command: Command,
    artifact: Path,
    program: n2uqc.Program,
    images: np.ndarray,
    samples: Path,
    tmp_path: Path,
) -> None:
    y = tmp_path / "y.npy"
    result = command("run", artifact, "--input", samples, "--output", y)
    assert result.status == 0, result.err
    np.testing.assert_array_equal(np.load(y), program(images))
    result = command("run", artifact, "--input", samples, "--output", y, "--integers")
    assert result.status == 0, result.err
    np.testing.assert_array_equal(np.load(y), run(program, quantize_input(program, images)))


def test_more_samples_than_a_piece(
    command: Command, host: Path, program: n2uqc.Program, images: np.ndarray, tmp_path: Path
) -> None:
    many = np.tile(images, (15, 1, 1, 1))
    np.savez(tmp_path / "x.npz", many)
    y = tmp_path / "y.npy"
    result = command("run", host, "--input", tmp_path / "x.npz", "--output", y)
    assert result.status == 0, result.err
    np.testing.assert_array_equal(np.load(y), program(many))


def test_an_artifact_is_not_written_over(
    command: Command, host: Path, samples: Path, tmp_path: Path
) -> None:
    written = {path: path.read_bytes() for path in host.iterdir() if path.is_file()}
    for path in written:
        result = command("run", host, "--input", samples, "--output", path)
        assert result.status == 2 and "which is read; name another file" in result.err
    assert command("run", host, "--input", samples, "--output", tmp_path / "y.npy").status == 0
    assert {path: path.read_bytes() for path in host.iterdir() if path.is_file()} == written


def test_no_samples_give_no_outputs(command: Command, host: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((0, 1, 8, 8), np.float32))
    y = tmp_path / "y.npy"
    result = command("run", host, "--input", tmp_path / "x.npy", "--output", y)
    assert result.status == 0, result.err
    assert np.load(y).shape == (0, 10)


def test_the_manifest_names_what_was_made(artifact: Path) -> None:
    manifest = json.loads((artifact / "manifest.json").read_text())
    assert manifest["target"] in ("host", "aarch64")
    assert set(manifest["files"]) == {
        p.relative_to(artifact).as_posix() for p in artifact.rglob("*") if p.is_file()
    } - {"manifest.json"}


@pytest.mark.parametrize(
    ("array", "mention"),
    [
        (np.zeros((2, 1, 9, 8), np.float32), "shape (2, 1, 9, 8)"),
        (np.zeros((2, 1, 8, 8), np.int32), "dtype int32"),
        (np.full((2, 1, 8, 8), np.nan), "not finite"),
    ],
)
def test_images_that_do_not_fit(
    array: np.ndarray, mention: str, command: Command, host: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", array)
    y = tmp_path / "y.npy"
    result = command("run", host, "--input", tmp_path / "x.npy", "--output", y)
    assert result.status == 2
    assert mention in result.err
    assert not y.exists()


@pytest.mark.parametrize(
    "fault",
    [
        "absent",
        "empty",
        "no program",
        "program changed",
        "driver changed",
        "manifest cut",
        "no list",
        "no input",
        "no files",
        "another target",
    ],
)
def test_folders_that_hold_no_whole_artifact(
    fault: str, command: Command, host: Path, samples: Path, tmp_path: Path
) -> None:
    folder, y = tmp_path / "net", tmp_path / "y.npy"
    if fault == "empty":
        folder.mkdir()
    elif fault != "absent":
        shutil.copytree(host, folder)
        driver = json.loads((folder / "manifest.json").read_text())["driver"]
        if fault == "no program":
            (folder / "program.n2uq").unlink()
        elif fault == "manifest cut":
            text = (folder / "manifest.json").read_text()
            (folder / "manifest.json").write_text(text[: len(text) // 2])
        elif fault in ("no files", "another target"):
            manifest = json.loads((folder / "manifest.json").read_text())
            manifest |= {"files": {}} if fault == "no files" else {"target": "fpga"}
            (folder / "manifest.json").write_text(json.dumps(manifest))
        elif fault.startswith("no "):
            manifest = json.loads((folder / "manifest.json").read_text())
            manifest |= {"kernels": 4} if fault == "no list" else {"inputs": None}
            (folder / "manifest.json").write_text(json.dumps(manifest))
        else:
            changed = folder / ("program.n2uq" if fault == "program changed" else driver)
            data = changed.read_bytes()
            changed.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    result = command("run", folder, "-i", samples, "-o", y)
    assert result.status == 2, result.err
    assert str(folder) in result.err
    assert "Traceback" not in result.err
    assert not y.exists()


def test_a_datapath_runs_as_its_simulation(
    command: Command, program_file: Path, samples: Path, tmp_path: Path
) -> None:
    folder, y = tmp_path / "net", tmp_path / "y.npy"
    assert command("compile", program_file, "--target", "fpga", "-o", folder).status == 0
    layout = json.loads((folder / "datapath.json").read_text())
    assert layout["interval_cycles"] <= layout["latency_cycles"]
    assert {"matrix-vector", "threshold"} <= {engine["kind"] for engine in layout["engines"]}
    assert command("run", folder, "--input", samples, "--output", y).status == 0
    other = tmp_path / "simulated.npy"
    again = command(
        "simulate",
        folder / "program.n2uq",
        "--input",
        samples,
        "--output",
        other,
        "--datapath",
        "--folding",
        folder / "folding.json",
    )
    assert again.status == 0, again.err
    np.testing.assert_array_equal(np.load(y), np.load(other))


def test_a_folder_of_the_users_is_not_replaced(
    command: Command, program_file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.tex").write_text("all my work")
    for target in ("host", "fpga"):
        result = command("compile", program_file, "--target", target, "-o", folder)
        assert result.status == 2
        assert "holds no n2uqc artifact" in result.err
    assert [p.name for p in folder.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("option", [("--mcpu", "no-such-cpu"), ("--mattr", "+no-such-feature")])
def test_processors_that_do_not_exist(
    option: tuple[str, str], command: Command, program_file: Path, tmp_path: Path
) -> None:
    result = command(
        "compile", program_file, "--target", "aarch64", "-o", tmp_path / "net", *option
    )
    assert result.status == 2, result.err
    assert "no-such" in result.err
    assert not list(tmp_path.iterdir())


def test_the_python_api_does_the_same(
    model: Path, images: np.ndarray, program: n2uqc.Program, tmp_path: Path
) -> None:
    from n2uqc.backends import run_artifact

    loaded = n2uqc.load(model)
    n2uqc.compile(loaded, target="host").save(tmp_path / "net")
    x = quantize_input(program, images)
    np.testing.assert_array_equal(run_artifact(tmp_path / "net", x), run(program, x))
