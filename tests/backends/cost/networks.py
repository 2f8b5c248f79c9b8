"""A small residual program with a stem, low-bit blocks and a head, for the cost tests."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from n2uqc.passes.program import Add, Constant, Conv, IntType, Program, SumPool

from ...properties.programs import Builder


def _conv(b: Builder, x: str, out: int, bits: int, stride: int = 1) -> str:
    """Return a 3x3 convolution of odd weights that keeps the size (at stride 1)."""
    top = (1 << bits) - 1
    weight = 2 * b.rng.integers(0, top + 1, (out, 3, 3, b.types[x].shape[2])) - top
    name = b.const(Constant.odd(weight.astype(np.int64), bits))
    return b.add(Conv, x, weight=name, stride=(stride, stride), pads=(1, 1, 1, 1))


def residual(
    bits: int = 2, widths: tuple[int, ...] = (16, 32), size: int = 8, seed: int = 0
) -> Program:
    """Stem, one block a width (skip where shapes allow), pooling, head; random weights."""
    b = Builder(seed, size, 3, 8, True)
    stream = b.requantize(b.conv("x", widths[0], bits=7, odd=False))
    for k, width in enumerate(widths):
        acc = _conv(b, b.thresholds(stream, bits), width, bits, stride=2 if k else 1)
        branch = b.requantize(_conv(b, b.thresholds(acc, bits), width, bits))
        if b.types[branch].shape == b.types[stream].shape:
            branch = b.add(Add, branch, stream)
            kind = b.types[branch]
            b.types[branch] = IntType.ranged(kind.shape, kind.lo, kind.hi, Fraction(1, 64))
        stream = b.prelu(branch)
    stream = b.add(SumPool, stream, kernel=b.types[stream].shape[:2])
    return b.finish(b.requantize(b.conv(stream, 10, bits=8, odd=False, kernel=1), 32))
