"""What is missing is named at once, with what installs it; no traceback ends a benchmark."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import arm_conv, arm_resnet18, compile_time, cortex_m_conv, host_resnet18
from benchmarks.needs import end, need
from n2uqc.backends.toolchain import ToolchainError

ROOT = Path(__file__).parents[2]


def hide(monkeypatch: pytest.MonkeyPatch, *packages: str, programs: bool = False) -> None:
    """Let packages seem not installed, and programs unless they are to be found."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *a: None if n in packages else find(n, *a)
    )
    monkeypatch.setattr(shutil, "which", lambda n, *a: f"/usr/bin/{n}" if programs else None)


def test_everything_missing_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "torch", "onnxruntime")
    with pytest.raises(SystemExit) as ended:
        need("torch", "onnxruntime", "qemu-aarch64")
    assert ended.value.code == (
        "torch, onnxruntime not found: pip install 'n2uqc[bench,train]'; "
        "qemu-aarch64 not found: apt install qemu-user"
    )
    hide(monkeypatch, programs=True)
    need("qemu-aarch64", "qemu-system-arm")


@pytest.mark.parametrize(
    ("script", "arguments", "package", "extra"),
    [
        (arm_conv, [], "flatbuffers", "bench"),
        (arm_resnet18, [], "onnxruntime", "bench"),
        (arm_resnet18, ["--no-peers"], "torch", "train"),
        (compile_time, [], "torch", "train"),
        (host_resnet18, [], "onnxruntime", "bench"),
        (host_resnet18, ["--count"], "onnxruntime", "bench"),
    ],
)
def test_packages(
    script, arguments: list[str], package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, package, programs=True)
    with pytest.raises(SystemExit, match=rf"^{package} not found: pip install 'n2uqc\[{extra}\]'$"):
        script.main(arguments)


@pytest.mark.parametrize(
    ("script", "arguments", "program"),
    [
        (arm_conv, [], "qemu-aarch64"),
        (arm_resnet18, ["--no-peers"], "qemu-aarch64"),
        (cortex_m_conv, [], "qemu-system-arm"),
        (host_resnet18, ["--count"], "qemu-x86_64"),
    ],
)
def test_programs(
    script, arguments: list[str], program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch)
    with pytest.raises(SystemExit, match=f"{program}, gcc not found: apt install gcc qemu-"):
        script.main(arguments)


def test_tools_that_fail_end_without_a_traceback() -> None:
    def fails() -> int:
        raise ToolchainError("no C compiler")

    with pytest.raises(SystemExit, match="no C compiler"):
        end(fails)
    with pytest.raises(SystemExit) as ended:
        end(lambda: 3)
    assert ended.value.code == 3


def test_on_an_empty_path(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.arm_conv"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PATH": str(tmp_path)},
    )
    assert done.returncode == 1
    assert done.stderr == "qemu-aarch64, gcc not found: apt install gcc qemu-user\n"
