"""Stack size of a RISC-V function, found from the instructions that lower the stack pointer.

Encodings: The RISC-V Instruction Set Manual, volume I, chapters RV32I and "C" extension.
"""

from __future__ import annotations

import struct

_SP = 2


def riscv_frame(code: bytes, name: str) -> int:
    """Return by how many bytes a function lowers the stack pointer, without its callees.

    Args:
        code: its instructions, RV32 with or without compressed ones.
        name: for messages.

    Raises:
        AssertionError: it changes the stack pointer in an unknown way.
    """
    total, at = 0, 0
    constants: dict[int, int] = {}
    while at < len(code):
        (word,) = struct.unpack_from("<H", code, at)
        if word & 3 != 3:
            total += _compressed(word, constants)
            at += 2
            continue
        (word,) = struct.unpack_from("<I", code, at)
        total += _full(word, constants, name)
        at += 4
    return total


def _full(word: int, constants: dict[int, int], name: str) -> int:
    opcode, to, source = word & 0x7F, word >> 7 & 31, word >> 15 & 31
    immediate = _signed(word >> 20, 12)
    if opcode == 0x37:  # lui
        constants[to] = _signed(word >> 12, 20) << 12
        return 0
    add, align = word & 0x707F == 0x13, word & 0x707F == 0x7013  # addi, andi
    if add and to != _SP and (source == to or not source):
        constants[to] = constants.get(source, 0) + immediate
    if to != _SP or opcode not in (0x13, 0x33):
        return 0
    if add:
        return max(-immediate, 0) if source == _SP else 0  # from another register: it is restored
    if align and source == _SP and immediate < 0:
        return -immediate - 1
    other = word >> 20 & 31
    if source == _SP and other in constants and word & 0xFE007000 in (0, 0x4000_0000):
        lowered = constants[other] if word >> 30 else -constants[other]  # sub, add
        return max(lowered, 0)
    raise AssertionError(f"{name} moves the stack pointer in an unknown way")


def _compressed(word: int, constants: dict[int, int]) -> int:
    quadrant, operation, to = word & 3, word >> 13, word >> 7 & 31
    small = _signed((word >> 12 & 1) << 5 | word >> 2 & 31, 6)
    if quadrant != 1:
        return 0
    if operation == 3 and to == _SP:  # c.addi16sp
        bits = (word >> 12 & 1) << 9 | (word >> 6 & 1) << 4 | (word >> 5 & 1) << 6
        return max(-_signed(bits | (word >> 3 & 3) << 7 | (word >> 2 & 1) << 5, 10), 0)
    if operation == 3:  # c.lui
        constants[to] = small << 12
    elif operation == 2:  # c.li
        constants[to] = small
    elif operation == 0 and to == _SP:  # c.addi
        return max(-small, 0)
    elif operation == 0 and to in constants:
        constants[to] += small
    return 0


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (value >> bits - 1 << bits)
