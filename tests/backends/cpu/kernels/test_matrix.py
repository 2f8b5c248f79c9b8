"""Convolutions as matrix products: windows in runs, groups, chunks at the ends of their range."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from n2uqc.backends.cpu.kernels import gemm, matrix
from n2uqc.backends.cpu.kernels.body import Vectors
from n2uqc.backends.cpu.kernels.gemm import byte_pairs, mla16, mlal16
from n2uqc.backends.cpu.kernels.layer import Layer
from n2uqc.backends.cpu.kernels.offer import cheapest
from n2uqc.passes.program import Conv, Program

from .cases import check, conv_program, only

NEON = Vectors(16, 32, frozenset({"neon", "many-vectors"}))
CASES: dict[str, tuple[tuple[int, ...], int, int, dict[str, object]]] = {
    "1x1": ((16, 1, 1, 24), 6, 2, {}),
    "1x1, odd": ((13, 1, 1, 5), 5, 4, {}),
    "1x1, strided": ((16, 1, 1, 16), 7, 2, {"stride": (2, 2)}),
    "fully connected": ((10, 1, 1, 70), 1, 4, {}),
    "strided": ((24, 3, 3, 8), 9, 2, {"stride": (2, 2), "pads": (1, 1, 1, 1)}),
    "strided, odd channels": ((9, 3, 3, 11), 8, 3, {"stride": (2, 1), "pads": (0, 1, 2, 1)}),
    "stem": ((8, 7, 7, 3), 12, 4, {"stride": (2, 2), "pads": (3, 3, 3, 3)}),
    "dilated": ((8, 3, 3, 5), 9, 2, {"dilation": (2, 3), "pads": (2, 3, 2, 3), "pad_value": 1}),
    "wide row": ((8, 1, 5, 3), 6, 2, {"dilation": (3, 1)}),
    "groups": ((12, 3, 3, 4), 6, 2, {"groups": 3, "pads": (1, 1, 1, 1)}),
    "groups, dilated": ((8, 2, 2, 3), 7, 2, {"groups": 2, "dilation": (2, 2)}),
    "signed": ((8, 2, 2, 8), 5, 5, {"signed": True, "stride": (2, 2)}),
}


def case(name: str, kind: str, levels: int = 3) -> object:
    shape, size, bits, options = CASES[name]
    rng, top = np.random.default_rng(len(name)), (1 << min(bits, 5)) - 1
    weight = {
        "random": rng.integers(-top, top + 1, shape),
        "greatest": np.full(shape, top),
        "least": np.full(shape, -top),
    }[kind]
    return conv_program(weight, size, bits, levels=levels, **options)


@pytest.mark.parametrize("name", CASES)
def test_by_16_bits_on_the_host(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, *matrix.KERNELS)
    monkeypatch.setattr(gemm, "MICROS", (mla16.MICRO,))
    assert "int16 sums" in check(case(name, "random", 3 * (len(name) % 2)), tmp_path)


@pytest.mark.parametrize("kind", ["greatest", "least"])
@pytest.mark.parametrize("name", ["1x1, odd", "fully connected", "stem", "signed"])
def test_at_the_ends_of_ranges(
    name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, *matrix.KERNELS)
    monkeypatch.setattr(gemm, "MICROS", (mla16.MICRO,))
    check(case(name, kind, 0), tmp_path)


@pytest.mark.parametrize("sign", [1, -1])
def test_one_channel_alone_leaves_16_bits(
    sign: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums on one side of zero; the sums of all others are small on both."""
    only(monkeypatch, *matrix.KERNELS)
    monkeypatch.setattr(gemm, "MICROS", (mla16.MICRO,))
    weight = np.ones((8, 2, 2, 8), np.int64)
    weight[:, :, :, 4:] = -1
    weight[3] = 7 * sign
    check(conv_program(weight, 4, 8), tmp_path)


@pytest.mark.parametrize("sign", [1, -1])
def test_sums_of_centered_codes_leave_16_bits_at_one_end(
    sign: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Codes of 4 bits are taken as -8 to 7: of weights 441 and -3717 in all, the sums are between
    -7 * 3717 - 8 * 441 and 8 * 3717 + 7 * 441.
    """
    only(monkeypatch, *matrix.KERNELS)
    monkeypatch.setattr(gemm, "MICROS", (mla16.MICRO,))
    weight = np.full((8, 3, 3, 66), -7 * sign)
    weight[..., :7] *= -1
    assert 7 * 3717 + 8 * 441 < 1 << 15 <= 8 * 3717 + 7 * 441
    check(conv_program(weight, 3, 4, pads=(1, 1, 1, 1)), tmp_path)


def layer_of(weight: np.ndarray, size: int, bits: int, **options: object) -> Layer:
    program = conv_program(weight, size, bits, **options)
    return Layer.of(_conv(program), program)


@pytest.mark.parametrize(
    ("bits", "options", "center"),
    [
        (4, {}, 0), (4, {"pads": (1, 1, 1, 1)}, 8), (8, {"pads": (0, 0, 0, 1)}, 128),
        (9, {"pads": (1, 1, 1, 1)}, 0), (1, {"pads": (1, 1, 1, 1)}, 0),
        (1, {"pads": (1, 1, 1, 1), "pad_value": 2}, 1),
        (1, {"pads": (1, 1, 1, 1), "pad_value": 255}, 128),
        (1, {"pads": (1, 1, 1, 1), "pad_value": 256}, 0),
    ],
)  # fmt: skip
def test_codes_are_centered_where_bytes_are_copied(
    bits: int, options: dict[str, object], center: int
) -> None:
    layer = layer_of(np.ones((8, 3, 3, 8), np.int64), 4, bits, **options)
    assert {plan.center for plan in matrix.plans(layer, NEON)} == {center}


@pytest.mark.parametrize(
    ("shape", "options", "runs"),
    [
        ((8, 3, 3, 5), {}, (3, 1, 15)),
        ((8, 3, 3, 5), {"dilation": (2, 1)}, (3, 1, 15)),
        ((8, 3, 3, 5), {"dilation": (1, 2)}, (3, 3, 5)),
        ((8, 3, 1, 5), {"dilation": (1, 2)}, (3, 1, 5)),
        ((8, 3, 3, 5), {"groups": 2}, (3, 3, 5)),
        ((8, 1, 3, 5), {}, (1, 1, 15)),
        ((8, 1, 1, 5), {"groups": 2}, (1, 1, 5)),
    ],
)
def test_runs_are_rows_of_a_window_where_these_lie_together(
    shape: tuple[int, ...], options: dict[str, object], runs: tuple[int, int, int]
) -> None:
    """Several are filled up to whole units, one alone is not."""
    op = _conv(conv_program(np.ones(shape, np.int64), 9, 2, **options))
    for unit in (8, 16, 32):
        found = matrix.runs(op, shape, unit)
        assert (found.high, found.wide, found.length) == runs
        assert found.count == runs[0] * runs[1]
        assert found.rounded == (runs[2] if found.count == 1 else -(-runs[2] // unit) * unit)


@pytest.mark.parametrize("vectors", [NEON, Vectors(16, 16, frozenset({"neon"}))])
@pytest.mark.parametrize("channels", [8, 5])
def test_price(vectors: Vectors, channels: int) -> None:
    """Eight codes of a window are copied by three instructions, seven where a surplus is blanked;
    ARMv7 takes twice as many.
    """
    weight = 2 * np.random.default_rng(0).integers(0, 4, (16, 3, 3, channels)) - 3
    layer = layer_of(weight, 9, 2, stride=(2, 2), pads=(1, 1, 1, 1))
    found = list(matrix.plans(layer, vectors))
    assert found
    for plan in found:
        way, rows = plan.products, plan.grid.size
        assert plan.runs.length == 3 * channels
        copying = (3 if plan.runs.rounded == 3 * channels else 7) * (2 - (vectors is NEON))
        copied = rows * copying * way.depths * way.depth / 8
        reading = rows * way.reading * 16 / 8
        multiplying = rows // way.rows * way.blocks * way.instructions
        assert plan.instructions == pytest.approx(copied + reading + multiplying + way.expanding)
        whole, unit = plan.runs.rounded, way.depth
        assert whole % unit == 0 or unit % whole == 0


@pytest.mark.parametrize("name", ["stem", "strided, odd channels"])
def test_on_aarch64(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, *matrix.KERNELS)
    check(case(name, "greatest", 7), tmp_path, "aarch64")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("strided", "random"),
        ("1x1, odd", "greatest"),
        ("groups", "least"),
        ("strided, odd channels", "random"),
    ],
)
def test_pairs_of_bytes_on_aarch64(
    name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, *matrix.KERNELS)
    monkeypatch.setattr(gemm, "MICROS", (byte_pairs.MICRO,))
    shape, size, _, options = CASES[name]
    monkeypatch.setitem(CASES, name, (shape, size, 2, options))
    check(case(name, kind, 7), tmp_path, "aarch64")


@pytest.mark.parametrize("kind", ["greatest", "least"])
def test_sums_of_32_bits_on_aarch64(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Products near the end of 32 bits: 16-bit weights and numbers."""
    only(monkeypatch, *matrix.KERNELS)
    monkeypatch.setattr(gemm, "MICROS", (mlal16.MICRO,))
    weight = np.full((5, 1, 1, 2), 32767 if kind == "greatest" else -32767)
    check(conv_program(weight, 4, 15), tmp_path, "aarch64")
    sums = matrix.products(
        np.full((1, 1, 1, 3), 32767),
        _conv(conv_program(weight, 4, 15)),
        matrix.WindowRuns(1, 1, 3, 3),
        0,
        32767,
    )
    assert not list(mlal16.MICRO.plans(sums, NEON))


def _conv(program: Program) -> Conv:
    return next(op for op in program.ops if isinstance(op, Conv))


@pytest.mark.parametrize("shape", [(16, 3, 3, 8), (9, 3, 3, 11)], ids=["whole", "surplus"])
def test_two_bits_a_weight_on_aarch64(
    shape: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights of two bits lie so in the library; what is behind a run meets zeros."""
    only(monkeypatch, *matrix.KERNELS)
    monkeypatch.setattr(gemm, "MICROS", (byte_pairs.MICRO,))
    weight = 2 * np.random.default_rng(3).integers(0, 4, shape) - 3
    options = {"stride": (2, 2), "pads": (1, 1, 1, 1), "pad_value": 3}
    program = conv_program(weight, 7, 2, levels=3, **options)
    layer = Layer.of(_conv(program), program)
    chosen = cheapest(matrix.plans(layer, NEON), NEON)
    assert chosen is not None
    assert chosen.products.bits == 2
    check(program, tmp_path, "aarch64")
