"""`cost` and `compile --target fpga` print the same figures, to the last digit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from n2uqc.passes.program.store import save

from ..backends.cost.networks import residual
from .conftest import Command

ZOO = Path(__file__).parents[2] / "models" / "zoo"
OWN = {"lut", "ff", "carry", "dsp", "bram18", "macs", "low_bit_macs", "cycles"}


def _both(command: Command, model: Path, folder: Path, *more: object) -> tuple[dict, dict, dict]:
    """``own`` of `cost`, ``resources`` of the manifest, the total of the table."""
    compiled = command("compile", model, "--target", "fpga", "-o", folder, *more)
    assert compiled.status == 0, compiled.err
    result = command("cost", model, "--json", *more)
    assert result.status == 0, result.err
    manifest = json.loads((folder / "manifest.json").read_text())
    layout = json.loads((folder / "datapath.json").read_text())
    (total,) = [row for row in layout["resources"] if row["name"] == "total"]
    [found] = json.loads(result.out)["models"]
    assert found["folding"] == json.loads((folder / "folding.json").read_text())
    return found["own"], manifest["resources"], total


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_shipped_networks(command: Command, tmp_path: Path, bits: int) -> None:
    own, resources, total = _both(command, ZOO / f"digits_{bits}bit.onnx", tmp_path / "net")
    assert own == resources and set(own) == OWN
    assert {k: own[k] for k in total if k != "name"} == {k: total[k] for k in total if k != "name"}


@pytest.mark.parametrize(
    "more",
    [
        ("--target-cycles", 5000),
        ("--device", "xc7z020", "--target-fps", 5000),
        ("--device", "ecp5-85"),
    ],
    ids=lambda more: " ".join(map(str, more)),
)
@pytest.mark.parametrize("seed", [0, 1])
def test_random_networks_at_other_foldings(
    command: Command, tmp_path: Path, more: tuple[object, ...], seed: int
) -> None:
    save(residual(2 + seed, (8, 12), seed=seed), path := tmp_path / "net.n2uq")
    own, resources, total = _both(command, path, tmp_path / "net", *more)
    assert own == resources
    assert own["lut"] == total["lut"] and own["ff"] == total["ff"]
    # the folding that was written gives the same again
    if "--device" not in more:
        again, _, _ = _both(
            command, path, tmp_path / "again", "--folding", tmp_path / "net" / "folding.json"
        )
        assert again == own


def test_alternatives_say_what_they_take(command: Command) -> None:
    result = command("cost", ZOO / "digits_2bit.onnx", "--json")
    [model] = json.loads(result.out)["models"]
    assert model["name"] == "digits_2bit" and model["accuracy"] is None
    by_name = {a["name"]: a for a in model["alternatives"]}
    for row in by_name.values():
        assert {"form", "lut", "ff", "dsp", "bram18", "energy_nj", "evidence"} <= set(row)
        assert row["evidence"] == "counted"
    own = {k: by_name["n2uq"][k] for k in ("lut", "ff", "carry", "dsp", "bram18")}
    assert own == {k: model["own"][k] for k in own}
    differ = {(a["lut"], a["ff"], a["dsp"]) for a in by_name.values()}
    assert len(differ) == len(by_name) - 1  # even thresholds are the same unit


def test_a_device_of_another_family(command: Command) -> None:
    wrong = command("cost", ZOO / "digits_2bit.onnx", "--technology", "xc7", "--device", "ecp5-85")
    assert wrong.status == 2 and "ecp5-85 is of ecp5" in wrong.err


def test_a_fill_of_no_device(command: Command) -> None:
    wrong = command("cost", ZOO / "digits_2bit.onnx", "--fill", 50)
    assert wrong.status == 2 and "--fill is a share of a --device" in wrong.err


def test_devices_are_listed(command: Command) -> None:
    listed = command("cost", "--device", "help")
    assert listed.status == 0
    assert all(name in listed.out for name in ("xc7z010", "xc7z020", "ecp5-85", "ice40up5k"))
