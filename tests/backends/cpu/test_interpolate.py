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


@pytest.mark.parametrize("power", [28, 58])
def test_sums_next_to_the_ends_of_their_type_round_alike(power: int, tmp_path: Path) -> None:
    """Halves and their neighbors just within 32 bits and 62; pieces of one number."""
    b = Builder(power, 4, 1, 4, True)
    codes = np.arange(-8, 8)
    base = [(1 if c < 0 else -1) * (5 << power) + 256 * int(c) + 127 + int(c) % 3 for c in codes]
    out = b.add(
        Interpolate,
        "x",
        base=b.const(Constant.narrow(np.array([base]))),
        slope=b.const(Constant.narrow(np.zeros((1, 16), np.int64))),
        start=-8,
        step=0,
        shift=8,
    )
    program = b.finish(out)
    x = codes.reshape(1, 4, 4, 1)
    rounded = [(1 if v > 0 else -1) * (abs(v) + 128 >> 8) for v in base]
    for found in (Host(program, tmp_path)(x), run(program, x)):
        assert found.ravel().tolist() == rounded


@pytest.mark.parametrize("start", [-(1 << 12), 1 << 12])
def test_a_line_far_from_its_beginning(start: int, tmp_path: Path) -> None:
    """Sums leave 32 bits though neither input, nor line, nor number of pieces is large."""
    b = Builder(1, 4, 2, 4, True)
    slope = np.array([[1 << 20], [-(1 << 20)]])
    out = b.add(
        Interpolate,
        "x",
        base=b.const(Constant.narrow(np.array([[5], [-5]]))),
        slope=b.const(Constant.narrow(slope)),
        start=start,
        step=1,
        shift=0,
    )
    program = b.finish(out)
    x = b.input(2)
    expected = np.array([5, -5]) + slope[:, 0] * (x - start)
    assert (Host(program, tmp_path)(x) == expected).all()
    assert (run(program, x) == expected).all()
