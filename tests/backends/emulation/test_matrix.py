"""The i8mm instructions that are carried out in Python, against their definition."""

from __future__ import annotations

import numpy as np
import pytest

unicorn = pytest.importorskip("unicorn")


class Registers:
    """The part of an emulator that the instructions use."""

    def __init__(self, **values: np.ndarray) -> None:
        from unicorn import arm64_const as arm

        self.first = arm.UC_ARM64_REG_Q0
        self.values = {
            self.first + int(n[1:]): int.from_bytes(v.tobytes(), "little")
            for n, v in values.items()
        }

    def reg_read(self, register: int) -> int:
        return self.values[register]

    def reg_write(self, register: int, value: int) -> None:
        self.values[register] = value

    def vector(self, number: int) -> np.ndarray:
        return np.frombuffer(self.values[self.first + number].to_bytes(16, "little"), "<i4")


@pytest.mark.parametrize(
    ("word", "left", "right"),
    [
        (0x4E80A400, "i1", "i1"),
        (0x6E80A400, "u1", "u1"),
        (0x4E80AC00, "u1", "i1"),
    ],
)
def test_matrix_products(word: int, left: str, right: str) -> None:
    from n2uqc.backends.emulation.matrix import execute

    rng = np.random.default_rng(word)
    raw = rng.integers(0, 256, (2, 16), dtype=np.uint8)
    c = rng.integers(-(1 << 31), 1 << 31, 4, dtype=np.int64).astype("<i4")
    machine = Registers(q3=c, q7=raw[0], q31=raw[1])
    code = word | 31 << 16 | 7 << 5 | 3
    assert execute(machine, code.to_bytes(4, "little"))
    a, b = (raw[k].view(t).astype(np.int64).reshape(2, 8) for k, t in enumerate((left, right)))
    expected = (c.reshape(2, 2) + a @ b.T).astype("<i4")  # wraps, as the instruction does
    np.testing.assert_array_equal(machine.vector(3), expected.ravel())


def test_stand_ins_keep_their_registers() -> None:
    from n2uqc.backends.emulation.matrix import stand_ins

    registers = 31 << 16 | 7 << 5 | 3
    add = 0x4E208400 | registers
    lacking = [0x4E80A400, 0x6E80A400, 0x4E80AC00, 0x4E809C00]
    code = np.array([add, *(word | registers for word in lacking)], "<u4")
    given = np.frombuffer(stand_ins(code.tobytes()), "<u4")
    assert given.tolist() == [add] + [0x4E809400 | registers] * len(lacking)


def test_other_instructions_are_left_alone() -> None:
    from n2uqc.backends.emulation.matrix import execute

    assert not execute(Registers(), (0x4E829420).to_bytes(4, "little"))  # sdot: unicorn knows it
    assert not execute(Registers(), bytes(4))


def test_usdot() -> None:
    from n2uqc.backends.emulation.matrix import execute

    raw = np.random.default_rng(1).integers(0, 256, (2, 16), dtype=np.uint8)
    machine = Registers(q0=np.arange(4, dtype="<i4"), q1=raw[0], q2=raw[1])
    assert execute(machine, (0x4E829C20).to_bytes(4, "little"))
    products = raw[0].astype(np.int64) * raw[1].view("i1")
    np.testing.assert_array_equal(machine.vector(0), np.arange(4) + products.reshape(4, 4).sum(1))
