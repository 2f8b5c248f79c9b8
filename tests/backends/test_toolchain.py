"""Looking for compilers and emulators, and what is said when there are none."""

from __future__ import annotations

import importlib.util
import stat
from pathlib import Path

import pytest

from n2uqc.backends import toolchain
from n2uqc.backends.toolchain import ToolchainError, emulator, find


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without any tool: an empty search path, and neither zig nor unicorn."""
    find.cache_clear()
    for name in ("CC", "AR", "N2UQC_AARCH64_CC", "N2UQC_AARCH64_AR", "N2UQC_AARCH64_EMULATOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None)
    yield tmp_path
    find.cache_clear()


def tool(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.mark.parametrize(
    ("architecture", "native", "package", "variable"),
    [
        ("aarch64", False, "gcc-aarch64-linux-gnu", "N2UQC_AARCH64_CC"),
        ("armv7", False, "gcc-arm-linux-gnueabihf", "N2UQC_ARMV7_CC"),
        (toolchain.machine(), True, "gcc", "CC"),
    ],
)
def test_no_compiler(
    bare: Path,
    monkeypatch: pytest.MonkeyPatch,
    architecture: str,
    native: bool,
    package: str,
    variable: str,
) -> None:
    with pytest.raises(ToolchainError) as caught:
        find(architecture, native)
    message = str(caught.value)
    assert f"apt install {package}" in message
    assert "pip install 'n2uqc[toolchain]'" in message
    assert f"${variable}" in message
    monkeypatch.setenv(variable, "my-compiler --fast")
    with pytest.raises(ToolchainError, match="tried my-compiler --fast: No such file"):
        find(architecture, native)


def test_a_compiler_that_cannot_link_static_programs_is_passed_over(bare: Path) -> None:
    tool(bare, "gcc", 'echo "cannot find -lc" >&2; exit 1')
    tool(bare, "clang", "exit 0")
    tool(bare, "ar", "exit 0")
    found = find(toolchain.machine(), native=True)
    assert (found.compiler, found.archiver) == (("clang",), ("ar",))


def test_no_archiver(bare: Path) -> None:
    tool(bare, "gcc", "exit 0")
    with pytest.raises(ToolchainError, match="apt install binutils"):
        find(toolchain.machine(), native=True)


def test_failures_and_warnings_are_told(bare: Path, tmp_path: Path) -> None:
    tool(
        bare,
        "gcc",
        'case "$*" in *probe*) exit 0;; *good*) exit 0;; esac; echo "x.c:1: warning: odd" >&2',
    )
    tool(bare, "ar", "exit 3")
    tools = find(toolchain.machine(), native=True)
    tools.executable([tmp_path / "good.c"], tmp_path / "good")
    with pytest.raises(ToolchainError, match="warning: odd"):
        tools.executable([tmp_path / "x.c"], tmp_path / "x")
    with pytest.raises(ToolchainError, match="ar rcsD .* failed"):
        tools.archive([tmp_path / "x.o"], tmp_path / "x.a")


def test_emulators(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "machine", lambda: "x86_64")
    assert emulator("x86_64") == ()
    with pytest.raises(ToolchainError, match="apt install qemu-user"):
        emulator("aarch64")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: name == "unicorn" or None)
    assert emulator("aarch64") == toolchain.UNICORN
    tool(bare, "qemu-aarch64-static", "exit 0")
    assert emulator("aarch64") == ("qemu-aarch64-static",)
    tool(bare, "qemu-aarch64", "exit 0")
    assert emulator("aarch64") == ("qemu-aarch64",)
    assert emulator("aarch64", "max", ["i8mm"]) == ("qemu-aarch64", "-cpu", "max")
    monkeypatch.setenv("N2UQC_AARCH64_EMULATOR", "qemu-aarch64 -cpu cortex-a53")
    assert emulator("aarch64") == ("qemu-aarch64", "-cpu", "cortex-a53")
    monkeypatch.delenv("N2UQC_AARCH64_EMULATOR")
    monkeypatch.setattr(toolchain, "machine", lambda: "aarch64")
    monkeypatch.setattr(toolchain, "_machine_features", lambda: frozenset({"asimd", "asimddp"}))
    assert emulator("aarch64") == ()
    assert emulator("aarch64", "max", ["dotprod"]) == ()
    assert emulator("aarch64", "max", ["dotprod", "i8mm"]) == ("qemu-aarch64", "-cpu", "max")


def test_programs_and_libraries(tmp_path: Path) -> None:
    """The real tools of this machine."""
    import ctypes

    (tmp_path / "f.c").write_text("int f(void) { return 42; }\n")
    tools = toolchain.host()
    library = tmp_path / "f.so"
    tools.shared_library([tmp_path / "f.c"], library)
    assert ctypes.CDLL(str(library)).f() == 42
    assert tools.version()
