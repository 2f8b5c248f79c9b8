"""Direct convolution: accumulators as narrow as is proven, taps where they belong."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from n2uqc.backends import find_target
from n2uqc.backends.cpu.kernels import direct
from n2uqc.backends.cpu.kernels.body import Vectors
from n2uqc.backends.cpu.kernels.direct import Accumulation, accumulation
from n2uqc.backends.cpu.kernels.layer import Layer
from n2uqc.passes.plan_memory import plan_memory
from n2uqc.passes.program import Constant, Conv, IntType, Program
from tests.properties.programs import Builder

from .cases import check, only

NEON = find_target("aarch64").processor.vectors
SCALAR = Vectors(4, 12)


def program(weight: np.ndarray, lo: int, hi: int, size: int = 5, **options: object) -> Program:
    """A convolution of a square map of numbers from lo to hi."""
    channels = weight.shape[3] * int(options.get("groups", 1))
    b = Builder(0, size, channels, 8, False)
    b.types["x"] = IntType.ranged((size, size, channels), lo, hi, Fraction(1))
    b.add(Conv, "x", weight=b.const(Constant.narrow(weight)), **options)
    return plan_memory(b.finish(b.ops[-1].output))


def summed(weight: np.ndarray, lo: int, hi: int, vectors: Vectors = NEON) -> Accumulation:
    whole = program(weight, lo, hi, max(weight.shape[1:3]))
    op = whole.ops[0]
    assert isinstance(op, Conv)
    return accumulation(Layer.of(op, whole), vectors)


def worst(part: np.ndarray, lo: int, hi: int) -> int:
    """The largest magnitude of any sum of some of the products (O, ...) of an output."""
    up, down = (
        np.maximum(sign * part * hi, sign * part * lo).clip(0).reshape(len(part), -1).sum(axis=1)
        for sign in (1, -1)
    )
    return int(max(up.max(), down.max()))


@pytest.mark.parametrize("seed", range(30))
def test_narrow_sums_hold_every_chunk_and_are_as_long_as_may_be(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in (2, rng.integers(1, 4), rng.integers(1, 4), rng.integers(1, 40)))
    most, top = (int(rng.integers(1, 128)) for _ in range(2))
    weight = rng.integers(-most, most + 1, shape)
    lo, hi = -int(rng.integers(0, top + 1)), top
    found = summed(weight, lo, hi)
    dtype = "int16" if found.bound < 1 << 15 else "int32"
    assert found.bound >= worst(weight, lo, hi) and found.dtype == dtype
    _, _, width, depth = shape
    ways = [(width, depth)] + [(1, depth // n) for n in range(1, depth + 1) if depth % n == 0]

    def fits(columns: int, channels: int) -> bool:
        return columns * channels >= 8 and all(
            np.abs(weight[:, r, s : s + columns, k : k + channels]).sum(axis=(1, 2)).max()
            * max(-lo, hi)
            <= 32767
            for r in range(shape[1])
            for s in range(0, width, columns)
            for k in range(0, depth, channels)
        )

    best = next((way for way in ways if fits(*way)), (0, 0)) if dtype == "int32" else (0, 0)
    assert (found.columns, found.channels) == best


def test_narrow_sums_at_the_end_of_their_type() -> None:
    """Eight products of 64 by 64 are 2^15; of 4095 each they are a little less."""
    assert summed(np.full((1, 2, 1, 8), 64), 0, 64).channels == 0
    assert summed(np.full((1, 2, 1, 8), 63), 0, 65).channels == 8
    assert summed(np.full((1, 2, 1, 8), -64), 0, 64).channels == 0
    assert summed(np.full((1, 2, 1, 7), 63), 0, 65).channels == 0  # too few


def test_numbers_beyond_bytes_and_types_but_32_bits_are_summed_as_they_are() -> None:
    for lo, hi, weight, dtype in (
        (0, 128, 1, "int32"), (-128, 1, 1, "int32"), (0, 1, 128, "int32"), (0, 1, 1, "int16"),
        (0, 1 << 20, 1 << 20, "int64"),
    ):  # fmt: skip
        sums = summed(np.full((1, 32, 1, 16), weight), lo, hi)
        assert (sums.dtype, sums.channels) == (dtype, 0)
    assert summed(np.full((1, 32, 1, 16), 1), 0, 127).channels == 16


def test_without_vectors_sums_take_whole_registers() -> None:
    for hi, dtype in ((1, "int32"), (1 << 12, "int32"), (1 << 30, "int64")):
        sums = summed(np.full((1, 3, 3, 9), 3), 0, hi, SCALAR)
        assert (sums.dtype, sums.channels) == (dtype, 0)


CASES = {
    "codes of seven bits": (127, (8, 3, 3, 2), {}),
    "one code more": (128, (8, 3, 3, 2), {}),
    "all of a byte": (255, (8, 3, 3, 2), {"pads": (1, 1, 1, 1), "pad_value": 128}),
    "rows unlike columns": (
        15, (8, 3, 2, 4), {"stride": (2, 1), "dilation": (1, 3), "pads": (1, 0, 2, 1)},
    ),
    "columns unlike rows": (
        15, (6, 2, 3, 3), {"stride": (1, 2), "dilation": (3, 1), "pads": (0, 2, 1, 1), "groups": 2},
    ),
    "depthwise": (128, (6, 3, 2, 1), {"stride": (1, 2), "dilation": (2, 1), "groups": 6}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hi, shape, options = CASES[name]
    depthwise = name == "depthwise"
    only(monkeypatch, direct.KERNELS[0 if depthwise else 1])
    weight = np.random.default_rng(4).integers(-3, 4, shape)
    check(program(weight, 0, hi, 9, **options), tmp_path)
