"""Artifacts as folders: what they hold, when they may replace, that they appear whole."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from n2uqc import __version__
from n2uqc.backends import TARGETS, Artifact, read_manifest, run_artifact
from n2uqc.backends import compile as compile_program
from n2uqc.frontend.diagnostics import CompileError
from n2uqc.passes.program import InputError, Program, dump, load, quantize_input, real_output, run
from n2uqc.passes.program.store import to_bytes
from tests.properties.programs import Builder


def small(text: bytes = b"one") -> Artifact:
    return Artifact({"a.txt": text, "tool": b"#!/bin/sh\n"}, frozenset({"tool"}), {"name": "n"})


def written(folder: Path) -> set[str]:
    """Every file of a folder, by its path within."""
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_manifest(host_artifact: Path, network: Program) -> None:
    manifest = read_manifest(host_artifact)
    assert manifest["target"] == "host"
    assert manifest["triple"].endswith("-linux-gnu")
    assert manifest["cpu"]
    assert manifest["input"] == {
        "name": "x",
        "dtype": "uint8",
        "shape": [12, 12, 3],
        "min": 0,
        "max": 255,
        "scale": "1/7",
    }
    assert manifest["output"]["scale"] == "1/64"
    assert manifest["workspace_bytes"] >= manifest["workspace_lower_bound"] > 0
    assert manifest["versions"]["n2uqc"] == __version__
    assert manifest["program_sha256"] == hashlib.sha256(to_bytes(network)).hexdigest()
    listed = manifest["files"]
    assert {*listed, "manifest.json"} == written(host_artifact)
    for name, facts in listed.items():
        data = (host_artifact / name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (facts["bytes"], facts["sha256"])
    covered = [name for kernel in manifest["kernels"] for name in kernel["operations"]]
    assert covered == [op.output for op in network.ops if op.mnemonic != "flatten"]
    assert all(kernel["kernel"] and kernel["reason"] for kernel in manifest["kernels"])
    header = (host_artifact / manifest["header"]).read_text()
    assert f"_WORKSPACE_BYTES {manifest['workspace_bytes']}\n" in header
    assert manifest["program_sha256"] in header


def test_images_through_the_saved_program(
    host_artifact: Path, network: Program, samples: np.ndarray
) -> None:
    """All that a run needs is in the folder: scales included."""
    program = load(host_artifact / "program.n2uq")
    assert dump(program) == dump(network)
    scale = float(network.types[network.input].scale)
    images = (samples * scale).transpose(0, 3, 1, 2)
    y = run_artifact(host_artifact, quantize_input(program, images))
    np.testing.assert_array_equal(y, run(network, samples))
    np.testing.assert_array_equal(real_output(program, y), network(images))


def test_builds_are_reproducible(host_artifact: Path, tmp_path: Path) -> None:
    """The whole folder, from another process, place and hash seed."""
    again = tmp_path / "elsewhere" / "again"
    script = (
        "import sys; from n2uqc.backends import compile; "
        "from tests.backends.cpu.networks import residual_network; "
        "compile(residual_network(), 'host').save(sys.argv[1])"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TMPDIR": str(tmp_path)}
    subprocess.run(
        [sys.executable, "-c", script, str(again)],
        check=True,
        env=environment,
        cwd=Path(__file__).parents[2],
    )
    assert written(again) == written(host_artifact)
    for name in written(again):
        assert (host_artifact / name).read_bytes() == (again / name).read_bytes(), name


def test_a_program_may_end_in_accumulators(tmp_path: Path) -> None:
    """Their scale differs by channel, so they have none; negative 64-bit limits are legal C."""
    b = Builder(3, 4, 3, 24, True)
    program = b.finish(b.conv("x", 5, bits=23, odd=False))
    folder = compile_program(program, "host").save(tmp_path / "net")
    assert read_manifest(folder)["output"]["scale"] is None
    x = b.input(3)
    np.testing.assert_array_equal(run_artifact(folder, x), run(program, x))


def test_save_replaces_an_artifact(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "out"
    small().save(folder)
    small(b"two").save(folder)
    assert (folder / "a.txt").read_bytes() == b"two"
    assert os.access(folder / "tool", os.X_OK)
    assert not os.access(folder / "a.txt", os.X_OK)
    assert [p.name for p in folder.parent.iterdir()] == ["out"]


def test_save_fills_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    small().save(tmp_path / "out")
    assert (tmp_path / "out" / "manifest.json").exists()


def test_save_never_destroys_what_it_did_not_write(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("x")
    with pytest.raises(CompileError, match="holds no n2uqc artifact"):
        small().save(out)
    (out / "manifest.json").write_text("{}")
    with pytest.raises(CompileError, match="holds no n2uqc artifact"):
        small().save(out)
    other = small().save(tmp_path / "other")
    (other / "y.npy").write_text("results")
    with pytest.raises(CompileError, match=r"did not write: y\.npy"):
        small().save(other)
    assert (other / "y.npy").exists() and (out / "thesis.tex").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(CompileError, match="is no folder"):
        small().save(tmp_path / "file")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CompileError, match="is no folder"):
        small().save(tmp_path / "link")


def test_a_failed_save_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = small().save(tmp_path / "out")
    rename, calls = Path.rename, []

    def fail_second(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == 2:
            raise OSError("disk full")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_second)
    with pytest.raises(OSError, match="disk full"):
        small(b"two").save(folder)
    assert (folder / "a.txt").read_bytes() == b"one"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_damaged_artifacts_are_refused(
    host_artifact: Path, samples: np.ndarray, tmp_path: Path
) -> None:
    import shutil

    with pytest.raises(CompileError, match="holds no n2uqc artifact"):
        run_artifact(tmp_path, samples)
    copy = tmp_path / "copy"
    shutil.copytree(host_artifact, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    driver = copy / manifest["driver"]
    driver.write_bytes(driver.read_bytes()[:-1])
    with pytest.raises(CompileError, match="its hash differs"):
        run_artifact(copy, samples)
    driver.unlink()
    with pytest.raises(CompileError, match="No such file"):
        run_artifact(copy, samples)
    (copy / "manifest.json").write_text(json.dumps({**manifest, "format": "n2uqc artifact 99"}))
    with pytest.raises(CompileError, match="another version"):
        run_artifact(copy, samples)
    (copy / "manifest.json").write_text("{")
    with pytest.raises(CompileError, match="damaged"):
        run_artifact(copy, samples)


@pytest.mark.parametrize("way", ["above", "absolute", "link", "folder link", "listed only"])
def test_nothing_outside_the_folder_is_run(
    way: str, host_artifact: Path, samples: np.ndarray, tmp_path: Path
) -> None:
    """Whoever wrote the manifest gave the right hash of a file that lies elsewhere."""
    import hashlib
    import shutil

    copy, elsewhere = tmp_path / "copy", tmp_path / "elsewhere"
    shutil.copytree(host_artifact, copy)
    elsewhere.mkdir()
    tool = elsewhere / "tool"
    tool.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    tool.chmod(0o755)
    manifest = json.loads((copy / "manifest.json").read_text())
    name = {"above": "../elsewhere/tool", "absolute": str(tool), "folder link": "in/tool"}.get(
        way, "tool"
    )
    if way == "link":
        (copy / "tool").symlink_to(tool)
    if way == "folder link":
        (copy / "in").symlink_to(elsewhere)
    manifest["driver"] = name
    if way != "listed only":
        digest = hashlib.sha256(tool.read_bytes()).hexdigest()
        manifest["files"][name] = {"bytes": 1, "sha256": digest}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CompileError, match="no file inside the artifact|damaged|No such file"):
        run_artifact(copy, samples)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "facts",
    [
        {"architecture": "vax"},
        {"emulated": "mps2-an386,dumpdtb=/tmp/x"},
        {"emulated": "-S"},
        {"cpu": "x y"},
        {"files": {"../a": {"sha256": ""}}},
    ],
    ids=str,
)
def test_words_of_a_manifest_are_words(
    facts: dict[str, object], host_artifact: Path, samples: np.ndarray, tmp_path: Path
) -> None:
    manifest = json.loads((host_artifact / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, **facts}))
    with pytest.raises(CompileError, match="is damaged"):
        run_artifact(tmp_path, samples)


def test_wrong_integers_are_refused(host_artifact: Path, samples: np.ndarray) -> None:
    for x, message in (
        (samples.astype(np.float32), "dtype float32"),
        (samples[0], "shape"),
        (samples[:, :5], "shape"),
        (samples - 1, r"leave \[0, 255\]"),
    ):
        with pytest.raises(InputError, match=message):
            run_artifact(host_artifact, x)


def test_unknown_targets_and_processors(network: Program) -> None:
    with pytest.raises(CompileError, match=r"no target 'riscv'(.|\n)*aarch64  (.|\n)*cortex-a72  "):
        compile_program(network, "riscv")
    with pytest.raises(CompileError, match="no processor 'cortex-z1'"):
        compile_program(network, "aarch64", mcpu="cortex-z1")
    with pytest.raises(CompileError, match="no feature 'sparkle'"):
        compile_program(network, "aarch64", mattr=("+sparkle",))


def test_importing_is_quick() -> None:
    """The command line's help must not wait for TVM."""
    script = "import sys, n2uqc.backends; print('tvm' in sys.modules, 'torch' in sys.modules)"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=root
    )
    assert done.stdout.split() == ["False", "False"]
    assert {"host", "aarch64"} <= set(TARGETS)


def test_manifests_of_any_json(tmp_path: Path) -> None:
    """The right types, or one error."""
    (tmp_path / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(CompileError, match="damaged"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text(f'{{"format": {"9" * 5000}}}')
    with pytest.raises(CompileError, match="damaged"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("name", ["\0", "a" * 70_000, "."], ids=["NUL", "long", "folder"])
def test_a_driver_whose_name_is_no_path(
    name: str, host_artifact: Path, samples: np.ndarray, tmp_path: Path
) -> None:
    manifest = json.loads((host_artifact / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "driver": name}))
    with pytest.raises(CompileError, match="no file inside the artifact"):
        run_artifact(tmp_path, samples)
