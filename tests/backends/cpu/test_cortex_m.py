"""Microcontrollers: firmware under every emulator, memory, stack, faults."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import n2uqc
from n2uqc.backends import compile as compile_program
from n2uqc.backends import find_target, read_manifest, run_artifact, toolchain
from n2uqc.backends.cpu.profile import profile_artifact
from n2uqc.backends.cpu.programs import memory_of, stack_bytes
from n2uqc.backends.emulation import run_program
from n2uqc.backends.processor import BOARDS, board_of
from n2uqc.frontend.diagnostics import CompileError
from n2uqc.models import data, shipped
from n2uqc.passes.program import IntType, MaxPool, Program, quantize_input, run
from tests.properties.programs import Builder

from .disassembly import float_arithmetic, symbols
from .host import SYMBOL, write_object
from .networks import residual_network

CORES = ["cortex-m0", "cortex-m4", "cortex-m7"]
EMULATORS = ["qemu", "unicorn"]
RAM, FLASH = 64 << 10, 256 << 10


def choose(emulator: str, core: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if emulator == "qemu":
        if not shutil.which("qemu-system-arm"):
            pytest.skip("qemu-system-arm is not installed")
        board = board_of(find_target(core).processor.emulated)
        emulator = shlex.join(["qemu-system-arm", "-M", board.machine, *board.options])
    elif not importlib.util.find_spec("unicorn"):
        pytest.skip("unicorn is not installed")
    monkeypatch.setenv("N2UQC_CORTEX_M_EMULATOR", emulator)


@pytest.fixture(scope="module", params=CORES)
def core(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def digits() -> Program:
    return n2uqc.load(shipped.path("digits_2bit"))


@pytest.fixture(scope="module")
def firmware(core: str, digits: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_program(digits, core).save(tmp_path_factory.mktemp(core) / "net")


@pytest.mark.parametrize("emulator", EMULATORS)
def test_digits(
    emulator: str, core: str, firmware: Path, digits: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(emulator, core, monkeypatch)
    x = quantize_input(digits, data.digits().test.images[:40])
    np.testing.assert_array_equal(run_artifact(firmware, x), run(digits, x))
    assert run_artifact(firmware, x[:0]).shape == (0, 1, 1, 10)


def test_digits_fit_a_small_chip(firmware: Path) -> None:
    manifest = read_manifest(firmware)
    memory = manifest["memory"]
    assert memory["ram_bytes"] <= RAM
    assert memory["flash_bytes"] <= FLASH
    assert (memory["flash_bytes"], memory["ram_bytes"]) == memory_of(
        (firmware / manifest["driver"]).read_bytes(), board_of(manifest["emulated"])
    )
    buffers = sum(np.prod(manifest[k]["shape"]) * 4 for k in ("input", "output"))
    assert memory["ram_bytes"] >= (
        manifest["workspace_bytes"] + buffers + memory["library_stack_bytes"]
    )


def test_a_network_that_fits_no_board_is_a_library(
    digits: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usual = compile_program(digits, "cortex-m4")
    small = replace(BOARDS["mps2-an386"], size=32 << 10)
    monkeypatch.setitem(BOARDS, "mps2-an386", small)
    artifact = compile_program(digits, "cortex-m4")
    library = artifact.facts["library"]
    assert artifact.files[library] == usual.files[library]
    assert {*usual.files} - {*artifact.files} == {
        name for name in usual.files if name.startswith("source/") or name.endswith(".elf")
    }
    assert re.search(r"no demonstration: .*flash.*32,768 bytes of each", artifact.describe())
    folder = artifact.save(tmp_path / "net")
    assert artifact.next_step(folder).startswith("link it: ")
    assert library in artifact.next_step(folder)
    for use in (lambda: run_artifact(folder, np.zeros((1, 8, 8, 1), np.int64)),
                lambda: profile_artifact(folder)):  # fmt: skip
        with pytest.raises(CompileError, match=r"a library without a program.*32,768"):
            use()


@pytest.mark.skipif(not importlib.util.find_spec("unicorn"), reason="unicorn is not installed")
def test_the_stack_is_as_deep_as_stated(firmware: Path, digits: Program, tmp_path: Path) -> None:
    from unicorn import arm_const as arm

    from n2uqc.backends.emulation.board import run_firmware

    manifest, depths = read_manifest(firmware), []
    kind = digits.types[digits.input]
    np.zeros(kind.shape, "<i4").tofile(tmp_path / "x.raw")
    done = run_firmware(
        firmware / manifest["driver"],
        [str(tmp_path / n) for n in ("x.raw", "y.raw")],
        lambda machine, *_: depths.append(machine.reg_read(arm.UC_ARM_REG_SP)),
        board_of(manifest["emulated"]),
    )
    assert (done.code, done.errors) == (0, "")
    stated = manifest["memory"]["library_stack_bytes"]
    assert stated / 2 < max(depths) - min(depths) <= stated + 256  # the demonstration's own


@pytest.mark.parametrize("emulator", EMULATORS)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "input cannot be opened"),
        (b"123", r"not a multiple of a sample's \(256 bytes\)"),
        (np.full(64, 1 << 30, "<i4").tobytes(), "outside {min} to {max}"),
    ],
)
def test_faults_of_files_are_told(
    emulator: str,
    content: bytes | None,
    message: str,
    core: str,
    firmware: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    choose(emulator, core, monkeypatch)
    if content is not None:
        (tmp_path / "x").write_bytes(content)
    manifest = read_manifest(firmware)
    driver = firmware / manifest["driver"]
    files = [str(tmp_path / "x"), str(tmp_path / "y")]
    done = run_program(driver, files, "cortex-m", manifest["emulated"])
    assert done.code == 1
    assert re.search(message.format_map(manifest["input"]), done.errors + done.output)


@pytest.mark.parametrize(("lo", "hi"), [(0, 2**63 - 1), (1 - 2**63, 2**63 - 2), (5, 2**40)])
def test_ranges_of_64_bits_are_checked(lo: int, hi: int, tmp_path: Path) -> None:
    """Whose differences are not numbers of 64 bits."""
    b = Builder(0, 2, 1, 2, False)
    b.types["x"] = IntType.ranged((2, 2, 1), lo, hi, b.types["x"].scale)
    folder = compile_program(b.finish(b.add(MaxPool, "x", kernel=(2, 2))), "cortex-m4").save(
        tmp_path / "net"
    )
    driver = folder / read_manifest(folder)["driver"]
    dtype = b.types["x"].container
    least, most = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    for value in (lo, hi, *{least, lo - 1, hi + 1, most}):
        if not least <= value <= most:
            continue
        np.array([lo, hi, value, lo], dtype).tofile(tmp_path / "x")
        done = run_program(
            driver, [str(tmp_path / "x"), str(tmp_path / "y")], "cortex-m", "mps2-an386"
        )
        assert done.code == (not lo <= value <= hi), value


@pytest.mark.skipif(not importlib.util.find_spec("unicorn"), reason="unicorn is not installed")
def test_what_is_no_firmware(tmp_path: Path) -> None:
    from n2uqc.backends.emulation.board import run_firmware

    (tmp_path / "x.elf").write_bytes(b"\x7fELF")
    with pytest.raises(CompileError, match="not a static cortex-m program"):
        run_firmware(tmp_path / "x.elf", [])


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_objects_stand_alone(bits: int, core: str, tmp_path: Path) -> None:
    """No float arithmetic, nothing undefined, one export: no C library, no allocator."""
    path = tmp_path / "network.o"
    write_object(residual_network(bits), path, core)
    assert float_arithmetic(path) == []
    found = symbols(path)
    assert [n for n, (bind, _) in found.items() if bind != "STB_LOCAL"] == [SYMBOL]
    assert [n for n, (_, section) in found.items() if section == "SHN_UNDEF"] == []
    assert 100 < stack_bytes(path.read_bytes(), SYMBOL) < 4096


@pytest.mark.parametrize("bits", [3, 4])
def test_other_widths(bits: int, core: str, samples: np.ndarray, tmp_path: Path) -> None:
    program = residual_network(bits, seed=bits)
    folder = compile_program(program, core).save(tmp_path / "net")
    np.testing.assert_array_equal(run_artifact(folder, samples), run(program, samples))


@pytest.mark.parametrize("abi", ["soft", "hard"])
def test_the_library_links_with_either_float_abi(
    abi: str, core: str, firmware: Path, tmp_path: Path
) -> None:
    manifest = read_manifest(firmware)
    symbol = manifest["function"]
    source = tmp_path / "main.c"
    source.write_text(
        f"int {symbol}(const void *, void *, void *);\n"
        "float half(float x);\nfloat half(float x) { return x; }\n"
        f"int _start(void) {{ return (int)sizeof half(0) + {symbol}(0, 0, 0); }}\n"
    )
    tools = toolchain.find("cortex-m")
    if tools.name == "zig":
        name = "eabihf" if abi == "hard" else "eabi"
        options = ["-target", f"thumb-freestanding-{name}", "-mcpu=cortex_m7"]
    else:
        options = [*tools.core("cortex-m7"), f"-mfloat-abi={abi}"]
        options += ["-mfpu=fpv4-sp-d16"] if abi == "hard" else []
    tools.executable([source, firmware / manifest["library"]], tmp_path / "program", options)


@pytest.mark.parametrize(
    ("bits", "target"),
    [
        (3, "cortex-m4"),
        (4, "armv7"),
        pytest.param(4, "cortex-m4", marks=pytest.mark.slow),
        pytest.param(3, "armv7", marks=pytest.mark.slow),
    ],
)
def test_the_other_digits_networks(bits: int, target: str, tmp_path: Path) -> None:
    program = n2uqc.load(shipped.path(f"digits_{bits}bit"))
    folder = compile_program(program, target).save(tmp_path / "net")
    x = quantize_input(program, data.digits().test.images[:12])
    np.testing.assert_array_equal(run_artifact(folder, x), run(program, x))
    if target == "cortex-m4":
        memory = read_manifest(folder)["memory"]
        assert (memory["ram_bytes"] <= RAM, memory["flash_bytes"] <= FLASH) == (True, True)
