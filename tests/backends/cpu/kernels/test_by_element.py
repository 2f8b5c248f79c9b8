"""Products by element on both NEONs, run: random weights, and the ends of all ranges."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from n2uqc.backends.cpu.kernels import gemm, matrix, winograd
from n2uqc.backends.cpu.kernels.gemm import Micro, byte_pairs, mla16, mlal16
from n2uqc.backends.cpu.kernels.offer import Kernel

from .cases import check, conv_program, ends, only


class Case(NamedTuple):
    """A convolution of odd channel counts: weights of a shape up to ``top``, codes of ``bits``."""

    micro: Micro
    kernels: tuple[Kernel, ...]
    shape: tuple[int, int, int, int]
    size: int
    bits: int
    top: int
    options: dict[str, Any]


SAME: dict[str, Any] = {"pads": (1, 1, 1, 1)}
STRIDED: dict[str, Any] = {"stride": (2, 2), "pads": (1, 1, 1, 1)}
CASES = {
    "mlal16, Winograd": Case(mlal16.MICRO, winograd.KERNELS, (18, 3, 3, 19), 7, 6, 63, SAME),
    "mlal16, strided": Case(mlal16.MICRO, matrix.KERNELS, (9, 3, 3, 17), 7, 8, 255, STRIDED),
    "mla16, Winograd": Case(mla16.MICRO, winograd.KERNELS, (18, 3, 3, 19), 7, 2, 3, SAME),
    # 34 products of 31 by 31 fill 16 bits but for 93.
    "mla16, full": Case(mla16.MICRO, matrix.KERNELS, (21, 1, 1, 34), 3, 5, 31, {}),
    "mla16, parts": Case(mla16.MICRO, matrix.KERNELS, (21, 1, 1, 67), 3, 5, 31, {}),
    "byte_pairs, strided": Case(byte_pairs.MICRO, matrix.KERNELS, (9, 3, 3, 17), 7, 2, 1, STRIDED),
    # Sums from -127 to 127.
    "byte_pairs, full": Case(byte_pairs.MICRO, matrix.KERNELS, (33, 1, 1, 127), 3, 1, 1, {}),
}


@pytest.mark.parametrize("target", ["aarch64", "armv7"])
@pytest.mark.parametrize("kind", ["random", "ends"])
@pytest.mark.parametrize("name", CASES)
def test_convolutions(
    name: str, kind: str, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    only(monkeypatch, *case.kernels)
    monkeypatch.setattr(gemm, "MICROS", (case.micro,))
    weight = {
        "random": np.random.default_rng(7).integers(-case.top, case.top + 1, case.shape),
        "ends": ends(case.shape, case.top),
    }[kind]
    levels = 3 if kind == "random" else 0  # the sums themselves where they are largest
    program = conv_program(weight, case.size, case.bits, levels=levels, **case.options)
    check(program, tmp_path, target)


@pytest.mark.parametrize("out", [1, 16])
def test_surplus_runs_of_a_window_read_nothing_outside_the_stage(
    out: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nine taps fill 72 steps of 80: LLVM dropped the result of what read a tenth one."""
    only(monkeypatch, *matrix.KERNELS)
    monkeypatch.setattr(gemm, "MICROS", (byte_pairs.MICRO,))
    weight = np.array([-15, -5, -13, 9, -15, 9, -5, 13, 5]).reshape(1, 3, 3, 1).repeat(out, 0)
    check(conv_program(weight, 1, 3, pads=(3,) * 4, dilation=(3, 3)), tmp_path, "aarch64")
