"""Types of the host: the narrowest that hold a register, a sum and a weight, to their ends."""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.backends.fpga.widths import magnitude, register_dtype, storage, weight_dtype
from n2uqc.frontend.diagnostics import CompileError
from n2uqc.passes.program import IntType


def register(bits: int, signed: bool) -> IntType:
    return IntType((1, 1, 1), bits, signed, 0, 1)


@pytest.mark.parametrize(
    ("bits", "signed", "dtype"),
    [
        (1, False, "int32"), (31, False, "int32"), (32, False, "int64"), (63, False, "int64"),
        (1, True, "int32"), (31, True, "int32"), (32, True, "int32"), (33, True, "int64"),
        (63, True, "int64"), (64, True, "int64"),
    ],
)  # fmt: skip
def test_a_tensor_is_stored_in_a_signed_type_that_holds_all_its_bits(
    bits: int, signed: bool, dtype: str
) -> None:
    assert storage(register(bits, signed)) == dtype
    low, high = register(bits, signed).limits
    assert np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max


def test_an_unsigned_tensor_of_64_bits_is_refused() -> None:
    with pytest.raises(CompileError, match="unsigned tensor of 64 bits"):
        storage(register(64, False), "conv")


def test_the_largest_magnitude_is_that_of_the_register() -> None:
    """Not that of the proven range, which is 0 to 1 here."""
    assert [magnitude(register(4, signed)) for signed in (False, True)] == [15, 8]


@pytest.mark.parametrize("bits", [16, 32, 64, 128])
def test_arithmetic_stays_below_the_end_of_its_type(bits: int) -> None:
    end = 1 << bits - 1
    assert register_dtype(end - 1, least=16) == f"int{bits}"
    if bits < 128:
        assert register_dtype(end, least=16) == f"int{2 * bits}"


def test_wrapping_needs_room_for_all_of_its_registers() -> None:
    end = 1 << 31
    assert register_dtype(end - 1 - 16 - 1024, 4, 10) == "int32"
    assert register_dtype(end - 16 - 1024, 4, 10) == "int64"


def test_arithmetic_is_of_32_bits_or_more_unless_less_is_asked_for() -> None:
    assert [register_dtype(5), register_dtype(5, least=16), register_dtype(5, least=64)] == [
        "int32", "int16", "int64",
    ]  # fmt: skip


def test_more_than_128_bits_are_refused() -> None:
    with pytest.raises(CompileError, match="needs 129 bits; at most 128"):
        register_dtype(1 << 127)


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        (0, 0, "int8"), (-128, 127, "int8"), (-129, 0, "int32"), (0, 128, "int32"),
        (-(2**31), 2**31 - 1, "int32"), (-(2**31) - 1, 0, "int64"), (0, 2**31, "int64"),
    ],
)  # fmt: skip
def test_weights_are_read_in_the_narrowest_type(low: int, high: int, dtype: str) -> None:
    assert weight_dtype(np.array([low, high])) == dtype


def test_no_weights_are_bytes() -> None:
    assert weight_dtype(np.zeros(0, np.int64)) == "int8"
