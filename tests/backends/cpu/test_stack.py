"""Stack sizes of Thumb functions whose instructions are written out, as GNU as encodes them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import pytest

from n2uqc.backends.cpu.stack import frames

Part = tuple[str, Sequence[int]]
"""``$t`` for instructions or ``$d`` for data, as halfwords."""

RETURN = 0x4770  # bx lr
LOWERED: Mapping[str, tuple[int, list[int]]] = {
    "nothing": (0, [0x2000, 0xF101, 0x0001, RETURN]),  # movs r0, #0; add.w r0, r1, #1
    "push and subtract": (16 + 24, [0xB570, 0xB086, 0xB006, 0xBD70]),  # {r4-r6, lr}, and back
    "wide push": (36, [0xE92D, 0x4FF0]),  # {r4-r11, lr}
    "push of one": (4, [0xF84D, 0x0D04]),  # str r0, [sp, #-4]!
    "push of two": (16, [0xE96D, 0x4504]),  # strd r4, r5, [sp, #-16]!
    "floating point": (24 + 4, [0xED2D, 0x8B06, 0xED2D, 0x8A01]),  # vpush {d8-d10}, {s16}
    "a byte": (168, [0xF1AD, 0x0DA8]),  # sub.w sp, sp, #168
    "two bytes": (0x10001, [0xF1AD, 0x1D01]),
    "the upper ones": (0x02000200, [0xF1AD, 0x2D02]),
    "four bytes": (0x01010101, [0xF1AD, 0x3D01]),
    "a rotated byte": (0x8200, [0xF5AD, 0x4D02]),
    "twelve bits": (1100, [0xF2AD, 0x4D4C]),  # subw sp, sp, #1100
    "all twelve bits": (2052, [0xF6AD, 0x0D04]),
    "by a register": (0x5ACC, [0xF645, 0x2CCC, 0xEBAD, 0x0D0C]),  # movw ip; sub.w sp, sp, ip
    "aligned": (7, [0x466C, 0xF36F, 0x0402, 0x46A5]),  # mov r4, sp; bfc r4, #0, #3; mov sp, r4
    "cleared bits": (0, [0x466C, 0xF36F, 0x0402, RETURN]),  # of a number that is no stack pointer
}


def thumb(functions: Mapping[str, Sequence[Part]]) -> bytes:
    """A relocatable object with these functions, each from a multiple of 4 on."""
    names, text, symbols = bytearray(b"\0"), bytearray(), [struct.pack("<IIIBBH", *[0] * 6)]

    def add(name: str, value: int, size: int, info: int) -> None:
        symbols.append(struct.pack("<IIIBBH", len(names), value, size, info, 0, 1))
        names.extend(name.encode() + b"\0")

    for name, parts in functions.items():
        begin = len(text)
        for mark, halfwords in parts:
            add(mark, len(text), 0, 0)
            text.extend(struct.pack(f"<{len(halfwords)}H", *halfwords))
        add(name, begin | 1, len(text) - begin, 2)  # the lowest bit marks Thumb code
        text.extend(bytes(-len(text) % 4))
    contents = [b"", bytes(text), b"".join(symbols), bytes(names)]
    heads, at = [], 52
    for kind, link, content in zip((0, 1, 2, 3), (0, 0, 3, 0), contents, strict=True):
        heads.append(struct.pack("<10I", 0, kind, 0, 0, at, len(content), link, 0, 4, 0))
        at += len(content)
    head = b"\x7fELF".ljust(32, b"\0") + struct.pack("<I12xH2x", at, len(heads))
    return b"".join([head.ljust(52, b"\0"), *contents, *heads])


def words(*values: int) -> list[int]:
    """Numbers of 32 bits as halfwords."""
    return [half for value in values for half in struct.unpack("<2H", struct.pack("<i", value))]


def test_each_way_to_lower_the_stack_pointer() -> None:
    functions = {name: [("$t", code)] for name, (_, code) in LOWERED.items()}
    assert frames(thumb(functions)) == {name: size for name, (size, _) in LOWERED.items()}


def test_constants_after_the_code() -> None:
    """``ldr r3, [pc, #]; add sp, r3`` at both places within a word, and what puts it back."""
    found = frames(
        thumb(
            {
                "first": [("$t", [0x4B01, 0x449D, 0x2000, RETURN]), ("$d", words(-1608))],
                "second": [("$t", [0x2000, 0x4D01, 0x44AD, RETURN]), ("$d", words(-4104))],
                "twice": [("$t", [0x4D02, 0x44AD, 0x4B02, 0x449D, 0x2000, RETURN]),
                          ("$d", words(-520, 520))],
            }
        )
    )  # fmt: skip
    assert found == {"first": 1608, "second": 4104, "twice": 520}


def test_data_between_instructions_is_not_read_as_such() -> None:
    push = [0xB570]
    table = [("$t", push), ("$d", push * 3), ("$t", [0xB086, RETURN]), ("$d", push * 2)]
    assert frames(thumb({"before": [("$t", push)], "table": table, "behind": [("$t", push)]})) == {
        "before": 16,
        "table": 40,
        "behind": 16,
    }


@pytest.mark.parametrize(
    "code", [[0x449D], [0xEBAD, 0x0D03], [0xF645, 0x2CCC, 0xEBAD, 0x0D8C]]
)  # add sp, r3; sub.w sp, sp, r3; sub.w sp, sp, ip, lsl #2
def test_what_cannot_be_told_is_said(code: list[int]) -> None:
    with pytest.raises(AssertionError, match="odd moves the stack pointer in an unknown way"):
        frames(thumb({"odd": [("$t", [*code, RETURN])]}))
