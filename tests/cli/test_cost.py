"""`n2uqc cost`: tables, JSON and the HTML page."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from n2uqc.models import shipped
from n2uqc.models.data import digits

from .conftest import Command

TITLES = ("N2UQ comparison tables", "multiply-shift", "codebook")


def test_the_tables_compare_the_quantizers(command: Command, program_file: Path) -> None:
    result = command("cost", program_file)
    assert result.status == 0, result.err
    for title in TITLES:
        assert title in result.out
    for unit in ("LUT", "FF", "DSP", "BRAM", "kbit", "cycles", "nJ"):
        assert unit in result.out
    assert "conv2/Conv" in result.out


def test_json_has_every_layer_under_every_alternative(command: Command, program_file: Path) -> None:
    result = command("cost", program_file, "--json")
    assert result.status == 0, result.err
    [model] = (report := json.loads(result.out))["models"]
    assert model["model"] == "digits"
    assert report["assumptions"]
    ids = {alternative["id"] for alternative in model["alternatives"]}
    assert {"n2uq", "uniform-thresholds", "uniform-multiply", "codebook"} <= ids
    assert len(model["layers"]) == 7
    assert all(set(layer["costs"]) == ids for layer in model["layers"])


def test_models_side_by_side(command: Command, model: Path, program_file: Path) -> None:
    result = command("cost", model, program_file, "--technology", "ecp5")
    assert result.status == 0, result.err
    assert "digits_2bit" in result.out
    assert "digits:" in result.out


def test_fewer_cycles_take_more_hardware(command: Command, program_file: Path) -> None:
    lut = []
    for cycles in (2000, 50000):
        result = command("cost", program_file, "--json", "--target-cycles", cycles)
        assert result.status == 0, result.err
        alternative = json.loads(result.out)["models"][0]["alternatives"][0]
        lut.append(sum(part["lut"] for part in alternative["cost"]["resources"].values()))
    assert lut[0] > lut[1]


def test_the_page_needs_nothing_from_elsewhere(
    command: Command, program_file: Path, tmp_path: Path
) -> None:
    page = tmp_path / "cost.html"
    result = command("cost", program_file, "--html", page)
    assert result.status == 0, result.err
    assert f"wrote {page}" in result.out
    text = page.read_text(encoding="utf-8")
    assert "<svg" in text
    assert "digits" in text
    assert not re.search(r"""(src|href)=["'](https?:)?//""", text)


def test_chosen_dresses(command: Command, program_file: Path) -> None:
    result = command("cost", program_file, "--json", "--as", "codebook,lq")
    assert result.status == 0, result.err
    [model] = json.loads(result.out)["models"]
    ids = [row["id"] for row in model["alternatives"]]
    assert ids == ["codebook", "codebook-dsp", "codebook-symmetric", "lqnets"]
    assert all(list(layer["costs"]) == ids for layer in model["layers"])
    assert model["own"] and model["accuracy"] is None
    table = command("cost", program_file, "--as", "apot").out
    assert "hardware only" in table


@pytest.fixture(scope="module")
def labeled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    test = digits().test
    path = tmp_path_factory.mktemp("data") / "test.npz"
    np.savez(path, x=test.images, y=test.labels)
    return path


def test_networks_trained_apart(
    command: Command, program_file: Path, labeled: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    other = shipped.path("digits_4bit")
    result = command("cost", program_file, other, "--data", labeled, "--html", page)
    assert result.status == 0, result.err
    data = json.loads((tmp_path / "page.json").read_text())
    rows = list(csv.DictReader((tmp_path / "page.csv").open()))
    for model, name in zip(data["models"], ("digits_2bit", "digits_4bit"), strict=True):
        record = json.loads(shipped.path(name).with_suffix(".json").read_text())
        assert model["accuracy"] == record["correct"] / record["of"]
        assert model["images"] == record["of"] == 540
        own = [r for r in rows if r["model"] == model["name"] and r["accuracy"]]
        assert [float(r["accuracy"]) for r in own] == [model["accuracy"]]
        assert [int(r["lut"]) for r in own] == [model["own"]["lut"]]
    assert any(model["pareto"] for model in data["models"])
    assert "99.44% of 540" in result.out
    command_shown = next(e["command"] for e in data["evidence"] if "lut" in e["fields"])
    assert shlex.split(command_shown)[2:] == [
        str(program_file), str(other), "--data", str(labeled)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arrays", "mention"),
    [
        ({"x": np.zeros((2, 1, 8, 8), np.float32)}, "images and labels are named"),
        ({"x": np.zeros((2, 1, 8, 8), np.float32), "y": np.zeros(3, int)}, "2 images and 3 labels"),
        ({"x": np.zeros((2, 1, 8, 8), np.float32), "y": np.zeros(2)}, "one integer an image"),
        ({"x": np.zeros((2, 1, 8, 8), np.float32), "y": np.array([0, 10])}, "the classes 0 to 9"),
        ({"x": np.zeros((2, 3, 8, 8), np.float32), "y": np.array([0, 1])}, "shape"),
    ],
)
def test_data_that_do_not_fit(
    arrays, mention: str, command: Command, program_file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)
    result = command("cost", program_file, "--data", path)
    assert result.status == 2
    assert mention in result.err


def test_dresses_are_of_one_network(command: Command, program_file: Path) -> None:
    result = command("cost", program_file, program_file, "--as", "uniform")
    assert result.status == 2 and "trained apart" in result.err


def test_a_page_overwrites_no_input(command: Command, program_file: Path, labeled: Path) -> None:
    copy = labeled.with_suffix(".json")
    copy.write_bytes(labeled.read_bytes())
    result = command("cost", program_file, "--data", copy, "--html", copy.with_suffix(".html"))
    assert result.status == 2 and "it is an input" in result.err
    assert copy.read_bytes() == labeled.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "mention"),
    [
        (("--technology", "abacus"), "abacus"),
        (("--as", "abacus"), "uniform, n2uq, codebook, apot, lq"),
        (("--data", "nowhere.npz"), "nowhere.npz"),
        (("--target-cycles", "1"), "1 cycles"),
        (("--html", "nowhere/cost.html"), "nowhere"),
        (("--folding", "nowhere.json"), "nowhere.json"),
    ],
)
def test_requests_that_cannot_be_met(
    arguments: tuple[str, str],
    mention: str,
    command: Command,
    program_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = command("cost", program_file, *arguments)
    assert result.status == 2
    assert mention in result.err
    assert not list(tmp_path.iterdir())


def test_a_folding_belongs_to_one_model(
    command: Command, program_file: Path, tmp_path: Path
) -> None:
    result = command("cost", program_file, program_file, "--folding", tmp_path / "f.json")
    assert result.status == 2
    assert "one model" in result.err


def test_synthesis_beside_the_estimates(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("amaranth", reason="hardware needs the extra rtl")
    from n2uqc.backends.fpga.rtl import synthesis as tools
    from n2uqc.backends.fpga.rtl.verilog import find_yosys
    from n2uqc.backends.toolchain import ToolchainError
    from n2uqc.passes.program import Add, save

    from ..backends.fpga.test_timing import finished
    from ..properties.programs import Builder

    try:
        find_yosys()
    except ToolchainError as error:
        pytest.skip(str(error))
    b = Builder(1, 4, 4, 12, True)
    path = tmp_path / "sum.n2uq"
    save(finished(b, b.add(Add, "x", "x")), path)
    result = command("cost", path, "--synthesize", "--json")
    assert result.status == 0, result.err
    [found] = json.loads(result.out)["synthesis"]
    assert found["yosys"] == tools.yosys_version() and found["family"] == "xc7"
    [engine] = found["engines"]
    assert engine["kind"] == "add" and engine["lut"] > 0 and engine["carry"] > 0
    assert {"ff", "dsp", "bram18", "estimated_lut", "estimated_bram18"} <= set(engine)
    table = command("cost", path, "--synthesize").out
    assert "synthesized for xc7 by Yosys" in table and "carry" in table
    monkeypatch.setenv("YOSYS", "no-such-yosys")
    tools.yosys_version.cache_clear()
    missing = command("cost", path, "--synthesize")
    tools.yosys_version.cache_clear()
    assert missing.status == 2
    assert "no-such-yosys" in missing.err


@pytest.mark.slow
def test_binaries_measure_the_same(
    command: Command, program_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many images are classified by a binary; instructions are those of `n2uqc profile`."""
    from n2uqc.api import accuracy

    test, path = digits().test, tmp_path / "data.npz"
    np.savez(path, images=test.images[:100], labels=test.labels[:100])
    found = {}
    for many in (1e30, 0):
        monkeypatch.setattr(accuracy, "_MANY", many)
        result = command("cost", program_file, "--json", "--data", path)
        assert result.status == 0, result.err
        [model] = json.loads(result.out)["models"]
        found[model["executor"]] = model["accuracy"]
    assert set(found) == {"interpreter", "host"} and len(set(found.values())) == 1
    result = command("cost", program_file, "--json", "--processor", "cortex-m4")
    assert result.status == 0, result.err
    [model] = json.loads(result.out)["models"]
    folder = tmp_path / "m4"
    assert command("compile", program_file, "--target", "cortex-m4", "-o", folder).status == 0
    profile = json.loads(command("profile", folder, "--json").out)
    assert model["processor"]["instructions"] == profile["instructions"]
    assert model["processor"]["cycles"] == profile["estimated_cycles"]
    refused = command("cost", program_file, "--processor", "fpga")
    assert refused.status == 2 and "ARM" in refused.err
