"""The instructions of AArch64's feature i8mm, which unicorn does not emulate.

unicorn stops at them as undefined, and they are carried out here one at a time. This is slow, but
sufficient for small networks. To count instructions without the right results, they can be replaced
by instructions that unicorn emulates.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from unicorn import arm64_const as arm

UNDEFINED = 1
"""unicorn's exception number of an undefined instruction."""

_MATRIX = {0x4E80A400: ("i1", "i1"), 0x6E80A400: ("u1", "u1"), 0x4E80AC00: ("u1", "i1")}
"""Types of the two factors of SMMLA, UMMLA and USMMLA, by encoding without registers."""
_DOT = {0x4E809C00: ("u1", "i1")}
"""Types of the two factors of USDOT (vector form), by encoding without registers."""
_STAND_IN = 0x4E809400  # SDOT (vector form), which has the same register fields
_WITHOUT_REGISTERS = 0xFFE0FC00


def execute(machine: Any, code: bytes) -> bool:
    """Carry out an instruction of i8mm.

    Args:
        machine: the machine, stopped at the instruction; its vector registers are changed.
        code: the instruction's four bytes.

    Returns:
        False if it is no such instruction; the machine is then unchanged.
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
    """Replace the instructions of i8mm by dot products: as many, on the same registers,
    with other results.
    """
    words = np.frombuffer(code, "<u4").copy()
    lacking = np.isin(words & _WITHOUT_REGISTERS, [*_MATRIX, *_DOT])
    words[lacking] = words[lacking] & ~np.uint32(_WITHOUT_REGISTERS) | np.uint32(_STAND_IN)
    return words.tobytes()


def _read(machine: Any, register: int, kind: str) -> Any:
    return np.frombuffer(int(machine.reg_read(register)).to_bytes(16, "little"), f"<{kind}")
