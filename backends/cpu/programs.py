"""The program that comes with a library: a command for Linux,
a demonstration for a microcontroller.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from n2uqc.frontend.diagnostics import CompileError, Problem

from ..emulation.elf import load_segments
from ..processor import Board
from ..templating import render
from ..toolchain import Toolchain
from .stack import frames

INCLUDE, SOURCES = "include", "source"  # folders of an artifact
TEMPLATES = Path(__file__).parent / "templates"

_OWN_STACK = 512  # bytes of stack that the demonstration itself takes
_ROOM = 8 << 10  # bytes of flash and RAM for the demonstration itself

_ADDRESSED = 2**31 - 2**24
"""Most bytes of the driver's static buffers; the rest is for the driver and the C library."""


@dataclass(frozen=True)
class Linked:
    """A linked program.

    Attributes:
        driver: file name of the driver; "" if there is none.
        files: all files built, including the driver.
        facts: facts for the manifest.
    """

    driver: str
    files: Sequence[str]
    facts: dict[str, Any] = field(default_factory=dict)


def linux_program(tools: Toolchain, folder: Path, library: str, context: dict[str, Any]) -> Linked:
    """Build the command-line driver, which reads and writes NumPy files.

    Raises:
        CompileError: its buffers are larger than static code can address.
    """
    symbol = context["symbol"]
    _require_addressable(context)
    source = f"{SOURCES}/{symbol}_main.c"
    (folder / source).write_text(render(TEMPLATES, "driver.c.j2", context), encoding="utf-8")
    tools.executable(
        [folder / source, folder / library],
        folder / symbol,
        [*tools.core(context["cpu"]), f"-I{folder / INCLUDE}"],
        ["-lm"],
    )
    return Linked(symbol, (source, symbol), {"exchange": "npy"})


def _require_addressable(context: dict[str, Any]) -> None:
    taken = context["workspace_bytes"] + tensor_bytes(context)
    if taken > _ADDRESSED:
        raise CompileError(
            Problem(
                node="",
                op="",
                found=f"inputs, outputs and workspace take {taken:,} bytes",
                supported=f"{_ADDRESSED:,}: what code compiled for static memory can address",
                hint="use smaller images",
            )
        )


def tensor_bytes(context: dict[str, Any]) -> int:
    """Return the bytes of all inputs and outputs of one sample."""
    return sum(int(each["bytes"]) for each in (*context["inputs"], *context["outputs"]))


def firmware(tools: Toolchain, folder: Path, library: str, context: dict[str, Any]) -> Linked:
    """Build the semihosting demonstration, with the memory that it and the library take.

    There is none for a network that does not fit the board; the fact ``no_driver`` says so.

    Raises:
        CompileError: its buffers are larger than static code can address.
    """
    _require_addressable(context)
    symbol, board = context["symbol"], context["board"]
    data = (folder / f"{symbol}.o").read_bytes()
    stack = stack_bytes(data, f"{symbol}_run")
    own = {"library_flash_bytes": section_bytes(data), "library_stack_bytes": stack}
    ram = stack + context["workspace_bytes"] + tensor_bytes(context)
    if reason := _too_large(own["library_flash_bytes"], ram, board):
        return Linked("", (), {"exchange": "raw", "no_driver": reason, "memory": own})
    context = {**context, "stack_bytes": -(-(stack + _OWN_STACK) // 8) * 8}
    texts = {
        f"{SOURCES}/{symbol}_demo.c": "demo.c.j2",
        f"{SOURCES}/start.c": "start.c.j2",
        f"{SOURCES}/semihosting.h": "semihosting.h.j2",
        f"{SOURCES}/board.ld": "board.ld.j2",
    }
    for name, template in texts.items():
        (folder / name).write_text(render(TEMPLATES, template, context), encoding="utf-8")
    driver = f"{symbol}.elf"
    sources = [folder / SOURCES / f"{symbol}_demo.c", folder / SOURCES / "start.c"]
    tools.executable(
        [*sources, folder / library],
        folder / driver,
        [
            *tools.core(context["cpu"]),
            f"-I{folder / INCLUDE}",
            f"-Wl,-T,{folder / SOURCES / 'board.ld'}",
        ],
    )
    flash, ram = memory_of((folder / driver).read_bytes(), board)
    facts = {
        "exchange": "raw",
        "memory": {"flash_bytes": flash, "ram_bytes": ram, **own},
    }
    return Linked(driver, (*texts, driver), facts)


def _too_large(flash: int, ram: int, board: Board) -> str:
    """Return why a network does not fit the board; "" if it does."""
    if max(flash, ram) <= board.size - _ROOM:
        return ""
    return (
        f"the network takes {flash:,} bytes of flash and {ram:,} of RAM; "
        f"the demonstration's board, {board.title}, has {board.size:,} bytes of each"
    )


def stack_bytes(data: bytes, function: str) -> int:
    """Return the most stack, in bytes, that the exported function and its callees take.

    The function calls kernels, whose names begin with its name; these call only leaf functions.

    Args:
        data: the library's object file.
        function: name of the exported function.
    """
    sizes = frames(data)
    own = sizes.pop(function)
    kernels = [size for name, size in sizes.items() if name.startswith(f"{function}_")]
    leaves = [size for name, size in sizes.items() if not name.startswith(f"{function}_")]
    return own + max(kernels, default=0) + max(leaves, default=0)


def memory_of(data: bytes, board: Board) -> tuple[int, int]:
    """Return the bytes of flash and of RAM that a firmware takes on its board,
    including the stack.
    """
    flash = ram = 0
    for address, content, size in load_segments(data, board.architecture).segments:
        flash += len(content)
        ram += size if address >= board.ram else 0
    return flash, ram


def section_bytes(data: bytes) -> int:
    """Return the bytes of code and constants in a relocatable 32-bit ELF file."""
    (table,) = struct.unpack_from("<I", data, 32)
    (count,) = struct.unpack_from("<H", data, 48)
    headers = [struct.unpack_from("<IIIIIIIIII", data, table + 40 * k) for k in range(count)]
    allocated, program_bits, exception_index = 2, 1, 0x70000001
    return sum(
        h[5] for h in headers if h[1] in (program_bits, exception_index) and h[2] & allocated
    )
