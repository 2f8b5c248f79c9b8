"""`n2uqc profile`, and the table of kernels of `n2uqc compile -v`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Command

pytest.importorskip("unicorn")


@pytest.fixture(scope="module")
def artifact(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from n2uqc import compile, load

    return compile(load(model), target="aarch64").save(tmp_path_factory.mktemp("net") / "net")


def test_a_table_and_the_same_as_json(command: Command, artifact: Path, samples: Path) -> None:
    table = command("profile", artifact)
    assert table.status == 0, table.err
    profile = json.loads(command("profile", artifact, "--json", "--input", samples).out)
    manifest = json.loads((artifact / "manifest.json").read_text())
    rows = [row for row in profile["kernels"] if row["computes"] != "check"]
    assert [row["symbol"] for row in rows] == [k["symbol"] for k in manifest["kernels"]]
    assert profile["instructions"] == sum(row["instructions"] for row in profile["kernels"])
    assert f"{profile['instructions']:,} instructions" in table.out
    for row in rows:
        assert f"{row['instructions']:,}" in table.out
    assert profile["macs"] == sum(kernel["macs"] for kernel in manifest["kernels"])
    taken = {row["symbol"]: row["estimated_cycles"] or row["instructions"] for row in rows}
    assert taken[profile["dominant"]] == max(taken.values())
    assert "most is taken by" in table.out


def test_time_at_a_clock(command: Command, artifact: Path) -> None:
    profile = json.loads(command("profile", artifact, "--json", "--clock", "500").out)
    if profile["estimated_cycles"] is None:
        pytest.skip("llvm-mca is not installed")
    assert profile["estimated_ms"] == profile["estimated_cycles"] / 500e3
    assert (
        f"{profile['estimated_ms']:,.3g} ms at 500 MHz"
        in command("profile", artifact, "--clock", "500").out
    )
    for clock in ("0", "-3", "nan", "inf"):
        refused = command("profile", artifact, "--clock", clock)
        assert refused.status == 2 and "positive number of MHz" in refused.err


def test_bytes_of_each_kernel_are_in_the_manifest(artifact: Path) -> None:
    manifest = json.loads((artifact / "manifest.json").read_text())
    kernels = manifest["kernels"]
    assert all(kernel["code_bytes"] > 0 for kernel in kernels)
    total = sum(kernel["constant_bytes"] for kernel in kernels)
    assert total >= manifest["constant_bytes"] > 0
    library = (artifact / manifest["library"]).stat().st_size
    assert sum(kernel["code_bytes"] for kernel in kernels) + manifest["constant_bytes"] < library


def test_without_an_analyzer_instructions_are_counted(
    command: Command, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from n2uqc.backends.cpu.profile.mca import find_analyzer

    monkeypatch.setenv("N2UQC_LLVM_MCA", "/bin/true/llvm-mca")
    find_analyzer.cache_clear()
    try:
        result = command("profile", artifact)
        assert result.status == 0 and "apt install llvm" in result.out
        refused = command("profile", artifact, "--core", "cortex-a53")
        assert refused.status == 2 and "apt install llvm" in refused.err
    finally:
        find_analyzer.cache_clear()


def test_a_folder_without_an_artifact(command: Command, tmp_path: Path) -> None:
    result = command("profile", tmp_path)
    assert result.status == 2 and "no n2uqc artifact" in result.err


def test_verbose_compilation_shows_why_each_kernel(
    command: Command, model: Path, tmp_path: Path
) -> None:
    result = command("compile", model, "-t", "aarch64", "-v", "-o", tmp_path / "net")
    assert result.status == 0, result.err
    manifest = json.loads((tmp_path / "net" / "manifest.json").read_text())
    for kernel in manifest["kernels"]:
        assert kernel["kernel"] in result.out
        assert kernel["reason"].split()[0] in result.out
