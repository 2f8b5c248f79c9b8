"""Profiles: every instruction of every kernel counted, by two emulators where there are two."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from n2uqc.backends import compile as compile_program
from n2uqc.backends.cpu.grouping import schedule
from n2uqc.backends.cpu.kernels import gemm, matrix
from n2uqc.backends.cpu.kernels.gemm import mlal16
from n2uqc.backends.cpu.profile import Profile, default_core, profile_artifact
from n2uqc.backends.cpu.profile.chains import BlockChain, chains
from n2uqc.backends.cpu.profile.count import Counted, split
from n2uqc.backends.cpu.profile.mca import _disassembled, cycles, find_analyzer
from n2uqc.backends.cpu.profile.symbols import locate
from n2uqc.backends.emulation.elf import load_segments
from n2uqc.backends.toolchain import ToolchainError
from n2uqc.frontend.diagnostics import CompileError
from n2uqc.passes.program import Conv, Program

from .kernels.cases import conv_program, only

pytest.importorskip("unicorn")


def _analyzer() -> bool:
    try:
        return bool(find_analyzer())
    except ToolchainError:
        return False


with_analyzer = pytest.mark.skipif(not _analyzer(), reason="llvm-mca is not installed")


@pytest.fixture(scope="module")
def profile(aarch64_artifact: Path) -> Profile:
    return profile_artifact(aarch64_artifact)


def test_a_row_for_every_kernel(profile: Profile, network: Program) -> None:
    groups = schedule(network).groups
    rows = [row for row in profile.rows if row.computes != "check"]
    assert [row.operations for row in rows] == [
        tuple(op.output for op in group.ops) for group in groups
    ]
    assert all(row.instructions > 0 and row.cycles is None for row in rows)
    assert profile.instructions == sum(row.instructions for row in profile.rows)
    convolutions = [op for op in network.ops if isinstance(op, Conv)]
    expected = sum(
        np.prod(network.types[op.output].shape)
        * np.prod(network.constants[op.weight].values.shape[1:])
        for op in convolutions
    )
    assert profile.macs == expected


def test_counting_twice_and_on_other_data_gives_the_same(
    profile: Profile, aarch64_artifact: Path, samples: np.ndarray
) -> None:
    assert profile_artifact(aarch64_artifact) == profile
    assert profile_artifact(aarch64_artifact, samples[1]) == profile


@pytest.mark.parametrize(
    ("target", "emulator"),
    [
        ("aarch64", "qemu-aarch64"),
        ("aarch64+i8mm", "qemu-aarch64"),
        ("armv7", "qemu-arm"),
        ("riscv64", "qemu-riscv64"),
    ],
)
def test_block_counts_are_those_of_qemu(
    target: str, emulator: str, network: Program, samples: np.ndarray, tmp_path: Path
) -> None:
    if not shutil.which(emulator):
        pytest.skip(f"{emulator} is not installed")
    folder = compile_program(network, target).save(tmp_path / "net")
    manifest = json.loads((folder / "manifest.json").read_text())
    driver = folder / manifest["driver"]
    segments = load_segments(driver.read_bytes(), manifest["architecture"]).segments
    functions = locate((folder / manifest["library"]).read_bytes(), segments)
    np.save(tmp_path / "x.npy", samples[:1].astype(manifest["input"]["dtype"]))
    log = tmp_path / "log"
    subprocess.run(
        [
            emulator,
            "-singlestep",
            "-d",
            "exec,nochain",
            "-D",
            str(log),
            str(driver),
            str(tmp_path / "x.npy"),
            str(tmp_path / "y.npy"),
        ],
        check=True,
    )
    executed = dict.fromkeys((f.name for f in functions), 0)
    spans = [(f.address, f.address + f.size, f.name) for f in functions]
    current = ""
    for line in log.read_text().splitlines():
        if not line.startswith("Trace"):
            continue
        address = int(line.split("/")[1], 16)
        name = next((n for low, high, n in spans if low <= address < high), "")
        if name.startswith(f"{manifest['function']}_"):
            current = name
        if name and name != manifest["function"]:
            executed[current] += 1  # what memcpy and memset do is done for the kernel
    for row in profile_artifact(folder, samples[0]).rows:
        assert executed[row.symbol] == row.instructions, row.symbol


def test_stand_ins_for_instructions_change_no_count(
    network: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from n2uqc.backends.emulation import matrix as instructions

    folder = compile_program(network, "aarch64+i8mm").save(tmp_path / "net")
    manifest = json.loads((folder / "manifest.json").read_text())
    driver = (folder / manifest["driver"]).read_bytes()
    code = b"".join(data for _, data, _ in load_segments(driver, "aarch64").segments)
    whole = code[: len(code) // 4 * 4]
    assert instructions.stand_ins(whole) != whole
    quick = profile_artifact(folder)
    monkeypatch.setattr(instructions, "stand_ins", lambda code: code)
    assert profile_artifact(folder) == quick


def test_a_microcontroller(network: Program, tmp_path: Path) -> None:
    profile = profile_artifact(compile_program(network, "cortex-m4").save(tmp_path / "net"))
    assert [row.computes for row in profile.rows if row.computes != "check"] == [
        group.mnemonics for group in schedule(network).groups
    ]
    # Thumb instructions have two or four bytes; no kernel multiplies more than nine at once.
    assert all(row.macs / 9 < row.instructions < 20 * row.macs for row in profile.rows if row.macs)


@with_analyzer
def test_cycles_are_estimated_for_a_named_core(aarch64_artifact: Path, profile: Profile) -> None:
    results = [profile_artifact(aarch64_artifact, core=c) for c in ("cortex-a53", "cortex-a72")]
    for result in results:
        assert [r.instructions for r in result.rows] == [r.instructions for r in profile.rows]
        assert all(row.cycles and row.cycles > 0 for row in result.rows)
        assert result.estimator.startswith("llvm-mca ")
        # At least a third of an instruction a cycle, at most three.
        assert profile.instructions / 3 < result.cycles < profile.instructions * 3
    assert results[0].cycles > results[1].cycles


@with_analyzer
def test_an_unknown_core_is_refused() -> None:
    with pytest.raises(CompileError, match=r"no core 'cortex-z9'.*\n.*cortex-a53"):
        cycles([bytes(4)], "aarch64-linux-gnu", "cortex-z9")

    with pytest.raises(CompileError, match=r"no core 'cortex-a53' that runs code for thumb"):
        cycles([bytes(4)], "thumbv7em-none-eabi", "cortex-a53")
    with pytest.raises(CompileError, match=r"no core 'cortex-m4' that runs code for armv7a"):
        cycles([bytes(4)], "armv7a-linux-gnueabihf", "cortex-m4")


@with_analyzer
def test_instructions_unknown_to_the_analyzer_do_not_spoil_the_rest() -> None:
    add, undefined = (0x8B010000).to_bytes(4, "little"), b"\xff" * 4
    alone, mixed = cycles([add * 8, add * 8 + undefined], "aarch64-linux-gnu", "cortex-a53")
    assert mixed == alone > 0


@with_analyzer
def test_thumb_instructions_are_read_each_on_its_own() -> None:
    """``IT`` makes the next four conditional, where a branch would be undefined."""
    it, undefined = b"\x04\xbf", (0xFFFFFFFF).to_bytes(4, "little")
    branches = [bytes([n, 0xD1]) for n in range(8)]
    texts = _disassembled([it, *branches, undefined], find_analyzer(), "thumbv7em-none-eabi")
    assert not texts[it] and not texts[undefined]
    assert all(texts[branch].split()[0] == "bne" for branch in branches)
    hint = b"\x00\xbf"
    assert _disassembled([hint], find_analyzer(), "thumbv7em-none-eabi") == {hint: "nop"}


@pytest.mark.parametrize("target", ["aarch64", "armv7"])
def test_code_full_of_addresses_is_found(
    target: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Constants read from tables here and there: the linker fills in a tenth of the words."""
    only(monkeypatch, *matrix.KERNELS)
    monkeypatch.setattr(gemm, "MICROS", (mlal16.MICRO,))
    weight = np.random.default_rng(0).integers(-255, 256, (64, 3, 3, 64))
    folder = compile_program(
        conv_program(weight, 7, 8, levels=255, pads=(1, 1, 1, 1)), target
    ).save(tmp_path / "net")
    row = next(row for row in profile_artifact(folder).rows if row.macs)
    assert row.kernel == "matrix product" and row.instructions > row.macs / 8


@with_analyzer
def test_the_core_by_default() -> None:
    triple = "aarch64-linux-gnu"
    assert default_core({"cpu": "generic", "triple": triple}) == ("cortex-a72", "")
    assert default_core({"cpu": "cortex-a55", "triple": triple}) == ("cortex-a55", "")
    core, why = default_core({"cpu": "cortex-z9", "triple": triple})
    assert core == "" and "no core 'cortex-z9'" in why


def test_no_analyzer_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    find_analyzer.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    try:
        for chosen in ("", "/nowhere/llvm-mca", "/nowhere/else"):
            monkeypatch.setenv("N2UQC_LLVM_MCA", chosen)
            with pytest.raises(ToolchainError, match="apt install llvm"):
                find_analyzer()
    finally:
        find_analyzer.cache_clear()


def test_code_is_cut_into_its_instructions() -> None:
    """Thumb code: movs; ldr.w; b; bl; b.w of four bytes each; elsewhere all have four."""
    code = bytes.fromhex("0020 d0f80010 00e0 00f000f8 00f000b8 7047")
    thumb = [part.hex() for part in split(code, "thumbv7em")]
    assert thumb == ["0020", "d0f80010", "00e0", "00f000f8", "00f000b8", "7047"]
    assert [len(part) for part in split(code[:16], "aarch64")] == [4] * 4
    segments = (0x100, bytes(8), 64), (0x8000, b"ab" + code, 64)
    counted = Counted(
        {"kernel": {(0x8002, 6): 3, (0x800A, 8): 2}}, segments, triple="thumbv7em-none-eabi"
    )
    assert counted.code(0x8002, 6) == code[:6]
    assert counted.instructions("kernel") == 3 * 2 + 2 * 2
    assert replace(counted, triple="armv7a-linux-gnueabihf").instructions("kernel") == 3 * 2 + 2 * 2
    for outside in (0xFF, 0x108, 0x7FFF, 0x8000 + 2 + len(code)):
        with pytest.raises(ValueError, match="outside the executable"):
            counted.code(outside, 4)


def test_blocks_join_where_one_falls_into_the_next() -> None:
    blocks = {(0, 8): 5, (8, 4): 5, (12, 4): 4, (16, 4): 4, (24, 4): 4}
    assert chains(blocks) == [BlockChain(0, 12, 5), BlockChain(12, 8, 4), BlockChain(24, 4, 4)]


def test_other_artifacts_are_refused(host_artifact: Path, aarch64_artifact: Path) -> None:
    with pytest.raises(CompileError, match="target host"):
        profile_artifact(host_artifact)
    manifest = json.loads((aarch64_artifact / "manifest.json").read_text())
    library = (aarch64_artifact / manifest["library"]).read_bytes()
    with pytest.raises(CompileError, match="does not hold the code"):
        locate(library, [(0x1000, bytes(1 << 16), 1 << 16)])
    segments = load_segments((aarch64_artifact / manifest["driver"]).read_bytes(), "aarch64")
    functions = locate(library, segments.segments)
    low, high = functions[0].address, functions[-1].address + functions[-1].size
    other = [  # a fiftieth of the instructions differs
        (at, bytes(b ^ (low <= at + k < high and k % 200 == 0) for k, b in enumerate(data)), size)
        for at, data, size in segments.segments
    ]
    with pytest.raises(CompileError, match="does not hold the code"):
        locate(library, other)
    with pytest.raises(CompileError, match="not a static library"):
        locate(b"text", [])
