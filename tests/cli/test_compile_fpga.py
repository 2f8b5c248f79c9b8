"""`n2uqc compile --target fpga`: folder, table, search, edited foldings, hardware description."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Command

FILES = {"program.n2uq", "folding.json", "datapath.json", "datapath.txt", "manifest.json"}
RTL = {
    *("datapath.v", "input.mem", "output.mem", "cycles.mem"),
    *("testbench.cpp", "testbench.v", "Makefile", "README.md"),
}


def _compiled(command: Command, program_file: Path, folder: Path, *more: object) -> dict:
    result = command("compile", program_file, "--target", "fpga", "-o", folder, *more)
    assert result.status == 0, result.err
    assert (folder / "datapath.txt").read_text() in result.out
    found: dict = json.loads((folder / "datapath.json").read_text())
    return found


def test_the_folder_and_its_table(command: Command, program_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "net"
    layout = _compiled(command, program_file, folder)
    assert {p.name for p in folder.iterdir()} == FILES
    text = (folder / "datapath.txt").read_text()
    for word in ("LUT", "BRAM18", "matrix-vector", "conv2/Conv", "initiation interval", "100 MHz"):
        assert word in text
    engines = [e for e in layout["engines"] if "resources" in e]
    assert len(engines) == len(json.loads((folder / "folding.json").read_text())["engines"])
    total = next(row for row in layout["resources"] if row["name"] == "total")
    assert total["lut"] >= sum(e["resources"]["lut"] for e in engines) * 0.95
    assert layout["images_per_second"] == 100e6 / layout["interval_cycles"]


def test_a_rate_is_reached_and_a_device_kept(
    command: Command, program_file: Path, tmp_path: Path
) -> None:
    layout = _compiled(
        command,
        program_file,
        tmp_path / "net",
        "--target-fps",
        4000,
        "--clock",
        150,
        "--device",
        "xc7z020",
    )
    assert layout["images_per_second"] >= 4000
    assert layout["clock_hz"] == 150e6
    used, held = layout["resources"][-2:]
    assert "XC7Z020" in held["name"]
    assert all(used[k] <= held[k] for k in ("lut", "ff", "dsp", "bram18"))


def test_a_device_alone_gives_the_highest_rate(
    command: Command, program_file: Path, tmp_path: Path
) -> None:
    rates = [
        _compiled(command, program_file, tmp_path / name, "--device", name)["images_per_second"]
        for name in ("ecp5-45", "xczu9eg")
    ]
    assert rates[0] < rates[1]
    whole = _compiled(
        command, program_file, tmp_path / "whole", "--device", "ecp5-45", "--fill", 100
    )
    # what limits the rate is named
    slow = max(whole["engines"], key=lambda e: e["busy"])
    said = (tmp_path / "whole" / "datapath.txt").read_text()
    assert f"limited by {slow['nodes'][-1]} ({slow['kind']}): {slow['busy']:,} cycles" in said
    assert whole["images_per_second"] > rates[0] and whole["fill_percent"]["lut"] == 100


def test_a_folding_is_edited_and_fed_back(
    command: Command, program_file: Path, tmp_path: Path
) -> None:
    before = _compiled(command, program_file, tmp_path / "a", "--target-cycles", 40000)
    path = tmp_path / "a" / "folding.json"
    folding = json.loads(path.read_text())
    slowest = max((e for e in before["engines"] if "pe" in e), key=lambda e: e["busy"])
    folding["engines"][slowest["name"]]["pe"] *= 2
    path.write_text(json.dumps(folding))
    after = _compiled(command, program_file, tmp_path / "b", "--folding", path)
    row = next(e for e in after["engines"] if e["name"] == slowest["name"])
    assert (row["pe"], row["busy"]) == (2 * slowest["pe"], slowest["busy"] // 2)
    assert json.loads((tmp_path / "b" / "folding.json").read_text()) == folding


def _refused(command: Command, program_file: Path, folder: Path, *more: object) -> str:
    result = command("compile", program_file, "--target", "fpga", "-o", folder, *more)
    assert result.status == 2, result.err
    assert not folder.exists()
    return result.err


def test_an_edited_folding_that_does_not_divide_names_layer_and_divisors(
    command: Command, program_file: Path, tmp_path: Path
) -> None:
    _compiled(command, program_file, tmp_path / "net")
    path = tmp_path / "net" / "folding.json"
    folding = json.loads(path.read_text())
    name = next(n for n in folding["engines"] if n.endswith("conv2.acc"))
    folding["engines"][name]["pe"] = 7
    path.write_text(json.dumps(folding))
    said = _refused(command, program_file, tmp_path / "out", "--folding", path)
    assert name in said and "pe 7" in said and "conv2/Conv" in said
    assert "pe of 1, 2, 4, 8, 16" in said


@pytest.mark.parametrize(
    ("more", "mentions"),
    [
        (("--device", "xc7z999"), ("xc7z999", "xc7z020", "ecp5-45", "ice40up5k")),
        (("--target-fps", 1e9), ("conv1.acc", "1.5625e+06", "factor 640", "clock of")),
        (("--device", "ice40up5k"), ("LUT in iCE40UP5K", "too few", "conv")),
        (("--target-fps", -1), ("above 0",)),
        (("--device", "xc7z020", "--fill", 120), ("a fill of 120%",)),
        (("--fill", 50), ("--device",)),
        (("--target-fps", "nan"), ("above 0",)),
        (("--clock", 0), ("above 0",)),
        (("--target-cycles", 1), ("1 cycles per image asked for",)),
        (("--target-cycles", 50000, "--target-fps", 1e5), ("factor", "searched")),
        (("--folding", "none.json"), ("none.json",)),
        (("--folding", "f.json", "--target-cycles", 5), ("not allowed with",)),
    ],
)
def test_requests_that_cannot_be_met(
    more: tuple[object, ...],
    mentions: tuple[str, ...],
    command: Command,
    program_file: Path,
    tmp_path: Path,
) -> None:
    said = _refused(command, program_file, tmp_path / "out", *more)
    assert all(mention in said for mention in mentions), said


@pytest.mark.parametrize("more", [("--rtl",), ("--device", "xc7z020"), ("--clock", "7")])
def test_folding_options_belong_to_the_datapath(
    more: tuple[str, ...], command: Command, program_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = command("compile", program_file, "--target", "program", "-o", out, *more)
    assert result.status == 2
    assert more[0] in result.err and "fpga" in result.err
    assert not out.exists()


def test_the_hardware_description(command: Command, program_file: Path, tmp_path: Path) -> None:
    pytest.importorskip("amaranth", reason="hardware needs the extra rtl")
    from n2uqc.backends.fpga.rtl.verilog import find_yosys
    from n2uqc.backends.toolchain import ToolchainError

    try:
        find_yosys()
    except ToolchainError as error:
        pytest.skip(str(error))
    folder = tmp_path / "net"
    result = command(
        "compile",
        program_file,
        "--target",
        "fpga",
        "-o",
        folder,
        "--target-cycles",
        150000,
        "--rtl",
    )
    assert result.status == 0, result.err
    assert {p.name for p in folder.iterdir()} == FILES | RTL
    verilog = (folder / "datapath.v").read_text()
    assert "module n2uq_datapath" in verilog and "s_axis_tready" in verilog
    assert "pip" in (folder / "Makefile").read_text()
    # What it prints as the next step finds Verilator, in a shell where no environment is active.
    found = re.search(r"simulate the Verilog: (.*?make -C \S+)", result.out)
    assert found is not None
    shell = ["env", "-i", "PATH=/usr/bin:/bin", "sh", "-c", f"{found[1]} --dry-run"]
    planned = subprocess.run(shell, capture_output=True, text=True, check=True).stdout
    verilator = re.search(r"(\S+) --cc --exe", planned)
    assert verilator is not None
    present = any(
        (Path(sys.executable).parent / n).exists() for n in ("verilator-cli", "verilator")
    )
    assert Path(verilator[1]).exists() or not present


def test_a_missing_amaranth_is_an_extra_to_install(
    command: Command, program_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [n for n in sys.modules if n.startswith("n2uqc.backends.fpga.rtl.")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [n for n in sys.modules if n.split(".")[0] == "amaranth"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "amaranth", None)
    said = _refused(command, program_file, tmp_path / "out", "--rtl")
    assert "n2uqc[rtl]" in said
