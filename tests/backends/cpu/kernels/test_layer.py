"""A convolution as its kernels see it: kinds of layers, and numbers that weights meet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from n2uqc.backends.cpu.kernels.layer import Layer
from n2uqc.passes.program import Conv

from .cases import check, conv_program


def layer(shape: tuple[int, ...], bits: int = 2, **options: object) -> Layer:
    program = conv_program(np.ones(shape, np.int64), 5, bits, **options)
    return Layer.of(next(op for op in program.ops if isinstance(op, Conv)), program)


@pytest.mark.parametrize(
    ("shape", "options", "dense", "depthwise", "pointwise"),
    [
        ((4, 3, 3, 4), {}, True, False, False),
        ((4, 3, 3, 4), {"stride": (2, 1)}, False, False, False),
        ((4, 3, 3, 4), {"stride": (1, 2)}, False, False, False),
        ((4, 3, 3, 4), {"dilation": (1, 2)}, False, False, False),
        ((4, 3, 3, 4), {"groups": 2}, False, False, False),
        ((2, 3, 3, 1), {"groups": 2}, False, True, False),
        ((4, 3, 3, 1), {"groups": 4}, False, True, False),
        ((8, 3, 3, 1), {"groups": 4}, False, False, False),
        ((1, 3, 3, 1), {}, True, False, False),
        ((4, 1, 1, 4), {}, True, False, True),
        ((4, 1, 1, 4), {"stride": (2, 2)}, False, False, False),
        ((4, 1, 1, 4), {"pads": (0, 0, 0, 1)}, True, False, False),
        ((4, 1, 3, 4), {}, True, False, False),
    ],
)
def test_kinds_of_layers(
    shape: tuple[int, ...],
    options: dict[str, object],
    dense: bool,
    depthwise: bool,
    pointwise: bool,
) -> None:
    found = layer(shape, **options)
    assert (found.is_dense, found.is_depthwise, found.is_pointwise) == (dense, depthwise, pointwise)
    rows, columns, _ = found.shape
    assert found.input_size == ((1, 25) if pointwise else (5, 5))
    assert found.output_size == ((1, 25) if pointwise else (rows, columns))


@pytest.mark.parametrize(
    ("signed", "options", "codes", "zero"),
    [
        (False, {}, (0, 15), (0, 15)),
        (False, {"pad_value": 20}, (0, 15), (0, 15)),
        (False, {"pad_value": 20, "pads": (0, 1, 0, 0)}, (0, 20), (0, 20)),
        (True, {"pad_value": -20, "pads": (0, 1, 0, 0)}, (-20, 7), (-20, 7)),
        (True, {}, (-8, 7), (-8, 7)),
    ],
)
def test_numbers_that_weights_meet(
    signed: bool, options: dict[str, object], codes: tuple[int, int], zero: tuple[int, int]
) -> None:
    """Those of the input, and of the padding where there is any."""
    found = layer((4, 3, 3, 4), 4, signed=signed, **options)
    assert (found.codes, found.codes_and_zero) == (codes, zero)


@pytest.mark.parametrize("pad_value", [-3, 2**31 - 1])
@pytest.mark.parametrize("target", ["aarch64+dotprod", "armv7", "cortex-m4", "host"])
def test_a_pad_that_no_window_reaches_is_not_compiled(
    target: str, pad_value: int, tmp_path: Path
) -> None:
    """Stages are larger than the map where words are filled up, and of the map's own type."""
    weight = np.random.default_rng(0).integers(-1, 2, (6, 5, 5, 3))
    check(conv_program(weight, 6, 2, pad_value=pad_value), tmp_path, target)
