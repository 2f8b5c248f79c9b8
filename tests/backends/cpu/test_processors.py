"""Every processor that is accepted, from the program to the result under emulation."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from n2uqc.backends import compile as compile_program
from n2uqc.backends import find_target, read_manifest, run_artifact, toolchain
from n2uqc.backends.cross import CROSS
from n2uqc.backends.emulation import run_program
from n2uqc.backends.processor import BOARDS
from n2uqc.backends.processors import PROCESSORS
from n2uqc.frontend.diagnostics import CompileError
from n2uqc.passes.program import Program, SumPool, run
from tests.properties.programs import Builder

from .disassembly import objects_of, symbols

CHOICES = [
    *((name, "", ()) for name in PROCESSORS),
    ("aarch64+dotprod+i8mm", "", ()),
    ("aarch64+dotprod", "cortex-a53", ()),
    ("aarch64", "cortex-a76", ("+i8mm",)),
    ("aarch64", "cortex-a76", ("-dotprod",)),
    ("armv7", "", ("-neon",)),
    *(
        [("host", level, ()) for level in ("x86-64", "x86-64-v2")]
        if toolchain.machine() == "x86_64"
        else []
    ),
]
"""Targets, and processors and features chosen beside them."""


def small_network() -> Program:
    """Products of codes, of wide numbers and of 64 bits; tables, a skip, a pool."""
    b = Builder(3, 5, 3, 8, False)
    stem = b.thresholds(b.conv("x", 6, bits=7, odd=False, kernel=3), 2)
    y = b.requantize(b.conv(stem, 8, bits=2, kernel=3))
    y = b.add(SumPool, b.thresholds(b.prelu(y), 3), kernel=b.types[y].shape[:2])
    return b.finish(b.requantize(b.conv(y, 5, bits=7, odd=False, kernel=1), 32))


@pytest.fixture(scope="module")
def small() -> Program:
    return small_network()


@pytest.fixture(scope="module")
def x(small: Program) -> np.ndarray:
    kind = small.types[small.input]
    x = np.random.default_rng(0).integers(kind.lo, kind.hi + 1, (4, *kind.shape))
    x[0], x[1] = kind.lo, kind.hi
    return x


def runs(small: Program, x: np.ndarray, folder: Path) -> None:
    """Run an artifact under the emulator of its processor's model or board, where there is one."""
    manifest = read_manifest(folder)
    cross = CROSS[manifest["architecture"]]
    needs_qemu = cross.bare and not BOARDS[manifest["emulated"]].model
    if needs_qemu and not shutil.which(cross.emulator):
        pytest.skip(f"needs {cross.emulator}")
    np.testing.assert_array_equal(run_artifact(folder, x), run(small, x))


@pytest.mark.parametrize(("target", "mcpu", "mattr"), CHOICES)
def test_equals_the_interpreter(
    target: str, mcpu: str, mattr: tuple[str, ...], small: Program, x: np.ndarray, tmp_path: Path
) -> None:
    artifact = compile_program(small, target, mcpu=mcpu or None, mattr=mattr)
    folder = artifact.save(tmp_path / "net")
    defined, undefined = set(), set()
    for content in objects_of(folder / read_manifest(folder)["library"]):
        (tmp_path / "net.o").write_bytes(content)
        for name, (_, section) in symbols(tmp_path / "net.o").items():
            (undefined if section == "SHN_UNDEF" else defined).add(name)
    assert undefined - defined == ({"getauxval"} if target == "aarch64+auto" else set())
    runs(small, x, folder)


@pytest.mark.skipif(not shutil.which("qemu-aarch64"), reason="needs qemu-aarch64")
@pytest.mark.parametrize(
    ("core", "lacking"), [("cortex-a53", "dotprod"), ("cortex-a76", "i8mm"), ("max", "")]
)
def test_an_older_core_is_told(
    core: str,
    lacking: str,
    small: Program,
    x: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = compile_program(small, "aarch64+i8mm").save(tmp_path / "net")
    monkeypatch.setenv("N2UQC_AARCH64_EMULATOR", f"qemu-aarch64 -cpu {core}")
    if not lacking:
        runs(small, x, folder)
        return
    manifest = read_manifest(folder)
    done = run_program(folder / manifest["driver"], ["x", "y"], "aarch64")
    assert done.code == 3
    assert f"this processor has no {lacking}" in done.errors
    with pytest.raises(CompileError, match=f"this processor has no {lacking}"):
        run_artifact(folder, x)


@pytest.mark.skipif(not shutil.which("qemu-arm"), reason="needs qemu-arm")
def test_a_core_without_neon_is_told(small: Program, tmp_path: Path) -> None:
    folder = compile_program(small, "armv7").save(tmp_path / "net")
    driver = folder / read_manifest(folder)["driver"]
    done = subprocess.run(
        ["qemu-arm", "-cpu", "cortex-a9,neon=off", driver, "x", "y"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, "this processor has no neon" in done.stderr) == (3, True)


@pytest.mark.skipif(not shutil.which("qemu-x86_64"), reason="needs qemu-x86_64")
@pytest.mark.skipif("avx2" not in find_target("host").processor.facts, reason="no AVX2 here")
def test_an_older_x86_is_told(small: Program, tmp_path: Path) -> None:
    folder = compile_program(small, "host").save(tmp_path / "net")
    driver = folder / read_manifest(folder)["driver"]
    done = subprocess.run(
        ["qemu-x86_64", "-cpu", "Westmere", driver, "x", "y"], capture_output=True, text=True
    )
    assert (done.returncode, "this processor has no avx2" in done.stderr) == (3, True)


@pytest.mark.parametrize("abi", ["soft", "softfp", "hard"])
@pytest.mark.parametrize("target", ["armv7", "armv6"])
def test_libraries_of_32_bit_arm_link_with_every_float_abi(
    target: str, abi: str, small: Program, tmp_path: Path
) -> None:
    """Libraries link into programs that calculate in floating point; those programs are then
    run.
    """
    hard = abi == "hard"
    compiler = "arm-linux-gnueabihf-gcc" if hard else "arm-linux-gnueabi-gcc"
    for tool in (compiler, "qemu-arm"):
        if not shutil.which(tool):
            pytest.skip(f"needs {tool}")
    folder = compile_program(small, target).save(tmp_path / "net")
    manifest = read_manifest(folder)
    header = Path(manifest["header"]).name
    symbol = header.removesuffix(".h")
    (tmp_path / "main.c").write_text(
        f'#include "{header}"\n#include <stdio.h>\n'
        f"static {symbol}_input in[{symbol.upper()}_INPUT_COUNT];\n"
        f"static {symbol}_output out[{symbol.upper()}_OUTPUT_COUNT];\n"
        f"static _Alignas(64) char room[{symbol.upper()}_WORKSPACE_BYTES];\n"
        "__attribute__((noinline)) float half(float x) { return x / 2; }\n"
        "int main(int n, char **v) {\n"
        f"  int code = {symbol}_run(in, out, room); (void)v;\n"
        '  printf("%d %g %lld\\n", code, half(n * 3), (long long)out[0]); return 0; }\n'
    )
    # armel's own libraries are soft; NEON registers may be used below that, as softfp says.
    options = {"soft": ["-mfloat-abi=soft"], "softfp": ["-mfloat-abi=softfp", "-mfpu=vfp"]}
    subprocess.run(
        [
            *(compiler, "-static", "-march=armv7-a+fp" if hard else "-march=armv6"),
            *options.get(abi, ["-mfloat-abi=hard"]),
            *(f"-I{folder / 'include'}", tmp_path / "main.c", folder / manifest["library"]),
            *("-o", tmp_path / "main"),
        ],
        check=True,
    )
    done = subprocess.run(
        ["qemu-arm", "-cpu", "max", tmp_path / "main"], capture_output=True, text=True
    )
    kind = small.types[small.input]
    first = run(small, np.zeros((1, *kind.shape), np.int64)).ravel()[0]
    assert done.stdout == f"0 1.5 {first}\n"


@pytest.mark.skipif(not shutil.which("qemu-system-arm"), reason="needs qemu-system-arm")
def test_an_unknown_board_of_a_manifest_reaches_no_command_line(
    small: Program, tmp_path: Path
) -> None:
    with pytest.raises(CompileError, match="no board 'virt,x=y'"):
        run_program(tmp_path / "x.elf", ["x", "y"], "cortex-m", "virt,x=y")
