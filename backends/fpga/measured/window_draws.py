"""Random engines that read windows: convolutions and pools."""

from __future__ import annotations

from typing import Any

from n2uqc.passes.program import (
    Constant,
    ConstRef,
    Conv,
    MaxPool,
    SumPool,
)
from n2uqc.passes.program.types import limits_of

from ..engines import Engine
from .drawing import CHANNELS, Rng, engine_of, map_type, one

LANES, WORK = 128, 700
"""Most lanes, and lanes times bits by bits, of a matrix-vector engine: larger ones take minutes."""

WEIGHTS = 1 << 18
"""Most weights of an engine, for the same reason."""


def codes(rng: Rng) -> Engine:
    """Return a convolution of codes with low-bit weights: odd ones, or whole numbers."""
    a = int(rng.integers(1, 5))
    w = a if rng.random() < 0.7 else int(rng.integers(1, 5))
    kernel, size = one(rng, 1, 3, 3), one(rng, 4, 7, 8, 14, 16, 28, 32)
    inputs, outputs = one(rng, *CHANNELS), one(rng, *CHANNELS)
    while inputs * outputs * kernel**2 > WEIGHTS:
        inputs, outputs = one(rng, *CHANNELS), one(rng, *CHANNELS)
    top, shape = (1 << w) - 1, (outputs, kernel, kernel, inputs)
    if rng.random() < 0.85:
        weight = Constant.odd(2 * rng.integers(0, top + 1, shape) - top, w)
    else:
        weight = Constant.narrow(rng.integers(-(top + 1) // 2, top // 2 + 1, shape))
    conv = Conv(
        output="y",
        inputs=("x",),
        weight=ConstRef("w"),
        stride=(one(rng, 1, 1, 2),) * 2,
        pads=(kernel // 2,) * 4,
    )
    return engine_of(
        rng,
        conv,
        {"x": map_type((size, size, inputs), a, False)},
        {"w": weight},
        lambda f: (
            f.pe * f.simd <= LANES
            and f.pe * f.simd * a * w <= WORK
            and (f.simd <= inputs or rng.random() < 0.3)
        ),
        wider=one(rng, 0, 0, 2, 5, 8),
    )


def fixed(rng: Rng) -> Engine:
    """Return a convolution in fixed point, as of stem, skip and head: also of one tap and one
    channel.
    """
    a, w = int(rng.integers(8, 25)), int(rng.integers(8, 25))
    kernel, size = one(rng, 1, 3, 7), one(rng, 4, 8, 16, 32)
    inputs = one(rng, 1, 3, 4, 8, 16, *((64, 512) if kernel == 1 else ()))
    outputs = one(rng, 4, 8, 10, 16, 32, 64)
    (low, high), pad = limits_of(w, True), kernel // 2
    conv = Conv(
        output="y",
        inputs=("x",),
        weight=ConstRef("w"),
        pads=(pad, pad, pad, pad),
        stride=(one(rng, 1, 2),) * 2,
    )
    return engine_of(
        rng,
        conv,
        {"x": map_type((size, size, inputs), a, bool(rng.integers(2)))},
        {"w": Constant.narrow(rng.integers(low, high + 1, (outputs, kernel, kernel, inputs)))},
        lambda f: f.pe * f.simd <= 8,
    )


def depthwise(rng: Rng) -> Engine:
    a, channels, size = (
        int(rng.integers(1, 9)),
        one(rng, *CHANNELS),
        one(rng, 4, 8, 14, 16, 32),
    )
    w = min(a, 4)
    codes = 2 * rng.integers(0, 1 << w, (channels, 3, 3, 1)) - (1 << w) + 1
    conv = Conv(
        output="y",
        inputs=("x",),
        weight=ConstRef("w"),
        groups=channels,
        pads=(1, 1, 1, 1),
        stride=(one(rng, 1, 1, 2),) * 2,
    )
    return engine_of(
        rng,
        conv,
        {"x": map_type((size, size, channels), a, False)},
        {"w": Constant.odd(codes, w)},
        lambda f: f.pe <= 16 and f.pe * f.simd <= 72,
    )


def pool(rng: Rng) -> Engine:
    bits, channels, size = (
        int(rng.integers(2, 25)),
        one(rng, *CHANNELS),
        one(rng, 4, 8, 14, 16),
    )
    kernel = one(rng, 2, 3)
    pool: Any = one(rng, MaxPool, SumPool)
    op = pool(
        output="y",
        inputs=("x",),
        kernel=(kernel,) * 2,
        stride=(2, 2),
        pads=(kernel // 2 if kernel == 3 else 0,) * 4,
    )
    return engine_of(
        rng,
        op,
        {"x": map_type((size, size, channels), bits, bool(rng.integers(2)))},
        {},
        lambda f: f.pe * f.simd <= 36,
    )


def global_pool(rng: Rng) -> Engine:
    bits, channels, size = int(rng.integers(2, 25)), one(rng, *CHANNELS), one(rng, 3, 4, 7, 8)
    pool: Any = one(rng, MaxPool, SumPool, SumPool)
    op = pool(output="y", inputs=("x",), kernel=(size, size), stride=(size, size))
    return engine_of(
        rng,
        op,
        {"x": map_type((size, size, channels), bits, bool(rng.integers(2)))},
        {},
        lambda f: f.pe <= 8,
    )
