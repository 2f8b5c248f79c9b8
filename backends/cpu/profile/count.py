"""Counting of executions of each basic block of an artifact's kernels, for one sample.

The emulator reports every block that it enters. A block always runs to its end, so the counts of
instructions are exact.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from n2uqc.frontend.diagnostics import CompileError

from ...binary import write_samples
from ...emulation.elf import load_segments
from ...manifest import inputs_of, outputs_of
from ...processor import board_of
from ...toolchain import ToolchainError
from .symbols import CompiledFunction, locate

Blocks = dict[tuple[int, int], int]
"""Number of executions by (address, size in bytes)."""


@dataclass(frozen=True)
class Counted:
    """The counts of one run.

    Attributes:
        blocks: blocks by symbol of the kernel, including its calls of ``memcpy`` and ``memset``.
        segments: segments of the executable: (address, bytes, size in memory).
        triple: LLVM's triple of the code, which tells how long its instructions are.
    """

    blocks: dict[str, Blocks]
    segments: tuple[tuple[int, bytes, int], ...]
    triple: str = "aarch64"

    def code(self, address: int, size: int) -> bytes:
        """Return the bytes of a block."""
        for start, data, _ in self.segments:
            if start <= address < start + len(data):
                return data[address - start : address - start + size]
        raise ValueError(f"{address:#x} lies outside the executable")

    def instructions(self, symbol: str) -> int:
        """Return the number of instructions that a kernel executed."""
        return sum(
            n * len(split(self.code(address, size), self.triple))
            for (address, size), n in self.blocks[symbol].items()
        )


def split(code: bytes, triple: str) -> list[bytes]:
    """Split code into instructions. Those of Thumb and RISC-V have two or four bytes, which their
    first bits tell; all others have four.
    """
    instructions, place = [], 0
    while place < len(code):
        wide = True
        if triple.startswith("thumb"):
            wide = code[place + 1] >> 3 in (0b11101, 0b11110, 0b11111)
        elif triple.startswith("riscv"):
            wide = code[place] & 3 == 3
        instructions.append(code[place : place + (4 if wide else 2)])
        place += len(instructions[-1])
    return instructions


def count_blocks(
    folder: Path,
    manifest: Mapping[str, Any],
    x: Mapping[str, NDArray[Any]],
    progress: Callable[[str], None] = lambda symbol: None,
) -> Counted:
    """Run one sample under emulation and count blocks.

    No branch of a kernel for ARM depends on data, so its instructions that are slow to emulate are
    replaced by others: results are then wrong, but counts are right.

    Args:
        folder: folder of the artifact.
        manifest: its manifest.
        x: integers of each input's type by name, (H, W, C).
        progress: called with the symbol of each kernel when it begins.

    Raises:
        ToolchainError: unicorn is not installed.
        CompileError: the driver failed, or was not linked with its library.
    """
    driver = folder / manifest["driver"]
    segments = load_segments(driver.read_bytes(), manifest["architecture"]).segments
    functions = locate((folder / manifest["library"]).read_bytes(), segments)
    entry = manifest["function"]
    named = {f.address: f.name for f in functions if f.name.startswith(f"{entry}_")}
    low = min(f.address for f in functions)
    high = max(f.address + f.size for f in functions)
    tables = {address: Blocks() for address in named}
    elsewhere = Blocks()
    current = elsewhere

    def on_block(machine: Any, address: int, size: int, data: object) -> None:
        nonlocal current
        if address in tables:
            current = tables[address]
            if not current:
                progress(named[address])
        current[address, size] = current.get((address, size), 0) + 1

    code = Counted({}, segments).code
    parts = {f.address: code(f.address, f.size) for f in functions}
    try:
        _run(driver, x, manifest, on_block, parts)
    except CompileError:  # wrong results may have been used as addresses
        for table in (elsewhere, *tables.values()):
            table.clear()
        _run(driver, x, manifest, on_block, {})
    skipped = next((f for f in functions if f.name == entry), CompiledFunction("", 0, 0))
    kept = {
        named[start]: {
            (at, size): n
            for (at, size), n in table.items()
            if low <= at < high and not skipped.address <= at < skipped.address + skipped.size
        }
        for start, table in tables.items()
    }
    return Counted(kept, segments, manifest["triple"])


def _run(
    driver: Path,
    x: Mapping[str, NDArray[Any]],
    manifest: Mapping[str, Any],
    on_block: Any,
    parts: Mapping[int, bytes],
) -> None:
    """Run the driver with parts of its code replaced."""
    try:
        from ...emulation.board import run_firmware
        from ...emulation.linux import run_static
        from ...emulation.matrix import stand_ins
    except ModuleNotFoundError:
        raise ToolchainError(
            "instructions are counted on the unicorn emulator, which is not installed: "
            "pip install 'n2uqc[toolchain]'"
        ) from None
    with tempfile.TemporaryDirectory(prefix="n2uqc-") as place:
        raw = manifest.get("exchange") == "raw"
        suffix = "raw" if raw else "npy"
        arguments, architecture = [], manifest["architecture"]
        for k, tensor in enumerate(inputs_of(manifest)):
            arguments.append(str(path := Path(place, f"x{k}.{suffix}")))
            write_samples(path, x[tensor["name"]][None], tensor, raw)
        arguments += [str(Path(place, f"y{k}.{suffix}")) for k in range(len(outputs_of(manifest)))]
        if architecture == "cortex-m":
            board = board_of(manifest.get("emulated", ""))
            done = run_firmware(driver, arguments, on_block, board)
        else:
            quick = (
                {}
                if architecture != "aarch64"
                else {at: other for at, code in parts.items() if (other := stand_ins(code)) != code}
            )
            done = run_static(driver, arguments, on_block, architecture, quick)
    if done.code:
        raise CompileError(f"the driver failed with code {done.code}: {done.errors.strip()}")
