"""Small whole networks for tests of objects, drivers and artifacts."""

from __future__ import annotations

from fractions import Fraction

from n2uqc.passes.program import Add, Clamp, Flatten, IntType, MaxPool, Program, SumPool
from tests.properties.programs import Builder


def residual_network(bits: int = 2, seed: int = 0) -> Program:
    """Stem, a residual block, a strided block, pooling, head: every family of kernels."""
    b = Builder(seed, 12, 3, 8, False)
    scale = Fraction(1, 64)

    def rescale(name: str) -> str:
        kind = b.types[name]
        b.types[name] = IntType.ranged(kind.shape, kind.lo, kind.hi, scale)
        return name

    stream = b.requantize(b.conv("x", 16, bits=7, odd=False))
    stream = rescale(b.add(Clamp, stream, lo=0, hi=20000))
    branch = b.conv(b.thresholds(stream, bits), 16, bits=bits)
    branch = b.requantize(b.conv(b.thresholds(branch, bits), 16, bits=bits, groups=16, kernel=1))
    if b.types[branch].shape == b.types[stream].shape:
        stream = b.prelu(rescale(b.add(Add, branch, stream)))
    stream = b.requantize(b.conv(b.thresholds(stream, bits), 24, bits=bits, stride=2))
    stream = b.add(MaxPool, stream, kernel=(2, 2), stride=(1, 1), pads=(1, 0, 0, 1))
    stream = b.add(SumPool, stream, kernel=b.types[stream].shape[:2])
    head = b.conv(b.add(Flatten, stream), 10, bits=8, odd=False, kernel=1)
    return b.finish(b.requantize(head, 32))
