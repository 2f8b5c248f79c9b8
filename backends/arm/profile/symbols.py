"""Where the functions of a static library lie in an executable linked with it.

Executables are linked without symbols; their libraries keep them.  A linker moves an object's code
as a whole and changes only the words that hold addresses, so a stretch of code without such words
shows where it went.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from n2uqc.frontend.diagnostics import CompileError

_SYMBOLS, _FUNCTION = 2, 2
_STRETCH = 64  # bytes of code that are looked for at once
_ALIKE = 0.9  # of the words of an object, the least share that a linker leaves as they were
_HEADERS = {1: ("<IIIIIIIIII", 32, 46), 2: ("<IIQQQQIIQQ", 40, 58)}
_SYMBOL = {1: "<IIIBBH", 2: "<IBBHQQ"}


@dataclass(frozen=True)
class Function:
    """A function in memory: name, first address, bytes."""

    name: str
    address: int
    size: int


@dataclass(frozen=True)
class _Code:
    """The section of an object that holds its functions."""

    content: bytes
    functions: tuple[tuple[str, int, int], ...]


def locate(library: bytes, segments: Sequence[tuple[int, bytes, int]]) -> tuple[Function, ...]:
    """The functions of a library's first object, at their addresses in an executable.

    Args:
        library: a static library (``ar`` archive).
        segments: of the executable: (address, bytes, size in memory).

    Raises:
        CompileError: the executable was not linked with this library.
    """
    code = _code_of(_first_member(library))
    for start in range(0, len(code.content) - _STRETCH, _STRETCH):
        stretch = code.content[start : start + _STRETCH]
        for address, data, _ in segments:
            place = data.find(stretch)
            if place < 0 or data.find(stretch, place + 1) >= 0 or place < start:
                continue
            if _alike(code.content, data[place - start :]):
                base = address + place - start
                return tuple(Function(n, base + at, size) for n, at, size in code.functions)
    raise CompileError("the executable does not hold the code of its library; compile it again")


def _alike(code: bytes, linked: bytes) -> bool:
    pairs = zip(struct.iter_unpack("<I", code[: len(code) // 4 * 4]),
                struct.iter_unpack("<I", linked[: len(linked) // 4 * 4]), strict=False)
    same = sum(a == b for a, b in pairs)
    return len(linked) >= len(code) and same >= _ALIKE * (len(code) // 4)


def _first_member(library: bytes) -> bytes:
    """The first object of an archive: members that are no ELF files are the linker's own."""
    place = 8
    while library[:8] == b"!<arch>\n" and place + 60 <= len(library):
        size = int(library[place + 48 : place + 58])
        start = place + 60
        long_name = library[place : place + 3] == b"#1/"  # BSD: the name stands before the content
        content = library[start : start + size]
        if long_name:
            content = content[int(library[place + 3 : place + 16]) :]
        if content[:4] == b"\x7fELF":
            return content
        place = start + size + size % 2
    raise CompileError("not a static library")


def _code_of(elf: bytes) -> _Code:
    """The functions of an object: (name, offset, size), in order of their offsets."""
    layout, offset_at, count_at = _HEADERS[elf[4]]
    table = struct.unpack_from("<Q" if elf[4] == 2 else "<I", elf, offset_at)[0]
    size, count = struct.unpack_from("<HH", elf, count_at)
    sections = [struct.unpack_from(layout, elf, table + k * size) for k in range(count)]
    symbols = next(s for s in sections if s[1] == _SYMBOLS)
    names = sections[symbols[6]][4]
    found: dict[int, list[tuple[str, int, int]]] = {}
    for raw in struct.iter_unpack(_SYMBOL[elf[4]], elf[symbols[4] : symbols[4] + symbols[5]]):
        name_at, info, section, value, length = (
            (raw[0], raw[1], raw[3], raw[4], raw[5]) if elf[4] == 2
            else (raw[0], raw[3], raw[5], raw[1] & ~1, raw[2])  # the lowest bit marks Thumb code
        )
        if info & 15 == _FUNCTION and 0 < section < count:
            start = names + name_at
            name = elf[start : elf.index(b"\0", start)].decode()
            found.setdefault(section, []).append((name, value, length))
    section, functions = max(found.items(), key=lambda item: len(item[1]))
    content = elf[sections[section][4] : sections[section][4] + sections[section][5]]
    return _Code(content, tuple(sorted(functions, key=lambda f: f[1])))
