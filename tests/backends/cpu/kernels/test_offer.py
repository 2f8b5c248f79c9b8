"""What kernels are chosen by: the least work, and what a layer says of itself."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from n2uqc.backends.cpu.kernels.body import Vectors
from n2uqc.backends.cpu.kernels.layer import Layer
from n2uqc.backends.cpu.kernels.offer import cheapest
from n2uqc.passes.program import Conv

from .cases import conv_program


class Way(NamedTuple):
    name: str
    instructions: float
    size: int


@pytest.mark.parametrize(
    ("price", "best"), [(0.0, "fast"), (0.5, "fast"), (1.0, "small")], ids=["free", "cheap", "dear"]
)
def test_the_least_work_is_chosen_at_the_price_of_a_byte(price: float, best: str) -> None:
    ways = [Way("slow", 900, 400), Way("fast", 500, 400), Way("small", 700, 100)]
    vectors = Vectors(16, 32, frozenset(), byte=price)
    chosen = cheapest(ways, vectors)
    assert chosen is not None and chosen.name == best


def test_of_equals_the_first_is_chosen_and_of_none_none() -> None:
    vectors = Vectors(16, 32)
    chosen = cheapest([Way("first", 5, 10), Way("second", 5, 10)], vectors)
    assert chosen is not None and chosen.name == "first"
    assert cheapest([], vectors) is None


def layer(shape: tuple[int, ...], **options: object) -> Layer:
    program = conv_program(np.ones(shape, np.int64), 6, 2, **options)
    (op,) = (op for op in program.ops if isinstance(op, Conv))
    return Layer.of(op, program)


def test_padding_belongs_to_what_weights_meet() -> None:
    assert layer((4, 3, 3, 5)).codes == (0, 3)
    assert layer((4, 3, 3, 5), pads=(1, 1, 1, 1), pad_value=-2).codes == (-2, 3)
    # A value that stands nowhere counts for nothing.
    assert layer((4, 3, 3, 5), pad_value=9).codes == (0, 3)


def test_a_map_has_one_row_where_its_rows_do_not_matter() -> None:
    assert layer((4, 1, 1, 5)).output_size == (1, 36)
    for shape, options in (((4, 1, 1, 5), {"stride": (2, 2)}), ((4, 3, 3, 5), {})):
        each = layer(shape, **options)
        assert each.output_size == each.shape[:2]


@pytest.mark.parametrize(
    ("shape", "options", "dense", "depthwise"),
    [
        ((4, 3, 3, 5), {}, True, False),
        ((4, 3, 3, 5), {"dilation": (2, 1)}, False, False),
        ((4, 3, 3, 2), {"groups": 2}, False, False),
        ((4, 3, 3, 1), {"groups": 4}, False, True),
        ((8, 3, 3, 1), {"groups": 4}, False, False),  # two outputs for each channel
    ],
)
def test_forms(
    shape: tuple[int, ...], options: dict[str, object], dense: bool, depthwise: bool
) -> None:
    each = layer(shape, **options)
    assert (each.is_dense, each.is_depthwise) == (dense, depthwise)
