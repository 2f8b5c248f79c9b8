"""A run that calls the application after each kernel: what it shows, and that it costs nothing."""

from __future__ import annotations

import io
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import HealthCheck, given, settings

from n2uqc.backends import compile as compile_program
from n2uqc.backends import read_manifest, toolchain
from n2uqc.backends.cpu.grouping import with_own_outputs
from n2uqc.backends.emulation import run_program
from n2uqc.backends.emulation.elf import load_segments
from n2uqc.passes.program import Program, run, trace
from n2uqc.passes.program.named import by_name
from tests.properties.programs import programs, programs_of_several_ends

from .host import Host
from .test_user_builds import WARNINGS, compiler, link_firmware

_SETTINGS = settings(
    deadline=None,
    max_examples=12,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def shows_every_tensor(program: Program, x: object, folder: Path) -> None:
    """Compare each tensor that is shown with the interpreter's of the same name."""
    inputs = by_name(program.interface.inputs, x)
    if not len(next(iter(inputs.values()))):
        return
    outputs, seen = Host(program, folder).watched(inputs)
    first = {name: array[:1] for name, array in inputs.items()}
    right = trace(with_own_outputs(program), first)
    assert {name for name, _ in seen} <= set(right) and (seen or not program.ops)
    for name, found in seen:
        np.testing.assert_array_equal(found, right[name][0], err_msg=name)
    for name, array in run(program, first).items():
        np.testing.assert_array_equal(outputs[name], array)


@pytest.mark.parametrize("drawn", [programs, programs_of_several_ends])
def test_every_tensor_of_random_programs(
    drawn: Callable[[], Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("observed")

    @_SETTINGS
    @given(drawn())
    def check(case) -> None:
        shows_every_tensor(*case, folder)

    check()


LINE = re.compile(r"^(\S+): (\d+) ns; (\S+): (\d+) x (\d+) x (\d+), (-?\d+) to (-?\d+)$")


def expected(network: Program) -> list[tuple[str, tuple[int, ...], int, int]]:
    """Return (tensor, shape, least, most) by tensor, of a sample of numbers mid of the range."""
    kind = network.int_type(network.input)
    middle = int(kind.hi / 2) + int(kind.lo / 2)
    tensors = trace(with_own_outputs(network), np.full((1, *kind.shape), middle))
    return [(name, t.shape[1:], int(t.min()), int(t.max())) for name, t in tensors.items()]


def printed(text: str) -> list[tuple[str, tuple[int, ...], int, int]]:
    found = [LINE.match(line) for line in text.splitlines()]
    assert all(found), text
    return [(m[3], (int(m[4]), int(m[5]), int(m[6])), int(m[7]), int(m[8])) for m in found if m]


def test_the_example_by_its_own_command(
    host_artifact: Path, network: Program, tmp_path: Path
) -> None:
    folder = tmp_path / "net"
    shutil.copytree(host_artifact, folder)
    command = re.search(r"^ \*   (cc .*)$", (folder / "example/observe.c").read_text(), re.M)
    assert command is not None
    subprocess.run([*shlex.split(command[1]), "-std=c11", *WARNINGS], cwd=folder, check=True)
    done = subprocess.run([folder / "run_observe"], capture_output=True, text=True, check=True)
    shown = printed(done.stdout)
    assert len(shown) == len(read_manifest(folder)["kernels"])
    assert set(shown) <= set(expected(network))


@pytest.mark.parametrize("standard", ["c11", "c++11"])
def test_the_example_compiles(standard: str, host_artifact: Path, tmp_path: Path) -> None:
    source = host_artifact / "example/observe.c"
    options = [f"-std={standard}", *WARNINGS, f"-I{host_artifact / 'include'}"]
    language = "c++" if "+" in standard else "c"
    command = [*compiler(language), *options, "-c", source, "-o", tmp_path / "o.o"]
    subprocess.run(command, check=True)


@pytest.mark.skipif(not shutil.which("qemu-aarch64"), reason="needs qemu-aarch64")
@pytest.mark.parametrize("core", ["cortex-a53", "max"])
def test_a_library_of_several_levels(
    core: str, network: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = compile_program(network, "aarch64+auto").save(tmp_path / "net")
    manifest = read_manifest(folder)
    toolchain.find("aarch64").executable(
        [folder / "example/observe.c", folder / manifest["library"]],
        tmp_path / "observe",
        [f"-I{folder / 'include'}"],
    )
    monkeypatch.setenv("N2UQC_AARCH64_EMULATOR", f"qemu-aarch64 -cpu {core}")
    shown = printed(run_program(tmp_path / "observe", [], "aarch64").output)
    assert len(shown) == len(manifest["kernels"]) / 3
    assert set(shown) <= set(expected(network))


@pytest.mark.parametrize("target", ["cortex-m4", "riscv32"])
def test_who_does_not_use_it_does_not_hold_it(
    target: str, network: Program, tmp_path: Path
) -> None:
    """A program that calls it links; the one that comes with the library has none of its code."""
    folder = compile_program(network, target).save(tmp_path / "net")
    manifest = read_manifest(folder)
    _use([*(folder / "source").glob("*.c")])
    link_firmware(folder, folder / "source/board.ld", tmp_path / "used")
    plain, used = (_loaded(p, manifest) for p in (folder / manifest["driver"], tmp_path / "used"))
    (own,) = (size for name, size in _members(folder / manifest["library"]) if "_observed" in name)
    assert plain + own / 4 < used < plain + own + 512, (plain, own, used)


def _loaded(path: Path, manifest: Mapping[str, Any]) -> int:
    segments = load_segments(path.read_bytes(), manifest["architecture"]).segments
    return sum(len(content) for _, content, _ in segments)


def _members(library: Path) -> list[tuple[str, int]]:
    """Return the code's size of each object in a library, with the name of its first function."""
    raw, found = library.read_bytes(), []
    for begin in (m.start() for m in re.finditer(rb"\x7fELF", raw)):
        elf = ELFFile(io.BytesIO(raw[begin:]))
        size = sum(s["sh_size"] for s in elf.iter_sections() if s["sh_flags"] & 4)
        names = [s.name for s in elf.get_section_by_name(".symtab").iter_symbols()]
        found.append((next((n for n in names if n.endswith("_run_observed")), ""), size))
    return found


def _use(sources: Sequence[Path]) -> None:
    """Let a program that comes with a library call the observed run instead of the plain one."""
    for path in sources:
        text = path.read_text()
        if "_run(input, output, workspace)" in text:
            text = re.sub(
                r'#include "(n2uqc_\w+)\.h"', r'#include "\1.h"\n#include "\1_observed.h"', text
            )
            text = text.replace(
                "_run(input, output, workspace)", "_run_observed(input, output, workspace, see, 0)"
            )
            text = text.replace(
                "static int run(void)",
                "static void see(void *c, int32_t s, const void *t)\n"
                "{ (void)c, (void)s, (void)t; }\n"
                "static int run(void)",
            )
            path.write_text(text)
