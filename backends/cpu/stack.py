"""Stack size of functions, found from the instructions that change the stack pointer.

Encodings of Thumb: Armv7-M Architecture Reference Manual, chapter A7. RISC-V: ``stack_riscv.py``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ..cross import CROSS
from .stack_riscv import riscv_frame

_SYMBOLS, _FUNCTION = 2, 2


@dataclass(frozen=True)
class _Symbol:
    name: str
    value: int
    size: int
    kind: int
    section: int


def frames(data: bytes) -> dict[str, int]:
    """Return the bytes of stack of each function of a Thumb or RISC-V object, without its callees.

    Args:
        data: a relocatable 32-bit ELF file.

    Raises:
        AssertionError: a function changes the stack pointer in an unknown way.
    """
    (table,) = struct.unpack_from("<I", data, 32)
    machine, count = (struct.unpack_from("<H", data, at)[0] for at in (18, 48))
    sections = [struct.unpack_from("<IIIIIIIIII", data, table + 40 * k) for k in range(count)]
    listed = next(s for s in sections if s[1] == _SYMBOLS)
    symbols = list(_read_symbols(data, listed, sections[listed[6]]))
    sizes = {}
    for symbol in symbols:
        if symbol.kind != _FUNCTION or not symbol.size:
            continue
        if machine == CROSS["riscv32"].elf:
            begin = sections[symbol.section][4] + symbol.value
            sizes[symbol.name] = riscv_frame(data[begin : begin + symbol.size], symbol.name)
            continue
        first = symbol.value & ~1
        marks = sorted(
            (s.value, s.name[:2])
            for s in symbols
            if s.section == symbol.section and s.name[:2] in ("$d", "$t")
        )
        place = sections[symbol.section][4]
        sizes[symbol.name] = sum(
            _frame(data[place:], begin, end, symbol.name)
            for begin, end in _code_only(first, first + symbol.size, marks)
        )
    return sizes


def _read_symbols(data: bytes, listed: tuple[int, ...], names: tuple[int, ...]) -> list[_Symbol]:
    symbols = []
    for at in range(listed[4], listed[4] + listed[5], 16):
        name, value, size, info, _, section = struct.unpack_from("<IIIBBH", data, at)
        start = names[4] + name
        text = data[start : data.index(b"\0", start)].decode()
        symbols.append(_Symbol(text, value, size, info & 15, section))
    return symbols


def _code_only(first: int, last: int, marks: list[tuple[int, str]]) -> list[tuple[int, int]]:
    """Return the parts of [first, last) that mapping symbols mark as instructions."""
    parts, begin, code = [], first, True
    for place, mark in [*marks, (last, "$t")]:
        if not first < place <= last:
            code = code if place > first else mark == "$t"
            continue
        if code:
            parts.append((begin, place))
        begin, code = place, mark == "$t"
    return parts


def _frame(section: bytes, begin: int, end: int, name: str) -> int:
    """Return by how many bytes the instructions in [begin, end) lower the stack pointer."""
    words = struct.unpack_from(f"<{(end - begin) // 2}H", section, begin)
    total, at = 0, 0
    constants: dict[int, int] = {}
    while at < len(words):
        first = words[at]
        if first >> 11 not in (0b11101, 0b11110, 0b11111) or at + 1 == len(words):
            if first >> 11 == 0b01001:  # ldr of a constant after the code
                here = (begin + 2 * at + 4) // 4 * 4 + 4 * (first & 0xFF)
                (constants[first >> 8 & 7],) = struct.unpack_from("<i", section, here)
            if first & 0xFF87 == 0x4485:  # add sp, register: a negative number lowers it
                if (first >> 3 & 15) not in constants:
                    raise AssertionError(f"{name} moves the stack pointer in an unknown way")
                total += max(-constants[first >> 3 & 15], 0)
            total += _narrow(first)
            at += 1
            continue
        second = words[at + 1]
        at += 2
        if first & 0xFBF0 == 0xF240:  # movw
            imm16 = (first & 15) << 12 | (first >> 10 & 1) << 11 | (second >> 12 & 7) << 8
            constants[second >> 8 & 15] = imm16 | second & 0xFF
        if first == 0xEBAD and second & 0x0F00 == 0x0D00:  # sub sp, sp, register
            if second & 0xF0F0 or (second & 15) not in constants:
                raise AssertionError(f"{name} moves the stack pointer in an unknown way")
            total += constants[second & 15]
        total += _wide(first, second)
        if (
            (first, second & 0x70E0) == (0xF36F, 0)
            and words[at : at + 1]
            and words[at] & 0xFF87 == 0x4685
        ):
            total += (1 << (second & 31) + 1) - 1  # bfc before mov to sp: aligns it downward
    return total


def _narrow(word: int) -> int:
    if word & 0xFE00 == 0xB400:  # push
        return 4 * (word & 0x1FF).bit_count()
    if word & 0xFF80 == 0xB080:  # sub sp, sp, #
        return 4 * (word & 0x7F)
    return 0


def _wide(first: int, second: int) -> int:
    if first == 0xE92D:  # push
        return 4 * second.bit_count()
    if first == 0xF84D and second & 0x0FFF == 0x0D04:  # push of one register
        return 4
    if first == 0xED2D and second & 0x0E00 == 0x0A00:  # vpush
        return 4 * (second & 0xFF)
    if first == 0xE96D:  # strd with the stack pointer lowered
        return 4 * (second & 0xFF)
    immediate = (first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | second & 0xFF
    if first & 0xFBFF == 0xF1AD and second & 0x8F00 == 0x0D00:  # sub.w sp, sp, #
        return _expanded(immediate)
    if first & 0xFBFF == 0xF2AD and second & 0x8F00 == 0x0D00:  # subw sp, sp, #
        return immediate
    return 0


def _expanded(immediate: int) -> int:
    """ThumbExpandImm."""
    low = immediate & 0xFF
    if immediate >> 10:
        shift = immediate >> 7
        value = 0x80 | immediate & 0x7F
        return (value >> shift | value << (32 - shift)) & 0xFFFF_FFFF
    return (low, low << 16 | low, low << 24 | low << 8, low * 0x01010101)[immediate >> 8]
