"""The scripts from end to end, on small cases."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks import (
    arm_conv,
    arm_resnet18,
    compile_time,
    cortex_m_conv,
    host_resnet18,
    tflite,
    tiny,
)
from benchmarks.guest.count import count, per_run
from benchmarks.guest.debian import Guest, cache_folder
from benchmarks.guest.processor import CORES, describe
from benchmarks.networks import conv_macs, conv_program
from n2uqc.backends import toolchain
from n2uqc.models.quantizers import QuantizedConv2d

QEMU = shutil.which("qemu-aarch64")
BOARD = shutil.which("qemu-system-arm")
ZOO = Path(__file__).parents[2] / "models" / "zoo"


@pytest.mark.parametrize(
    "script", [arm_conv, arm_resnet18, compile_time, cortex_m_conv, host_resnet18, tiny]
)
def test_help(script, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        script.main(["--help"])
    assert ended.value.code == 0
    assert f"python -m {script.__name__}" in capsys.readouterr().out


@pytest.mark.skipif(QEMU is None, reason="needs qemu-user")
def test_instructions_are_counted_exactly(tmp_path: Path) -> None:
    """A loop of known length in assembly: two instructions a turn."""
    source = tmp_path / "loop.c"
    source.write_text("""
#include <stdlib.h>
int main(int argc, char **argv)
{
    long turns = argc > 1 ? atol(argv[1]) : 1;
    __asm__ volatile("1: subs %0, %0, #1\\n\\tb.ne 1b" : "+r"(turns) : : "cc");
    return 0;
}
""")
    program = tmp_path / "loop"
    toolchain.find("aarch64").executable([source], program)
    found = per_run(lambda n: count([program, str(1000 * n)]), 1, 4)
    assert abs(found - 2000) < 20  # reading a longer number takes a few more


@pytest.mark.skipif(
    shutil.which("qemu-x86_64") is None or toolchain.machine() != "x86_64",
    reason="needs qemu-user on x86-64",
)
def test_host_instructions_are_counted(tmp_path: Path) -> None:
    program = conv_program(2, 8, 16)
    found = host_resnet18.count_ours(program, tmp_path, "x86-64-v3")
    assert 0.5 < conv_macs(8, 16) / found < 64


@pytest.mark.skipif(QEMU is None, reason="needs qemu-user")
def test_arm_conv(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--size", "8", "--channels", "16", "--no-peers", "--bits", "2", "--json", "-"]
    assert arm_conv.main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["core"] for row in found["rows"]] == list(CORES)
    assert found["macs"] == 8 * 8 * 16 * 16 * 9
    for row in found["rows"]:
        rate = row["macs"] if "macs" in row else found["macs"] / row["instructions"]
        assert row["mac_per_instruction"] == pytest.approx(rate, rel=1e-3)
        assert 0.5 < rate < 64


@pytest.mark.skipif(BOARD is None, reason="needs qemu-system-arm")
def test_cortex_m_conv_says_what_was_not_measured(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--size", "4", "--channels", "4", "--bits", "2", "--cores", "cortex-m4"]
    assert cortex_m_conv.main(arguments) == 0
    assert "CMSIS-NN was NOT measured" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform != "linux", reason="host artifacts are for Linux")
def test_compile_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "found.json"
    model = str(ZOO / "digits_2bit.onnx")
    assert compile_time.main(["--model", model, "--targets", "host", "--json", str(path)]) == 0
    (row,) = json.loads(path.read_text())["rows"]
    assert "host" in capsys.readouterr().out
    assert 0 < row["processor_seconds"]
    assert row["peak_bytes"] > 50e6
    assert row["library_mb"] > 0


def test_cores_describe_themselves(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "usr").mkdir(parents=True)
    at = Guest(root, tmp_path / "packages", root / "usr/bin/python3.11")
    for core in CORES.values():
        folder = describe(at, core)
        assert (folder / "usr").resolve() == root / "usr"
        text = (folder / "proc/cpuinfo").read_text()
        assert f"{core.part:#x}" in text
        assert ("asimddp" in text) == (core.target != "aarch64")
        assert ("i8mm" in text) == core.target.endswith("i8mm")
        assert describe(at, core) == folder


@pytest.mark.skipif(
    importlib.util.find_spec("ai_edge_litert") is None, reason="needs ai-edge-litert"
)
def test_litert_runs_what_is_written(tmp_path: Path) -> None:
    import ai_edge_litert

    packages = Path(ai_edge_litert.__file__).parents[1]
    path = tmp_path / "conv.tflite"
    path.write_bytes(tflite.conv(tflite.load_schema(packages), 6, 8))
    script = Path(tflite.__file__).parent / "guest" / "worker.py"
    done = subprocess.run(
        [sys.executable, script, "litert", path, "2"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("[1 6 6 8]") or done.stdout.startswith("(1, 6, 6, 8) int8")


@pytest.mark.slow
@pytest.mark.skipif(
    QEMU is None or not (cache_folder() / "complete").exists(),
    reason="needs qemu-user and the guest, which `python -m benchmarks.arm_conv` downloads",
)
def test_peers_in_the_guest(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--size", "14", "--channels", "64", "--bits", "2", "--cores", "ARMv8.0"]
    assert arm_conv.main([*arguments, "--json", "-"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["name"] for row in rows] == ["n2uqc 2-bit", "ONNX Runtime int8", "LiteRT int8"]
    assert rows[0]["fewer"] > 1


def test_a_small_network_of_mlperf_tiny(capsys: pytest.CaptureFixture[str]) -> None:
    assert tiny.main(["--networks", "ad", "--json", "-"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["network"], row["bits"], row["core"]) == ("ad", 2, "cortex-m4")
    assert 100_000 < row["instructions"] < 2_000_000
    assert row["information_bytes"] <= row["constant_bytes"]
    assert row["published_int8_cycles"] == 0.67e6


@pytest.mark.parametrize("name", tiny.NETWORKS)
def test_shapes_of_mlperf_tiny(name: str) -> None:
    """Multiplications as its reference states them, in millions."""
    network, shape = tiny.NETWORKS[name](4)
    counts = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear | QuantizedConv2d):
            module.register_forward_hook(
                lambda m, _, y: counts.append(m.weight[0].numel() * y[0].numel())
            )
    network.eval()(torch.zeros(1, *shape))
    stated = {"kws": 2.66, "vww": 7.49, "ic": 12.50, "ad": 0.264}[name]
    assert sum(counts) / 1e6 == pytest.approx(stated, rel=0.05)
