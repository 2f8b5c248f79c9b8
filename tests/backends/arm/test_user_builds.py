"""The shipped example as users build it: the command it names, and CMake."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from n2uqc.backends import read_manifest
from n2uqc.passes.program import Program, run


def expected(network: Program) -> str:
    """What the example prints: it runs one sample of middling numbers."""
    kind = network.types[network.input]
    middle = int(kind.hi / 2) + int(kind.lo / 2)
    y = run(network, np.full((1, *kind.shape), middle))[0].ravel()
    return f"element {y.argmax()} of {y.size} is the largest: {y.max()}\n"


def test_the_example_by_its_own_command(
    host_artifact: Path, network: Program, tmp_path: Path
) -> None:
    folder = tmp_path / "net"
    shutil.copytree(host_artifact, folder)
    text = (folder / "example/example.c").read_text()
    command = re.search(r"^ \*   (cc .*)$", text, re.M)
    assert command is not None
    warnings = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    subprocess.run([*shlex.split(command[1]), *warnings], cwd=folder, check=True)
    done = subprocess.run([folder / "run_example"], capture_output=True, text=True, check=True)
    assert done.stdout == expected(network)


def test_the_example_by_cmake(host_artifact: Path, network: Program, tmp_path: Path) -> None:
    if shutil.which("cmake") is None:
        pytest.skip("needs cmake")
    build = tmp_path / "build"
    for command in (["-S", host_artifact / "example", "-B", build], ["--build", build]):
        subprocess.run(["cmake", *command], check=True, capture_output=True)
    done = subprocess.run([build / "run_example"], capture_output=True, text=True, check=True)
    assert done.stdout == expected(network)


def test_the_cmake_file_names_what_is_there(host_artifact: Path) -> None:
    """Also where no cmake is installed."""
    manifest = read_manifest(host_artifact)
    (path,) = (host_artifact / "cmake").glob("*Config.cmake")
    text = path.read_text()
    assert f'"${{_n2uqc_folder}}/{manifest["library"]}"' in text
    assert path.name.removesuffix("Config.cmake") == Path(manifest["header"]).stem
    assert (host_artifact / manifest["header"]).parent.name == "include"


def test_the_example_is_compiled_for_its_target(aarch64_artifact: Path, tmp_path: Path) -> None:
    """With whatever compiler is at hand for AArch64."""
    from n2uqc.backends import toolchain

    manifest = read_manifest(aarch64_artifact)
    tools = toolchain.find("aarch64")
    tools.executable(
        [aarch64_artifact / "example/example.c", aarch64_artifact / manifest["library"]],
        tmp_path / "run", [f"-I{aarch64_artifact / 'include'}"],
    )
    assert (tmp_path / "run").read_bytes()[:4] == b"\x7fELF"
