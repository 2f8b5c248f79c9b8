"""Preprocessing of raw pixels that cannot be is refused, whichever of its numbers is at fault."""

from __future__ import annotations

import math
from typing import Any

import pytest

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.passes.pixels import Pixels


@pytest.mark.parametrize(
    "wrong",
    [
        {"scale": 0.0},
        {"scale": -1.0},
        {"scale": math.inf},
        {"mean": (0.5, math.nan, 0.5)},
        {"std": (1.0, 0.0, 1.0)},
        {"std": (1.0, -1.0, 1.0)},
        {"std": (1.0, math.inf, 1.0)},
    ],
)
def test_numbers_that_no_image_is_prepared_by(wrong: dict[str, Any]) -> None:
    with pytest.raises(CompileError, match="it takes finite numbers with scale > 0 and std > 0"):
        Pixels(**wrong)


def test_one_number_serves_all_channels() -> None:
    mean, std = Pixels(mean=(0.5,), std=(0.25, 0.5, 1.0)).rows(3)
    assert mean.tolist() == [0.5, 0.5, 0.5]
    assert std.tolist() == [0.25, 0.5, 1.0]
    with pytest.raises(CompileError, match="--std has 3 values; the input has 4 channels"):
        Pixels(std=(0.25, 0.5, 1.0)).rows(4)
