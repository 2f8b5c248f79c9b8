"""Stages of elements by bit planes, counts in LUTs: by hand."""

from __future__ import annotations

import pytest

from n2uqc.backends.fpga.units.element import Element
from n2uqc.backends.fpga.units.level_planes import Stages, _count, _planes, stages


def element(simd: int, operand: int = 2, weight: int = 2) -> Element:
    return Element(operand, False, simd, weight, True, "sum", 20, True)


@pytest.mark.parametrize("simd", [1, 2, 4, 5, 9])
def test_symmetric_levels_take_three_bits_a_lane(simd: int) -> None:
    """A LUT of 4 inputs sees one lane, one of 6 two of them; groups are added up by a tree."""
    for lut, groups in ((4, simd), (6, -(-simd // 2)), (9, -(-simd // 3))):
        found = stages(element(simd), "codebook symmetric", 3, lut)
        assert found.counting == 1 + (groups - 1).bit_length()
        assert found.behind == 0  # there is no offset


@pytest.mark.parametrize("simd", [1, 2, 4, 7, 13])
def test_other_planes_take_two_bits_a_lane(simd: int) -> None:
    for lut, groups in ((4, -(-simd // 2)), (6, -(-simd // 3))):
        found = stages(element(simd), "codebook planes", 3, lut)
        assert found.counting == 1 + (groups - 1).bit_length()
        assert found.behind == (simd - 1).bit_length() - (groups - 1).bit_length()


def test_multipliers_are_shared_over_the_cycles() -> None:
    """Two bits make three sets of operands' bits and of weights' bits: 9 counts."""
    planes = _planes("codebook planes", 2, 2)
    assert [k for k, _ in planes.operands] == [k for k, _ in planes.weights] == [1, 2, 3]
    assert planes.constant and not planes.up_and_down
    for cycles, lanes, turns in ((1, 9, 1), (2, 5, 2), (3, 3, 3), (4, 3, 3), (9, 1, 9), (20, 1, 9)):
        found = stages(element(4), "codebook planes", cycles, 6)
        assert (found.lanes, found.turns) == (lanes, turns)
        assert found.later == max(1 + (lanes - 1).bit_length(), found.behind)
        assert found.settled == 1 + found.later + turns


def test_symmetric_levels_have_planes_of_the_magnitude_alone() -> None:
    planes = _planes("codebook symmetric", 2, 3)
    assert planes.up_and_down and not planes.constant
    assert all(0 < k < 4 for k, _ in planes.weights)


def test_other_number_systems_have_one_multiplier() -> None:
    assert stages(element(5), "codebook table", 4, 6) == Stages(4, 0, -1, 1, 0)


def test_lanes_count_up_where_both_bits_are_1_and_down_with_a_third() -> None:
    for a in range(8):
        for b in range(8):
            each = [0 if v & 3 != 3 else -1 if v & 4 else 1 for v in (a, b)]
            assert _count(a | b << 3, 3) == sum(each)
    for code in range(64):
        assert _count(code, 2) == sum(code >> k & 3 == 3 for k in (0, 2, 4))
