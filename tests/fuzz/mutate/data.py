"""Damage of bytes and of lines of text, whatever they mean."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

EDGES = (0, 1, 2, 7, 8, 9, 10, 0x12, 0x7F, 0x80, 0xFE, 0xFF)
NUMBERS = (
    "0 1 -1 2 3 7 8 -2 31 32 33 63 64 65 127 128 255 256 32767 65535 2147483647 2147483648 "
    "-2147483648 9223372036854775807 9223372036854775808 -9223372036854775809 1e400 nan inf "
    "1/0 1/3 -1/7 0.5 1e308 1/100000000000000000000000000000 " + "9" * 40
).split()
WORDS = ("", "x", "ghost", "%x", "@c0", "null", "true", "[]", "{}", '"', "\\", "é", "\u202e", "\0")


def damaged(data: bytes, source: random.Random, other: bytes = b"") -> bytes:
    """Return a few changes anywhere; ``other`` gives pieces to put in."""
    found = bytearray(data)
    for _ in range(source.choice((1, 1, 1, 2, 3, 8))):
        source.choice(_BYTES)(found, source, other)
    return bytes(found)


def _at(found: bytearray, source: random.Random) -> int:
    return source.randrange(len(found)) if found else 0


def _set(found: bytearray, source: random.Random, other: bytes) -> None:
    if found:
        found[_at(found, source)] = source.choice((source.choice(EDGES), source.randrange(256)))


def _flip(found: bytearray, source: random.Random, other: bytes) -> None:
    if found:
        found[_at(found, source)] ^= 1 << source.randrange(8)


def _insert(found: bytearray, source: random.Random, other: bytes) -> None:
    place = _at(found, source)
    found[place:place] = source.randbytes(source.choice((1, 1, 2, 5, 40)))


def _remove(found: bytearray, source: random.Random, other: bytes) -> None:
    place = _at(found, source)
    del found[place : place + source.choice((1, 1, 2, 4, 8, 100))]


def _cut(found: bytearray, source: random.Random, other: bytes) -> None:
    del found[_at(found, source) :]


def _repeat(found: bytearray, source: random.Random, other: bytes) -> None:
    place, size = _at(found, source), source.choice((1, 4, 16, 64, 300))
    found[place:place] = found[place : place + size]


def _splice(found: bytearray, source: random.Random, other: bytes) -> None:
    if other:
        start, place = source.randrange(len(other)), _at(found, source)
        size = source.choice((4, 16, 64, 300))
        found[place : place + source.choice((0, size))] = other[start : start + size]


_Bytes = Callable[[bytearray, random.Random, bytes], None]
_BYTES: Sequence[_Bytes] = (
    _set,
    _set,
    _set,
    _flip,
    _flip,
    _insert,
    _remove,
    _cut,
    _repeat,
    _splice,
)


def damaged_text(text: str, source: random.Random) -> str:
    """Return a few changes of lines, numbers and words: most of it stays readable."""
    lines = text.split("\n")
    for _ in range(source.choice((1, 1, 1, 2, 3))):
        source.choice(_LINES)(lines, source)
    return "\n".join(lines)


_Lines = Callable[[list[str], random.Random], None]


def _number(lines: list[str], source: random.Random) -> None:
    """Another number in the place of one."""
    places = [(k, m) for k, line in enumerate(lines) for m in re.finditer(r"-?\d+", line)]
    if places:
        k, m = source.choice(places)
        near = str(int(m[0]) + source.choice((-1, 1))) if len(m[0]) < 19 else "0"
        new = source.choice((near, near, source.choice(NUMBERS)))
        lines[k] = lines[k][: m.start()] + new + lines[k][m.end() :]


def _word(lines: list[str], source: random.Random) -> None:
    """A word of another line, or a strange one."""
    places = [(k, m) for k, line in enumerate(lines) for m in re.finditer(r"[\w.%@]+", line)]
    if places:
        (k, m), (_, other) = source.choice(places), source.choice(places)
        new = source.choice((other[0], other[0], source.choice(WORDS)))
        lines[k] = lines[k][: m.start()] + new + lines[k][m.end() :]


def _drop(lines: list[str], source: random.Random) -> None:
    if lines:
        del lines[source.randrange(len(lines))]


def _double(lines: list[str], source: random.Random) -> None:
    if lines:
        lines.insert(source.randrange(len(lines) + 1), source.choice(lines))


def _swap(lines: list[str], source: random.Random) -> None:
    if lines:
        a, b = source.randrange(len(lines)), source.randrange(len(lines))
        lines[a], lines[b] = lines[b], lines[a]


def _letters(lines: list[str], source: random.Random) -> None:
    if lines:
        k = source.randrange(len(lines))
        lines[k] = damaged(lines[k].encode(), source).decode("utf-8", "replace")


_LINES: Sequence[_Lines] = (
    _number,
    _number,
    _number,
    _word,
    _word,
    _drop,
    _double,
    _swap,
    _letters,
)
