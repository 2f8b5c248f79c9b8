"""Reading of static ELF executables."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from n2uqc.frontend.diagnostics import CompileError

from ..cross import CROSS

_STATIC_EXECUTABLE, _LOAD, _INTERPRETER = 2, 1, 3
_CLASSES = {  # struct formats of the header's entry and table, its sizes, and a program header
    1: ("<II", 42, "<IIIIIIII", (0, 1, 2, 4, 5)),
    2: ("<QQ", 54, "<IIQQQQQQ", (0, 2, 3, 5, 6)),
}


@dataclass(frozen=True)
class Image:
    """The parts of an executable that a loader needs.

    Attributes:
        entry: address of the first instruction.
        segments: (address, bytes in the file, size in memory).
        headers, header_size, header_count: address, size and number of the program headers in
            memory.
    """

    entry: int
    segments: tuple[tuple[int, bytes, int], ...]
    headers: int
    header_size: int
    header_count: int


def load_segments(data: bytes, architecture: str) -> Image:
    """Read an executable.

    Args:
        data: the whole file.
        architecture: a key of ``CROSS`` in ``cross.py``.

    Raises:
        CompileError: the file is no static little-endian executable of that architecture.
    """
    try:
        kind, machine = struct.unpack_from("<HH", data, 16)
        addresses, sizes, fields, order = _CLASSES[data[4]]
        entry, table = struct.unpack_from(addresses, data, 24)
        size, count = struct.unpack_from("<HH", data, sizes)
        headers = [
            tuple(found[k] for k in order)
            for found in (struct.unpack_from(fields, data, table + k * size) for k in range(count))
        ]
    except (struct.error, KeyError, IndexError):
        kind, machine, headers = 0, 0, []
    cross = CROSS[architecture]
    if (
        data[:6] != bytes((0x7F, *b"ELF", cross.bits // 32, 1))
        or kind != _STATIC_EXECUTABLE
        or machine != cross.elf
        or any(h[0] == _INTERPRETER for h in headers)
    ):
        system = "program" if cross.bare else "Linux executable"
        raise CompileError(f"not a static {architecture} {system}")
    loaded = [h[1:] for h in headers if h[0] == _LOAD]  # offset, address, bytes, size in memory
    segments = tuple((h[1], data[h[0] : h[0] + h[2]], h[3]) for h in loaded)
    home = next((h[1] + table - h[0] for h in loaded if h[0] <= table < h[0] + h[2]), 0)
    return Image(entry, segments, home, size, count)
