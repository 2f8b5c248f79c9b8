"""Winograd convolution: the algebra over integers, bounds, binaries at the ends of ranges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import te

from n2uqc.backends.cpu.kernels import gemm, winograd
from n2uqc.backends.cpu.kernels.body import Vectors
from n2uqc.backends.cpu.kernels.gemm import mla16, mlal16
from n2uqc.backends.cpu.kernels.layer import Layer
from n2uqc.passes.program import Conv

from .cases import check, conv_program, only
from .stages import computed

NEON = Vectors(16, 32, frozenset({"neon", "many-vectors"}))
AVX2 = Vectors(32, 16, frozenset({"avx2"}))
B, G = winograd._B, winograd._G


def inverse(m: np.ndarray) -> np.ndarray:
    """One dimension, the halving checked."""
    assert not ((m[1] + m[2]) % 2).any()
    half = (m[1] + m[2]) // 2
    return np.stack([m[0] + half, m[1] - half - m[3]])


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(1, 1 << 20), st.integers(1, 1 << 20))
def test_the_algebra_is_exact(seed: int, top: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    g, d = rng.integers(-top, top + 1, (3, 3)), rng.integers(-most, most + 1, (4, 4))
    m = (G @ g @ G.T) * (B @ d @ B.T)
    y = inverse(inverse(m).T).T
    expected = [[(d[i : i + 3, j : j + 3] * g).sum() for j in range(2)] for i in range(2)]
    np.testing.assert_array_equal(y, expected)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 15), st.integers(-8, 8), st.integers(0, 15))
def test_bounds_hold_and_are_reached(seed: int, top: int, lo: int, span: int) -> None:
    """Ranges of transformed codes by brute force over the ends; sums behind the first inverse."""
    rng = np.random.default_rng(seed)
    weight = rng.integers(-top, top + 1, (3, 3, 3, 2))
    ends = np.full(2, lo), np.full(2, lo + span)
    found = winograd.products(weight, *ends)
    corners = np.array(np.meshgrid(*[[lo, lo + span]] * 4)).reshape(4, -1)
    one = B @ corners  # of one dimension, all corners
    for a in range(4):
        for b in range(4):
            rows = np.array(np.meshgrid(*[np.unique(one[b])] * 4)).reshape(4, -1)
            values = B[a] @ rows
            assert found.lo[4 * a + b, 0] == values.min()
            assert found.hi[4 * a + b, 0] == values.max()
    bound = winograd.row_bounds(weight, *ends)
    d = rng.integers(lo, lo + span + 1, (200, 4, 4, 2))
    m = np.einsum("ai,bj,nijk,ar,bs,orsk->abno", B, B, d, G, G, weight)
    assert np.abs(inverse(m)).max() <= bound


WEIGHTS = {
    "odd": lambda rng, top, shape: 2 * rng.integers(0, top + 1, shape) - top,
    "greatest": lambda rng, top, shape: np.full(shape, top),
    "least": lambda rng, top, shape: np.full(shape, -top),
    "ends": lambda rng, top, shape: rng.choice([-top, top], shape),
}

CASES = {
    "2 bit": (2, 3, "odd", (16, 16), 8, {}),
    "2 bit, greatest": (2, 3, "greatest", (8, 40), 6, {}),
    "2 bit, least": (2, 3, "least", (8, 40), 6, {}),
    "3 bit, ends": (3, 7, "ends", (9, 33), 5, {}),
    "4 bit, odd sizes": (4, 15, "odd", (21, 19), 7, {"pads": (0, 2, 1, 0)}),
    "4 bit, greatest, in chunks": (4, 13, "greatest", (8, 72), 4, {}),
    "4 bit, least, in chunks": (4, 13, "least", (8, 72), 4, {}),
    "1 bit": (1, 1, "odd", (8, 8), 4, {"pads": (0, 0, 0, 0)}),
    "5 bit codes": (5, 3, "ends", (8, 16), 5, {"pad_value": 31}),
    "signed": (4, 7, "ends", (8, 16), 5, {"signed": True, "pad_value": -8}),
    "one of each": (2, 3, "odd", (1, 1), 3, {}),
    "far pad value": (2, 3, "odd", (8, 8), 4, {"pad_value": -20}),
}


def case(name: str, levels: int = 3) -> object:
    bits, top, kind, shape, size, options = CASES[name]
    weight = WEIGHTS[kind](np.random.default_rng(len(name)), top, (shape[0], 3, 3, shape[1]))
    return conv_program(weight, size, bits, levels=levels, **{"pads": (1, 1, 1, 1), **options})


@pytest.mark.parametrize("name", CASES)
def test_by_16_bits_on_the_host(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, *winograd.KERNELS)
    monkeypatch.setattr(gemm, "MICROS", (mla16.MICRO,))
    assert "int16 sums" in check(case(name, levels=(len(name) % 3) * 3), tmp_path)


@pytest.mark.parametrize("name", ["2 bit, greatest", "4 bit, odd sizes", "4 bit, least, in chunks"])
def test_on_aarch64(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, *winograd.KERNELS)
    check(case(name, levels=7), tmp_path, "aarch64")


@pytest.mark.parametrize("kind", ["greatest", "least", "ends"])
def test_by_32_bits_on_aarch64(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, *winograd.KERNELS)
    monkeypatch.setattr(gemm, "MICROS", (mlal16.MICRO,))
    weight = WEIGHTS[kind](np.random.default_rng(1), 127, (9, 3, 3, 13))
    options = {"pads": (1, 0, 1, 2), "pad_value": 255}
    check(conv_program(weight, 5, 8, levels=15, **options), tmp_path, "aarch64")


def test_other_convolutions_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = np.ones((4, 3, 3, 4), np.int64)
    for options in ({"stride": (2, 2)}, {"dilation": (2, 2)}, {"groups": 2, "stride": (1, 1)}):
        program = conv_program(weight, 9, 2, **options)
        op = next(op for op in program.ops if isinstance(op, Conv))
        assert not list(winograd.plans(Layer.of(op, program), NEON))


def layer_of(weight: np.ndarray, size: int, bits: int, **options: object) -> Layer:
    program = conv_program(weight, size, bits, **{"pads": (1, 1, 1, 1), **options})
    return Layer.of(next(op for op in program.ops if isinstance(op, Conv)), program)


def middle(weight: int, depth: int) -> np.ndarray:
    """Kernels of one tap in their middle: of codes -8 to 7 their sums reach 32 times as far, and 16
    times behind the first inverse transform.
    """
    whole = np.zeros((8, 3, 3, depth), np.int64)
    whole[:, 1, 1] = weight
    return whole


@pytest.mark.parametrize("vectors", [NEON, AVX2], ids=["neon", "avx2"])
def test_sums_are_halved_once_they_are_added_up_where_twice_as_much_fits(vectors: Vectors) -> None:
    """NEON: sums of 16 bits are halved by an instruction that adds, which is as good."""
    seen = set()
    for weight, depth in ((1, 8), (63, 8), (64, 8), (127, 8), (127, 16), (127, 40)):
        layer = layer_of(middle(weight, depth), 4, 4)
        first, second = 32 * weight * depth, 16 * weight * depth
        for plan in winograd.plans(layer, vectors):
            assert plan.center == 8
            for bound, dtype, fits in zip((first, second), plan.halved, plan.fits, strict=True):
                most = np.iinfo(dtype).max
                assert bound <= most
                assert fits == (2 * bound <= most and not (dtype == "int16" and vectors is NEON))
                seen.add((dtype, fits))
            stored = plan.products.result
            if plan.products.parts > 1:
                assert plan.halved[0] == "int32"
            else:
                needed = 2 if first < 1 << 15 else 4
                assert np.dtype(plan.halved[0]).itemsize == max(np.dtype(stored).itemsize, needed)
            assert plan.halved[1] == ("int16" if second < 1 << 15 else "int32")
    narrow = {("int16", False)} if vectors is NEON else {("int16", False), ("int16", True)}
    assert seen == {("int32", True), *narrow}


@pytest.mark.parametrize(
    ("bits", "options", "center"),
    [
        (1, {}, 0), (2, {}, 2), (4, {}, 8), (8, {}, 128), (9, {}, 0), (4, {"signed": True}, 0),
        (1, {"pad_value": -1}, 0), (1, {"pad_value": -2}, 0), (1, {"pad_value": 2}, 1),
        (1, {"pad_value": -4}, -1), (2, {"pad_value": 255}, 128), (2, {"pad_value": 256}, 0),
    ],
)  # fmt: skip
def test_codes_are_centered_where_they_are_bytes(
    bits: int, options: dict[str, object], center: int
) -> None:
    """Codes 0 and 1 are small already."""
    layer = layer_of(np.ones((8, 3, 3, 8), np.int64), 4, bits, **options)
    assert {plan.center for plan in winograd.plans(layer, NEON)} == {center}


@pytest.mark.parametrize(("bits", "offered"), [(13, True), (14, False)])
def test_codes_beyond_13_bits_are_left_to_others(bits: int, offered: bool) -> None:
    layer = layer_of(np.ones((8, 3, 3, 8), np.int64), 4, bits)
    assert bool(list(winograd.plans(layer, NEON))) == offered


@pytest.mark.parametrize(("weight", "offered"), [(16386, True), (16387, False)])
def test_sums_of_30_bits_are_left_to_others(weight: int, offered: bool) -> None:
    """Codes up to 8191 in both channels: four times as far once they are transformed."""
    assert (4 * 8191 * 2 * weight < 1 << 30) == offered
    found = list(winograd.plans(layer_of(middle(weight, 2), 4, 13), NEON))
    assert bool(found) == offered and all(plan.halved[0] == "int32" for plan in found)


@pytest.mark.parametrize(
    ("vectors", "rate"),
    [(NEON, 8), (Vectors(4, 12, frozenset({"dsp"})), 0.7),
     (Vectors(4, 12, frozenset({"dsp", "dual-issue"})), 1)],
    ids=["neon", "M4", "M7"],
)  # fmt: skip
def test_price(vectors: Vectors, rate: float) -> None:
    """52 instructions transform a code of a tile, 16 products are read and transformed back twice
    for each output channel; eight at a time, or less than one on processors without vectors.
    """
    layer = layer_of(2 * np.random.default_rng(0).integers(0, 4, (8, 3, 3, 16)) - 3, 6, 2)
    found = list(winograd.plans(layer, vectors))
    assert found
    for plan in found:
        way, tiles = plan.products, plan.grid.size
        assert tiles >= 9 and plan.grid.high * plan.grid.wide == way.rows
        halves = [np.dtype(dtype).itemsize // 2 for dtype in plan.halved]
        back = 8 * (16 * way.reading + 16 * halves[0] + 12 * halves[1])
        transforms = tiles * (52 * way.depths * way.depth + back) / rate
        multiplying = tiles // way.rows * way.blocks * 16 * way.instructions
        assert plan.instructions == pytest.approx(transforms + multiplying + way.expanding)
        assert plan.whole.rows >= 6 and plan.whole.columns >= 6
        assert f"{way.rows}x{way.outs} in registers" in plan.reason


def halved(x: np.ndarray, y: np.ndarray, fits: bool) -> np.ndarray:
    a, b = (te.placeholder((64,), "int16", name) for name in "ab")
    stage = te.compute((64,), lambda k: winograd.halve(a[k], b[k], "int16", fits))
    return computed(stage, (a, x.astype(np.int16)), (b, y.astype(np.int16)))


def test_halving() -> None:
    """``(a + b) / 2`` of even sums, also where the sum leaves its type."""
    rng = np.random.default_rng(0)
    a = rng.integers(-(1 << 15), 1 << 15, 64)
    b = (rng.integers(-(1 << 15), 1 << 15, 64) & -2) | (a & 1)
    assert np.abs(a + b).max() > 1 << 15
    np.testing.assert_array_equal(halved(a, b, False), (a + b) // 2)
    a, b = a >> 1, (b >> 2 << 1) | (a >> 1 & 1)
    np.testing.assert_array_equal(halved(a, b, True), (a + b) // 2)
