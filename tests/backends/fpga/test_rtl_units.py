"""Each hardware unit on a small map: bits of the interpreter, cycles of the timing model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("amaranth", reason="hardware needs the extra rtl")

from n2uqc.backends.fpga import Fold, Folding, build_pipeline
from n2uqc.backends.fpga.folding import engines_of
from n2uqc.backends.fpga.timing import MachineNetwork
from n2uqc.passes.program import Add, Clamp, MaxPool, SumPool

from ...properties.programs import Builder
from .test_rtl import agrees
from .test_timing import finished

UNITS: dict[str, tuple[Callable[[Builder], str], int]] = {
    "uneven window": (
        lambda b: b.conv("x", 2, bits=2, odd=False, kernel=2, dilation=2), 0
    ),
    "strided window": (lambda b: b.conv("x", 2, bits=3, kernel=3, stride=2), 1),
    "products": (lambda b: b.conv("x", 4, bits=6, odd=False, kernel=1), 2),
    "greatest": (
        lambda b: b.add(MaxPool, "x", kernel=(2, 3), stride=(2, 1), pads=(1, 1, 0, 1)), 3
    ),
    "sum": (lambda b: b.add(SumPool, "x", kernel=(3, 2), stride=(1, 2), pads=(0, 1, 1, 0)), 4),
    "bent": (lambda b: b.prelu("x"), 5),
    "requantized": (lambda b: b.requantize("x", 6), 6),
    "clamped": (lambda b: b.add(Clamp, "x", lo=-3, hi=2), 7),
    "compared": (lambda b: b.thresholds("x", 2), 8),
    "summed": (lambda b: b.add(Add, "x", "x"), 9),
    "looked up": (lambda b: b.lookup(b.thresholds("x", 2)), 10),
    "by pieces": (lambda b: b.interpolate("x"), 11),
    "moved": (lambda b: b.rearrange("x", 3), 12),
    "joined": (lambda b: b.concat("x", "x"), 13),
}  # fmt: skip


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize("wide", [False, True])
def test_bits_and_cycles(name: str, wide: bool) -> None:
    """One lane, and as many as there may be; the last image is all greatest numbers."""
    make, seed = UNITS[name]
    b = Builder(seed, 4, 4, 5, True)
    program = finished(b, make(b))
    folds = {
        engine.name: Fold(engine.pe_options[-1], engine.simd_options[-1])
        if wide
        else Fold(1, engine.simd_options[len(engine.simd_options) // 2])
        for engine in engines_of(program)
    }
    kind = program.int_type(program.input)
    x = np.random.default_rng(seed).integers(kind.lo, kind.hi + 1, (2, *kind.shape))
    x[1] = kind.hi
    agrees(program, x, MachineNetwork(build_pipeline(program, Folding(folds))), seed)
