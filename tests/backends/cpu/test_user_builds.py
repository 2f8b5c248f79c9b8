"""The shipped example as users build it: the command it names, and CMake."""

from __future__ import annotations

import io
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from n2uqc.backends import compile as compile_program
from n2uqc.backends import find_target, open_artifact, read_manifest, toolchain
from n2uqc.backends.cpu.package import literal
from n2uqc.backends.emulation import run_program
from n2uqc.passes.program import IntType, MaxPool, Program, run
from n2uqc.passes.program.types import limits_of
from tests.properties.programs import Builder

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def compiler(language: str) -> list[str]:
    """Return the command of a compiler for C or C++; ``zig`` where gcc has no C++."""
    if language == "c" or shutil.which("g++"):
        return ["cc", "-x", language]
    return [sys.executable, "-m", "ziglang", "c++", "-x", language]


def link_firmware(folder: Path, script: Path, path: Path) -> None:
    """Link the demonstration's sources, as they are now, with the library by a linker script."""
    manifest = read_manifest(folder)
    tools = toolchain.find(str(manifest["architecture"]))
    core = tools.core(find_target(str(manifest["target"])).processor.cpu)
    sources = [*(folder / "source").glob("*.c"), folder / manifest["library"]]
    tools.executable(sources, path, [*core, f"-I{folder / 'include'}", f"-Wl,-T,{script}"])


def expected(network: Program) -> str:
    """Return what the example prints: it runs one sample of numbers in the middle of the range."""
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
    subprocess.run([*shlex.split(command[1]), "-std=c11", *WARNINGS], cwd=folder, check=True)
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


def test_the_example_by_cmake_for_another_processor(
    aarch64_artifact: Path, network: Program, tmp_path: Path
) -> None:
    """The line that `n2uqc compile` prints builds it, by the toolchain file's compiler."""
    if shutil.which("cmake") is None or shutil.which("aarch64-linux-gnu-gcc") is None:
        pytest.skip("needs cmake and gcc-aarch64-linux-gnu")
    folder = tmp_path / "a net"
    shutil.copytree(aarch64_artifact, folder)
    hint = open_artifact(folder).next_step(folder)
    line = next(line for line in hint.splitlines() if line.startswith("call it from C")).partition(
        ": "
    )[2]
    subprocess.run(line, shell=True, check=True, capture_output=True)
    program = folder / "build" / "run_example"
    assert program.read_bytes()[18:20] == (183).to_bytes(2, "little")  # EM_AARCH64
    assert run_program(program, [], "aarch64").output == expected(network)


@pytest.mark.parametrize("target", ["cortex-m4", "armv6", "riscv32"])
def test_a_toolchain_file_names_the_core(target: str, network: Program, tmp_path: Path) -> None:
    """CMake configures and builds a library of the user's with it, where the compiler is there."""
    folder = compile_program(network, target).save(tmp_path / "net")
    text = (folder / "cmake/toolchain.cmake").read_text()
    gcc = re.search(r"set\(CMAKE_C_COMPILER (\S+)\)", text)
    assert gcc is not None
    core = {
        "cortex-m4": "-mthumb -mcpu=cortex-m4",
        "armv6": "-marm -mcpu=arm1176jzf-s",
        "riscv32": "-march=rv32imc_zicsr -mabi=ilp32",
    }[target]
    assert core in text
    if shutil.which("cmake") is None or shutil.which(gcc[1]) is None:
        pytest.skip(f"needs cmake and {gcc[1]}")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(p C)\nadd_library(p STATIC p.c)\n"
    )
    (tmp_path / "p.c").write_text("int p(void) { return 1; }\n")
    options = [f"-DCMAKE_TOOLCHAIN_FILE={folder / 'cmake/toolchain.cmake'}"]
    build = tmp_path / "build"
    for command in (["-S", tmp_path, "-B", build, *options], ["--build", build]):
        subprocess.run(["cmake", *command], check=True, capture_output=True)
    assert (build / "libp.a").exists()


def test_the_cmake_file_names_what_is_there(host_artifact: Path) -> None:
    """Also where no cmake is installed."""
    manifest = read_manifest(host_artifact)
    (path,) = (host_artifact / "cmake").glob("*Config.cmake")
    text = path.read_text()
    assert f'"${{_n2uqc_folder}}/{manifest["library"]}"' in text
    assert path.name.removesuffix("Config.cmake") == Path(manifest["header"]).stem
    assert (host_artifact / manifest["header"]).parent.name == "include"


def test_the_example_is_compiled_for_its_target(aarch64_artifact: Path, tmp_path: Path) -> None:
    """The example compiles with any installed compiler for AArch64."""
    manifest = read_manifest(aarch64_artifact)
    tools = toolchain.find("aarch64")
    tools.executable(
        [aarch64_artifact / "example/example.c", aarch64_artifact / manifest["library"]],
        tmp_path / "run",
        [f"-I{aarch64_artifact / 'include'}"],
    )
    assert (tmp_path / "run").read_bytes()[:4] == b"\x7fELF"


@pytest.mark.parametrize("standard", ["c11", "c17", "c++11", "c++17"])
@pytest.mark.parametrize("bits", [32, 64])
def test_numbers_at_the_ends_of_their_types(bits: int, standard: str, tmp_path: Path) -> None:
    """The example, as C and as C++, where the least value is the least of its type."""
    b = Builder(0, 2, 2, 2, False)
    b.types["x"] = IntType((2, 2, 2), bits, True, *limits_of(bits, True), b.types["x"].scale)
    folder = compile_program(b.finish(b.add(MaxPool, "x", kernel=(1, 2))), "host").save(
        tmp_path / "net"
    )
    language = "c++" if "+" in standard else "c"
    subprocess.run(
        [
            *compiler(language),
            f"-std={standard}",
            *WARNINGS,
            f"-I{folder / 'include'}",
            "-c",
            folder / "example/example.c",
            "-o",
            tmp_path / "example.o",
        ],
        check=True,
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (2**63 - 1, "9223372036854775807"),
        (-5, "(-5)"),
        (-(2**31), "(-2147483647 - 1)"),
        (-(2**63), "(-9223372036854775807 - 1)"),
    ],
)
def test_literals(value: int, text: str) -> None:
    assert literal(value) == text


@pytest.mark.parametrize("target", ["cortex-m4", "riscv32"])
def test_firmware_compiles_without_a_warning(target: str, network: Program, tmp_path: Path) -> None:
    folder = compile_program(network, target).save(tmp_path / "net")
    sources = sorted((folder / "source").glob("*.c"))
    assert len(sources) >= 2
    for source in sources:
        tools = toolchain.find(str(read_manifest(folder)["architecture"]))
        options = [*tools.core(target), *WARNINGS, f"-I{folder / 'include'}", "-c"]
        tools.executable([source], tmp_path / "part.o", options)


@pytest.mark.parametrize("target", ["cortex-m4", "riscv32"])
def test_a_linker_script_places_weights_and_code(
    target: str, network: Program, tmp_path: Path
) -> None:
    """The lines of the tutorial: constants in another memory, code in a third."""
    folder = compile_program(network, target).save(tmp_path / "net")
    manifest = read_manifest(folder)
    script = (folder / "source/board.ld").read_text()
    library = f"*{manifest['library']}:*"
    script = script.replace(
        "MEMORY\n{",
        "MEMORY\n{\n    QSPI (r) : ORIGIN = 0x90000000, LENGTH = 8M\n"
        "    ITCM (rx) : ORIGIN = 0x10000, LENGTH = 64K",
    ).replace(
        "SECTIONS\n{",
        f"SECTIONS\n{{\n    .weights : {{ {library}(.rodata*) }} > QSPI\n"
        f"    .kernels : {{ {library}(.text*) }} > ITCM AT > FLASH",
    )
    (tmp_path / "own.ld").write_text(script)
    link_firmware(folder, tmp_path / "own.ld", tmp_path / "all")
    elf = ELFFile(io.BytesIO((tmp_path / "all").read_bytes()))
    placed = {name: elf.get_section_by_name(name) for name in (".weights", ".kernels")}
    assert placed[".weights"]["sh_addr"] == 0x90000000
    assert placed[".weights"]["sh_size"] >= manifest["constant_bytes"]
    assert placed[".kernels"]["sh_addr"] == 0x10000
    code = sum(kernel["code_bytes"] for kernel in manifest["kernels"])
    assert placed[".kernels"]["sh_size"] >= code
