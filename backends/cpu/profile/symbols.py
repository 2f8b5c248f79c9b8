"""Addresses of the functions of a static library in an executable linked with it.

Executables are linked without symbols; libraries have them. A linker places an object's code as a
whole and changes only the words that hold addresses, which the object's relocations list. So a
piece of code without such words shows where the code was placed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from n2uqc.frontend.diagnostics import CompileError

_SYMBOLS, _FUNCTION = 2, 2
_STRETCH = 64  # bytes of code that are searched for at once
_ALIKE = 0.99  # share of equal words: some linkers work around processor errata
_RELOCATIONS = 4, 9  # types of relocation sections: with and without addends
_HEADERS = {1: ("<IIIIIIIIII", 32, 46), 2: ("<IIQQQQIIQQ", 40, 58)}
_SYMBOL = {1: "<IIIBBH", 2: "<IBBHQQ"}


@dataclass(frozen=True)
class CompiledFunction:
    """A function in memory: name, first address, bytes."""

    name: str
    address: int
    size: int


@dataclass(frozen=True)
class ObjectCode:
    """The section of an object that holds its functions.

    Attributes:
        content: its bytes.
        functions: (name, offset, size), in order of their offsets.
        relocated: indices of the 4-byte words that the linker changes.
    """

    content: bytes
    functions: tuple[tuple[str, int, int], ...]
    relocated: frozenset[int]


def locate(
    library: bytes, segments: Sequence[tuple[int, bytes, int]]
) -> tuple[CompiledFunction, ...]:
    """Return the functions of a library's first object, with their addresses in an executable.

    Args:
        library: a static library (``ar`` archive).
        segments: segments of the executable: (address, bytes, size in memory).

    Raises:
        CompileError: the executable was not linked with this library.
    """
    code = code_of(_first_member(library))
    for start in range(0, len(code.content) - _STRETCH, _STRETCH):
        stretch = code.content[start : start + _STRETCH]
        for address, data, _ in segments:
            place = data.find(stretch)
            if place < 0 or data.find(stretch, place + 1) >= 0 or place < start:
                continue
            if _alike(code, data[place - start :]):
                base = address + place - start
                return tuple(CompiledFunction(n, base + at, size) for n, at, size in code.functions)
    raise CompileError("the executable does not hold the code of its library; compile it again")


def _alike(code: ObjectCode, linked: bytes) -> bool:
    """Return whether linked code differs from an object's code only where the linker changes it."""
    words = len(code.content) // 4
    if len(linked) < len(code.content):
        return False
    before, after = (struct.unpack_from(f"<{words}I", text) for text in (code.content, linked))
    kept = [k for k in range(words) if k not in code.relocated]
    same: int = sum(before[k] == after[k] for k in kept)
    return same >= _ALIKE * len(kept)


def _first_member(library: bytes) -> bytes:
    """Return the first object of an archive; members that are no ELF files are for the linker."""
    place = 8
    while library[:8] == b"!<arch>\n" and place + 60 <= len(library):
        size = int(library[place + 48 : place + 58])
        start = place + 60
        long_name = library[place : place + 3] == b"#1/"  # BSD: the name precedes the content
        content = library[start : start + size]
        if long_name:
            content = content[int(library[place + 3 : place + 16]) :]
        if content[:4] == b"\x7fELF":
            return content
        place = start + size + size % 2
    raise CompileError("not a static library")


def code_of(elf: bytes) -> ObjectCode:
    """Return the section of an object that has the most functions."""
    layout, offset_at, count_at = _HEADERS[elf[4]]
    table = struct.unpack_from("<Q" if elf[4] == 2 else "<I", elf, offset_at)[0]
    size, count = struct.unpack_from("<HH", elf, count_at)
    sections = [struct.unpack_from(layout, elf, table + k * size) for k in range(count)]
    symbols = next(s for s in sections if s[1] == _SYMBOLS)
    names = sections[symbols[6]][4]
    by_section: dict[int, list[tuple[str, int, int]]] = {}
    for raw in struct.iter_unpack(_SYMBOL[elf[4]], elf[symbols[4] : symbols[4] + symbols[5]]):
        name_at, info, section, value, length = (
            (raw[0], raw[1], raw[3], raw[4], raw[5])
            if elf[4] == 2
            else (raw[0], raw[3], raw[5], raw[1] & ~1, raw[2])  # the lowest bit marks Thumb code
        )
        if info & 15 == _FUNCTION and 0 < section < count:
            start = names + name_at
            name = elf[start : elf.index(b"\0", start)].decode()
            by_section.setdefault(section, []).append((name, value, length))
    section, functions = max(by_section.items(), key=lambda item: len(item[1]))
    content = elf[sections[section][4] : sections[section][4] + sections[section][5]]
    relocated = {
        place // 4
        for s in sections
        if s[1] in _RELOCATIONS and s[7] == section
        for first in _offsets(elf, s)
        for place in (first, first + 3)
    }
    ordered = tuple(sorted(functions, key=lambda f: f[1]))
    return ObjectCode(content, ordered, frozenset(relocated))


def _offsets(elf: bytes, section: Sequence[int]) -> list[int]:
    """Return the offsets in their section that the relocations of an ELF section apply to."""
    word = "<Q" if elf[4] == 2 else "<I"
    start, size, each = section[4], section[5], section[9]
    return [struct.unpack_from(word, elf, at)[0] for at in range(start, start + size, each)]
