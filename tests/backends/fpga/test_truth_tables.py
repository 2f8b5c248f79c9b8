"""Functions of truth tables: which are made, on what they depend, what a register's reset does."""

from __future__ import annotations

from n2uqc.backends.fpga.hdl.truth_tables import Function, functions, has_wires, luts

INDEX = range(8)
PARITY = [(k ^ k >> 1 ^ k >> 2) & 1 for k in INDEX]
MAJORITY = [int(k.bit_count() > 1) for k in INDEX]
BOTH_LOW = [k & k >> 1 & 1 for k in INDEX]
WHERE_SET = [k >> 2 & (k & 1) for k in INDEX]
WHERE_CLEAR = [1 - (k >> 2 & 1) * (k >> 1 & 1) for k in INDEX]
WIRE = [k >> 2 & 1 for k in INDEX]


def rows(*columns: list[int]) -> tuple[int, ...]:
    return tuple(sum(column[k] << bit for bit, column in enumerate(columns)) for k in INDEX)


def test_only_functions_are_made_and_each_once() -> None:
    """Constants and inputs are not."""
    table = rows([1] * 8, PARITY, WIRE, MAJORITY, [0] * 8, PARITY, BOTH_LOW)
    found = functions(table, 7)
    assert [(f.bit, f.inputs) for f in found] == [(1, 3), (3, 3), (6, 2)]
    assert [f.bit for f in functions(table, 3)] == [1]


def test_functions_that_are_constant_at_a_value_of_the_highest_input() -> None:
    """What is left is a function of the others."""
    found = functions(rows(PARITY, WHERE_SET, WHERE_CLEAR, MAJORITY), 4)
    assert found == (
        Function(0, 3, None, 3), Function(1, 2, False, 1), Function(2, 2, False, 1),
        Function(3, 3, None, 3),
    )  # fmt: skip
    (turned,) = functions(rows([1 - k for k in WHERE_SET[4:]] + [1] * 4), 1)
    assert (turned.cleared, turned.alone) == (True, 1)


def test_wires() -> None:
    assert has_wires(rows(PARITY, WIRE), 2)
    assert not has_wires(rows(PARITY, WIRE), 1)
    assert not has_wires(rows(PARITY, [1 - k for k in WIRE], [1] * 8), 3)


def test_luts_of_wide_functions() -> None:
    assert [luts(inputs, 6) for inputs in (1, 6, 7, 8, 9)] == [1, 1, 2, 4, 8]
    assert [luts(inputs, 4) for inputs in (4, 5, 6)] == [1, 2, 4]
