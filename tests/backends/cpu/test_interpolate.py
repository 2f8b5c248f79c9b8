"""Functions by straight pieces on the host: any number of pieces, one table or one a channel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from n2uqc.passes.program import Constant, Interpolate, IntType, run
from tests.properties.programs import Builder

from .host import Host


@pytest.mark.parametrize("bits", [6, 20, 31])
@pytest.mark.parametrize("pieces", [1, 5, 300])
@pytest.mark.parametrize("tables", [1, 7])
def test_pieces(bits: int, pieces: int, tables: int, tmp_path: Path) -> None:
    b = Builder(bits + pieces, 5, 7, bits, True)
    assert isinstance(b.types["x"], IntType)
    step = max(0, bits - pieces.bit_length())
    shape = (tables, pieces)
    base = b.rng.integers(-(1 << min(30, bits + 8)), 1 << min(30, bits + 8), shape)
    slope = b.rng.integers(-(1 << 12), 1 << 12, shape)
    slope[:, 0] = 128  # ties
    y = b.add(
        Interpolate,
        "x",
        base=b.const(Constant.narrow(base)),
        slope=b.const(Constant.narrow(slope)),
        start=int(b.types["x"].lo) + 3,
        step=step,
        shift=8,
    )
    program = b.finish(b.requantize(b.gate("x", y)) if bits == 20 else y)
    x = np.concatenate([b.input(8), b.input(1, "max"), b.input(1, "min")])
    assert (Host(program, tmp_path)(x) == run(program, x)).all()
