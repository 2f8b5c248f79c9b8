"""The instructions of the feature i8mm, which unicorn does not know.

unicorn stops at them as undefined; then they are carried out here, one at a time.  Slow, but small
networks for cores with i8mm run wherever pip brings unicorn.  Where only the way through a program
matters and not its results, instructions that unicorn knows can stand in for them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from unicorn import arm64_const as arm

UNDEFINED = 1
"""unicorn's number for the exception of an undefined instruction."""

_MATRIX = {0x4E80A400: ("i1", "i1"), 0x6E80A400: ("u1", "u1"), 0x4E80AC00: ("u1", "i1")}
"""SMMLA, UMMLA, USMMLA without their registers: types of the two factors."""
_DOT = {0x4E809C00: ("u1", "i1")}
"""USDOT by vectors."""
_STAND_IN = 0x4E809400  # SDOT by vectors, which has the same fields for registers
_WITHOUT_REGISTERS = 0xFFE0FC00


def execute(machine: Any, code: bytes) -> bool:
    """Carry out an instruction of i8mm.

    Args:
        machine: stopped at the instruction; its vector registers change.
        code: the instruction's four bytes.

    Returns:
        False if it is none of them: nothing has happened.
    """
    word = int.from_bytes(code, "little")
    kind = word & _WITHOUT_REGISTERS
    if kind not in _MATRIX and kind not in _DOT:
        return False
    out, n, m = (arm.UC_ARM64_REG_Q0 + (word >> place & 31) for place in (0, 5, 16))
    total = _read(machine, out, "i4")
    first, second = (_MATRIX | _DOT)[kind]
    a, b = _read(machine, n, first).astype("i4"), _read(machine, m, second).astype("i4")
    if kind in _MATRIX:
        total = total + (a.reshape(2, 8) @ b.reshape(2, 8).T).ravel()
    else:
        total = total + (a * b).reshape(4, 4).sum(axis=1, dtype="i4")
    machine.reg_write(out, int.from_bytes(total.astype("<i4").tobytes(), "little"))
    return True


def stand_ins(code: bytes) -> bytes:
    """AArch64 code of the same length with dot products in place of the instructions of i8mm: as
    many instructions, between the same registers, but other sums."""
    words = np.frombuffer(code, "<u4").copy()
    lacking = np.isin(words & _WITHOUT_REGISTERS, [*_MATRIX, *_DOT])
    words[lacking] = words[lacking] & ~np.uint32(_WITHOUT_REGISTERS) | np.uint32(_STAND_IN)
    return words.tobytes()


def _read(machine: Any, register: int, kind: str) -> Any:
    return np.frombuffer(int(machine.reg_read(register)).to_bytes(16, "little"), f"<{kind}")
