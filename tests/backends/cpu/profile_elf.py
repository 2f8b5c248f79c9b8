"""Object files, executables' segments and archives, written byte by byte for tests."""

from __future__ import annotations

import struct
from collections.abc import Sequence

Symbol = tuple[str, int, int, int, int]
"""Name, type, section, value, size."""

TEXT, OTHER = 1, 2
FUNCTION, OBJECT = 2, 1
_HEADERS = {32: "<IIIIIIIIII", 64: "<IIQQQQIIQQ"}


def object_file(
    bits: int, code: bytes, symbols: Sequence[Symbol], relocated: Sequence[int] = ()
) -> bytes:
    """Return an ELF object: sections of code (1 and 2, the same bytes), symbols, names,
    relocations of section 1 with (64) or without (32) addends, and one of section 2 at offset 0.
    """
    wide = bits == 64
    names, table = b"\0", bytes(24 if wide else 16)
    for name, kind, section, value, size in symbols:
        at, info = len(names), 1 << 4 | kind
        names += name.encode() + b"\0"
        table += (
            struct.pack("<IBBHQQ", at, info, 0, section, value, size)
            if wide
            else struct.pack("<IIIBBH", at, value, size, info, 0, section)
        )
    each = 24 if wide else 8
    entry = "<QQq" if wide else "<II"
    fields = (0, 0) if wide else (0,)
    moved = b"".join(struct.pack(entry, place, *fields) for place in relocated)
    other = struct.pack(entry, 0, *fields)
    parts = (b"", code, code, table, names, moved, other)
    kinds = (0, 1, 1, 2, 3, 4 if wide else 9, 4 if wide else 9)
    start = 64 if wide else 52
    offsets = [start + sum(map(len, parts[:k])) for k in range(len(parts))]
    sections = b""
    for k, (kind, at, part) in enumerate(zip(kinds, offsets, parts, strict=True)):
        link, info = {3: (4, 0), 5: (3, TEXT), 6: (3, OTHER)}.get(k, (0, 0))
        size = {3: 24 if wide else 16, 5: each, 6: each}.get(k, 0)
        sections += struct.pack(_HEADERS[bits], 0, kind, 0, 0, at, len(part), link, info, 1, size)
    header = bytearray(start)
    header[:6] = b"\x7fELF" + bytes([2 if wide else 1, 1])
    after = start + sum(map(len, parts))
    struct.pack_into("<Q" if wide else "<I", header, 40 if wide else 32, after)
    struct.pack_into("<HH", header, 58 if wide else 46, 64 if wide else 40, len(parts))
    return bytes(header) + b"".join(parts) + sections


def archive(*members: tuple[str, bytes]) -> bytes:
    """Return a static library; names beyond 15 letters precede the content, as BSD writes them."""
    out = b"!<arch>\n"
    for name, content in members:
        given = name
        if len(name) > 15:
            given, content = f"#1/{len(name)}", name.encode() + content
        out += f"{given:16}{0:<12}{0:<6}{0:<6}{644:<8}{len(content):<10}`\n".encode()
        out += content + b"\n" * (len(content) % 2)
    return out
