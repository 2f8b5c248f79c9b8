"""What a loader needs of a static ELF executable."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from n2uqc.frontend.diagnostics import CompileError

_MACHINES = {"x86_64": 62, "aarch64": 183}
_STATIC_EXECUTABLE, _LOAD, _INTERPRETER = 2, 1, 3


@dataclass(frozen=True)
class Image:
    """A 64-bit executable.

    Attributes:
        entry: address of the first instruction.
        segments: (address, bytes in the file, size in memory).
        headers, header_size, header_count: of the program headers in memory.
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
        architecture: ``x86_64`` or ``aarch64``.

    Raises:
        CompileError: not a static little-endian 64-bit executable of that architecture.
    """
    try:
        kind, machine = struct.unpack_from("<HH", data, 16)
        entry, table = struct.unpack_from("<QQ", data, 24)
        size, count = struct.unpack_from("<HH", data, 54)
        headers = [struct.unpack_from("<IIQQQQQQ", data, table + k * size) for k in range(count)]
    except struct.error:
        kind, machine, headers = 0, 0, []
    if (
        data[:6] != b"\x7fELF\x02\x01" or kind != _STATIC_EXECUTABLE
        or machine != _MACHINES[architecture] or any(h[0] == _INTERPRETER for h in headers)
    ):
        raise CompileError(f"not a static {architecture} Linux executable")
    loaded = [h for h in headers if h[0] == _LOAD]
    segments = tuple((h[3], data[h[2] : h[2] + h[5]], h[6]) for h in loaded)
    home = next((h[3] + table - h[2] for h in loaded if h[2] <= table < h[2] + h[5]), 0)
    return Image(entry, segments, home, size, count)
