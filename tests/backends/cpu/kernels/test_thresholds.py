"""Comparison tables of wide numbers: compared in 16 bits where bounds lie together."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tvm import tirx

from n2uqc.backends import compile as compile_program
from n2uqc.backends import run_artifact
from n2uqc.backends.cpu.kernels.body import Place, Value
from n2uqc.backends.cpu.kernels.thresholds import _narrowed
from n2uqc.passes.plan_memory import plan_memory
from n2uqc.passes.program import Constant, Program, Thresholds, run
from tests.properties.programs import Builder

from ..host import Host

_CHANNELS = 16
SPANS = {"together": 40, "just": 65534, "too far": 65535, "far": 1 << 20}


def table(span: int, bits: int, mixed: bool) -> tuple[Program, np.ndarray]:
    """Bounds anywhere, in each channel over so wide a span; inputs around every bound."""
    b = Builder(span, 8, _CHANNELS, 22, True)
    kind, levels = b.types["x"], 3
    start = b.rng.integers(kind.lo, kind.hi - min(span, 1 << 20), _CHANNELS)
    start[:3] = -5, -(1 << 15), kind.lo - 1
    bounds = np.sort(start[:, None] + b.rng.integers(0, span + 1, (_CHANNELS, levels)), axis=1)
    bounds[:, 0], bounds[:, -1] = start, start + span
    bounds[3], bounds[4] = kind.hi, kind.lo - 1
    signs = np.ones((_CHANNELS, levels), np.int64)
    signs[5:9] = -1
    base = np.where(signs[:, 0] < 0, levels, 0)
    if mixed:
        signs[9], base[9] = [1, -1, 1], 0
    program = plan_memory(
        b.finish(
            b.add(
                Thresholds,
                "x",
                bounds=b.const(Constant.narrow(bounds)),
                bits=bits,
                signs=b.const(Constant.odd(signs, 1)),
                base=b.const(Constant.narrow(base)),
            )
        )
    )
    near = bounds.T[:, None] + np.arange(-2, 3)[:, None]
    near = np.clip(near.reshape(-1, _CHANNELS), kind.lo, kind.hi)
    wide = bounds.T[:, None] + np.array([-65536, -32769, -32768, 32767, 32768, 65536])[:, None]
    wide = np.clip(wide.reshape(-1, _CHANNELS), kind.lo, kind.hi)
    rows = np.concatenate([near, wide, b.rng.integers(kind.lo, kind.hi + 1, (64, _CHANNELS))])
    rows[-1], rows[-2] = kind.lo, kind.hi
    return program, np.resize(rows, (2, *kind.shape))


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("span", SPANS)
def test_on_the_host(span: str, mixed: bool, tmp_path: Path) -> None:
    program, x = table(SPANS[span], 2, mixed)
    np.testing.assert_array_equal(Host(program, tmp_path)(x), run(program, x))


@pytest.mark.parametrize("span", SPANS)
def test_on_aarch64(span: str, tmp_path: Path) -> None:
    program, x = table(SPANS[span], 2, mixed=span == "just")
    place = compile_program(program, "aarch64").save(tmp_path / "net")
    np.testing.assert_array_equal(run_artifact(place, x), run(program, x))


@pytest.mark.parametrize(
    ("start", "span", "dtype"),
    [
        (100_000, 65534, "int16"), (100_000, 65535, "int32"), (-32768, 65534, "int16"),
        (-32768, 65535, "int32"), (-32769, 65534, "int16"), (-200_000, 40, "int16"),
    ],
)  # fmt: skip
def test_numbers_are_compared_in_16_bits_where_bounds_lie_together(
    start: int, span: int, dtype: str
) -> None:
    """A channel's bounds moved to the middle: their order and distances stay."""
    x = Value(tirx.Var("x", "int32"), np.array([-(1 << 20)] * 2), np.array([1 << 20] * 2))
    bounds = np.array([[start, start + span], [start + span // 2] * 2])
    body: Any = SimpleNamespace(row=lambda name, values, kind: lambda slot: tirx.const(0, kind))
    _, found, moved = _narrowed(body, x, bounds, Place(0, lambda name: name))
    assert found == dtype
    np.testing.assert_array_equal(np.diff(moved, axis=1), np.diff(bounds, axis=1))
    if dtype == "int16":
        assert moved.min() >= -(1 << 15) and moved.max() < (1 << 15) - 1
    else:
        np.testing.assert_array_equal(moved, bounds)
