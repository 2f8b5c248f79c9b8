"""Products of 16-bit pairs on Cortex-M: strided, pointwise and fully connected, extreme numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from n2uqc.backends import compile as compile_program
from n2uqc.backends import find_target, read_manifest, run_artifact
from n2uqc.backends.cpu import choose
from n2uqc.backends.cpu.kernels import matrix
from n2uqc.backends.cpu.kernels.body import Vectors
from n2uqc.backends.cpu.kernels.gemm import Gemm, smlad
from n2uqc.backends.cpu.model import build_model
from n2uqc.passes.plan_memory import plan_memory
from n2uqc.passes.program import Constant, Conv, Program, run
from tests.properties.programs import Builder

CORTEX_M = Vectors(4, 12, frozenset({"dsp"}))


def conv(
    bits: int,
    channels: int,
    out: int,
    size: int,
    kernel: int = 3,
    stride: int = 1,
    extreme: bool = False,
    wide: int = 0,
) -> Program:
    b = Builder(bits * 7 + out, size, channels, bits, False)
    top = (1 << bits) - 1
    if wide:
        kind = b.types["x"]
        b.types["x"] = type(kind).ranged(kind.shape, -wide, wide - 1, kind.scale)
    shape = (out, kernel, kernel, channels)
    values = 2 * b.rng.integers(0, top + 1, shape) - top
    if extreme:
        values[:] = np.where(np.arange(out) % 2, top, -top)[:, None, None, None]
    pads = (kernel // 2,) * 4
    acc = b.add(
        Conv, "x", weight=b.const(Constant.odd(values, bits)), stride=(stride, stride), pads=pads
    )
    return plan_memory(b.finish(acc))


def case(**options: object) -> dict[str, object]:
    return options


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m7"])
@pytest.mark.parametrize(
    "options",
    [
        case(bits=2, channels=16, out=8, size=7, stride=2),
        case(bits=4, channels=12, out=6, size=6, stride=2, extreme=True),
        case(bits=3, channels=5, out=3, size=5, kernel=1),
        case(bits=4, channels=33, out=10, size=1, kernel=1, extreme=True),
        case(bits=4, channels=9, out=4, size=4, wide=1 << 15, extreme=True),
        case(bits=15, channels=9, out=4, size=4, wide=1 << 15, extreme=True),
        case(bits=15, channels=40, out=6, size=1, kernel=1, wide=1 << 15, extreme=True),
        case(bits=15, channels=7, out=3, size=5, kernel=1, wide=1 << 15),
    ],
)
def test_equal_to_the_interpreter(
    options: dict[str, object], core: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(choose.TABLE, Conv, matrix.KERNELS)
    program = conv(**options)
    folder = compile_program(program, core).save(tmp_path / "net")
    assert "two products a step" in read_manifest(folder)["kernels"][0]["reason"]
    kind = program.types[program.input]
    x = np.random.default_rng(5).integers(kind.lo, kind.hi + 1, (4, *kind.shape))
    x[0], x[1] = kind.lo, kind.hi
    np.testing.assert_array_equal(run_artifact(folder, x), run(program, x))


def gemm(weight: int, lo: int, hi: int, depth: int = 6) -> Gemm:
    weights = np.full((1, 2, depth), weight)
    return Gemm(weights, np.full((1, depth), lo), np.full((1, depth), hi))


def test_what_fits() -> None:
    assert list(smlad.plans(gemm(15, 0, 15), CORTEX_M))
    assert list(smlad.plans(gemm((1 << 15) - 1, 1 - (1 << 15), (1 << 15) - 1, 2), CORTEX_M))
    assert not list(smlad.plans(gemm(1 << 15, 0, 1), CORTEX_M))
    assert not list(smlad.plans(gemm(1, 0, 1 << 15), CORTEX_M))
    assert not list(smlad.plans(gemm(1, 0, 1), Vectors(16, 16, frozenset({"neon", "dsp"}))))
    parts = [p.parts for p in smlad.plans(gemm(20000, 0, 20000, 8), CORTEX_M) if p.depth == 4]
    assert min(parts) == 1  # in 64 bits; eight products of 4e8 exceed 32 bits, four do not
    assert {p.parts for p in smlad.plans(gemm(20000, 0, 20000, 8), CORTEX_M) if p.dtype == "int32"
            and p.depth == 4} == {2}  # fmt: skip


def test_weights_of_a_single_position_are_not_expanded(tmp_path: Path) -> None:
    """They would be read once; where more positions read them, the library keeps bytes."""
    for size, wide in ((1, True), (6, False)):
        program = conv(bits=2, channels=32, out=16, size=size, kernel=1)
        model = build_model(program, "net", find_target("cortex-m4").processor)
        (weights,) = [a for a in model.constants.arrays.values() if a.size >= 32 * 16]
        assert (weights.dtype == np.int16) == wide
