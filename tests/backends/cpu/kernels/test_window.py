"""Copies of maps with numbers around them, compared with NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
from tvm import te

from n2uqc.backends.cpu.kernels.window import container, framed, padded

from .stages import computed

MAP = np.random.default_rng(0).integers(0, 256, (3, 4, 2), np.uint8)


@pytest.mark.parametrize(
    ("lo", "hi", "dtype"),
    [
        (0, 255, "uint8"), (0, 256, "uint16"), (-1, 127, "int8"), (-1, 128, "int16"),
        (-128, 0, "int8"), (-129, 0, "int16"), (0, 65535, "uint16"), (0, 65536, "uint32"),
        (-32768, 32767, "int16"), (-1, 32768, "int32"), (-(2**31), 0, "int32"),
        (-(2**31) - 1, 0, "int64"),
    ],
)  # fmt: skip
def test_the_narrowest_type_in_memory(lo: int, hi: int, dtype: str) -> None:
    assert container(lo, hi) == dtype


def frame(
    origin: tuple[int, int], size: tuple[int, int, int], value: int, dtype: str, center: int
) -> np.ndarray:
    """What ``framed`` is to write around and from ``MAP``."""
    whole = np.full((12, 12, max(size[2], 2)), value - center)
    whole[origin[0] : origin[0] + 3, origin[1] : origin[1] + 4, :2] = MAP.astype(int) - center
    whole[:, :, 2:] = 0
    return whole[: size[0], : size[1]].astype(dtype)


@pytest.mark.parametrize(
    ("origin", "size", "dtype", "center"),
    [
        ((2, 1), (7, 6, 2), "uint8", 0),
        ((1, 0), (5, 7, 3), "int16", 0),
        ((0, 3), (4, 7, 4), "int16", 9),
        ((0, 1), (3, 4, 2), "uint8", 0),  # as large as the map, but moved
        ((1, 0), (3, 4, 2), "uint8", 0),
        ((0, 0), (2, 4, 2), "uint8", 0),  # a part of the map
        ((0, 0), (3, 3, 2), "uint8", 0),
        ((0, 0), (3, 4, 3), "uint8", 0),
        ((0, 0), (3, 4, 2), "int8", 128),
    ],
)
def test_a_frame_is_the_map_at_its_origin_and_one_number_around(
    origin: tuple[int, int], size: tuple[int, int, int], dtype: str, center: int
) -> None:
    x = te.placeholder(MAP.shape, "uint8", "x")
    stage = framed(x, origin, size, 100, dtype, center)
    assert not stage.same_as(x)
    expected = frame(origin, size, 100, dtype, center)
    np.testing.assert_array_equal(computed(stage, (x, MAP)), expected)


def test_a_frame_that_is_the_map_is_no_copy() -> None:
    x = te.placeholder(MAP.shape, "uint8", "x")
    assert framed(x, (0, 0), MAP.shape, 7, "uint8").same_as(x)
    assert padded(x, (0, 0, 0, 0), 7, "int16").same_as(x)


@pytest.mark.parametrize("pads", [(1, 2, 3, 4), (2, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0)])
def test_padding(pads: tuple[int, int, int, int]) -> None:
    x = te.placeholder(MAP.shape, "uint8", "x")
    top, left, bottom, right = pads
    expected = np.pad(
        MAP.astype(np.int16), ((top, bottom), (left, right), (0, 0)), constant_values=-3
    )
    np.testing.assert_array_equal(computed(padded(x, pads, -3, "int16"), (x, MAP)), expected)
