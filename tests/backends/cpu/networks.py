"""Small whole networks for tests of objects, drivers and artifacts."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from n2uqc.passes.program import (
    Add,
    Clamp,
    Constant,
    Conv,
    Flatten,
    IntType,
    MaxPool,
    Program,
    SumPool,
)
from tests.properties.programs import Builder


def residual_network(bits: int = 2, seed: int = 0) -> Program:
    """Stem, a residual block, a strided block, pooling, head: every family of kernels."""
    b = Builder(seed, 12, 3, 8, False)
    scale, top = Fraction(1, 64), (1 << bits) - 1

    def rescale(name: str) -> str:
        kind = b.types[name]
        b.types[name] = IntType.ranged(kind.shape, kind.lo, kind.hi, scale)
        return name

    def conv(x: str, shape: tuple[int, ...], stride: int = 1, groups: int = 1) -> str:
        weight = Constant.odd(2 * b.rng.integers(0, top + 1, shape) - top, bits)
        pad = shape[1] // 2
        return b.add(
            Conv,
            x,
            weight=b.const(weight),
            stride=(stride, stride),
            groups=groups,
            pads=(pad, pad, pad, pad),
        )

    stem = Constant.narrow(np.asarray(b.rng.integers(-127, 128, (16, 3, 3, 3))))
    stream = b.requantize(b.add(Conv, "x", weight=b.const(stem), pads=(1, 1, 1, 1)))
    stream = rescale(b.add(Clamp, stream, lo=0, hi=20000))
    branch = b.thresholds(conv(b.thresholds(stream, bits), (16, 3, 3, 16)), bits)
    branch = b.requantize(conv(branch, (16, 3, 3, 1), groups=16))
    stream = b.prelu(rescale(b.add(Add, branch, stream)))
    stream = b.requantize(conv(b.thresholds(stream, bits), (24, 3, 3, 16), stride=2))
    stream = b.add(MaxPool, stream, kernel=(2, 2), stride=(1, 1), pads=(1, 0, 0, 1))
    stream = b.add(SumPool, stream, kernel=b.types[stream].shape[:2])
    head = b.conv(b.add(Flatten, stream), 10, bits=8, odd=False, kernel=1)
    return b.finish(b.requantize(head, 32))
