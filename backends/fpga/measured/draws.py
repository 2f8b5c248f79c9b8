"""Engines to hold counted resources against: drawn at random, each named by kind and number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from n2uqc.frontend.places import factored
from n2uqc.passes.program import (
    Add,
    Clamp,
    Concat,
    Constant,
    ConstRef,
    Conv,
    Interpolate,
    Lookup,
    MaxPool,
    Multiply,
    PRelu,
    Rearrange,
    Requantize,
    SumPool,
    Thresholds,
)
from n2uqc.passes.program.ops.arrangement import OUTSIDE
from n2uqc.passes.program.types import limits_of

from ..engines import Engine
from .drawing import Rng, engine_of, map_type, one

LANES, WORK = 128, 700
"""Most lanes, and lanes times bits by bits, of a matrix-vector engine: larger ones take minutes."""

WEIGHTS = 1 << 18
"""Most weights of an engine, for the same reason."""

CHANNELS = (3, 4, 8, 12, 16, 24, 32, 64, 96, 128, 256, 512)


def draw(kind: str, number: int) -> tuple[Engine, str]:
    """An engine of a kind of ``KINDS``, folded, and the form to build it in."""
    rng = np.random.default_rng([sum(map(ord, kind)), number])
    engine = KINDS[kind](rng)
    return engine, str(rng.choice(engine.forms))


def _codes(rng: Rng) -> Engine:
    """A convolution of codes with low-bit weights: odd ones, or whole numbers."""
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


def _fixed(rng: Rng) -> Engine:
    """A convolution in fixed point, as of stem, skip and head: also of one tap and one channel."""
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


def _depthwise(rng: Rng) -> Engine:
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


def _pool(rng: Rng) -> Engine:
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


def _global_pool(rng: Rng) -> Engine:
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


def _thresholds(rng: Rng) -> Engine:
    width, bits, channels = (
        int(rng.integers(6, 33)),
        int(rng.integers(1, 5)),
        one(rng, *CHANNELS),
    )
    steps = (1 << bits) - 1
    x_type = map_type((4, 4, channels), width, True)
    reach = max(steps + 1, (x_type.hi - x_type.lo) // one(rng, 4, 16, 64))
    bounds = np.sort(rng.integers(-reach // 2, reach // 2, (channels, steps)), axis=1)
    signs, base = np.ones_like(bounds), np.zeros(channels, np.int64)
    if rng.random() < 0.25:
        falling = rng.random(channels) < 0.3
        signs[falling], base[falling] = -1, steps
    op = Thresholds(
        output="y",
        inputs=("x",),
        bounds=ConstRef("t"),
        signs=ConstRef("s"),
        base=ConstRef("b"),
        bits=bits,
    )
    return engine_of(
        rng,
        op,
        {"x": x_type},
        {"t": Constant.narrow(bounds), "s": Constant.odd(signs, 1), "b": Constant.narrow(base)},
        lambda f: f.pe <= 8 or f.pe == channels <= 12,
    )


def _requantize(rng: Rng) -> Engine:
    width, factor = int(rng.integers(8, 33)), int(rng.integers(4, 25))
    channels, signed = one(rng, 1, *CHANNELS), bool(rng.integers(2))
    multiplier = rng.integers(1 << (factor - 1), 1 << factor, channels)
    bits = int(rng.integers(2, min(width, 24) + 1))
    shift = int(np.clip(width + factor - bits, 1, 40))
    shifts = np.full(channels, shift) - (rng.integers(0, 4, channels) if rng.random() < 0.3 else 0)
    bias = rng.integers(-(1 << (width + factor - 4)), 1 << (width + factor - 4), channels)
    low, high = limits_of(bits, signed)
    op = Requantize(
        output="y",
        inputs=("x",),
        multiplier=ConstRef("m"),
        bias=ConstRef("b"),
        shift=ConstRef("s"),
        lo=low,
        hi=high,
    )
    return engine_of(
        rng,
        op,
        {"x": map_type((4, 4, channels), width, True)},
        {
            "m": Constant.narrow(multiplier),
            "b": Constant.narrow(bias),
            "s": Constant.narrow(np.maximum(shifts, 0)),
        },
        lambda f: f.pe <= 4,
    )


def _prelu(rng: Rng) -> Engine:
    width, factor, channels = (
        int(rng.integers(8, 33)),
        int(rng.integers(6, 18)),
        one(rng, *CHANNELS),
    )
    low, high = limits_of(width, True)
    op = PRelu(
        output="y",
        inputs=("x",),
        multiplier=ConstRef("m"),
        bias=ConstRef("b"),
        shift=factor - 1,
        lo=low,
        hi=high,
    )
    return engine_of(
        rng,
        op,
        {"x": map_type((4, 4, channels), width, True)},
        {
            "m": Constant.narrow(rng.integers(-(1 << (factor - 1)), 1 << (factor - 1), channels)),
            "b": Constant.narrow(rng.integers(-(1 << (width - 2)), 1 << (width - 2), channels)),
        },
        lambda f: f.pe <= 4,
    )


def _clamp(rng: Rng) -> Engine:
    width, channels = int(rng.integers(6, 33)), one(rng, 4, 8)
    low, high = limits_of(width, True)
    low = one(rng, 0, int(rng.integers(low, 0)))
    high = one(rng, high, int(rng.integers(high // 8, high)))
    return engine_of(
        rng,
        Clamp(output="y", inputs=("x",), lo=low, hi=high),
        {"x": map_type((4, 4, channels), width, True)},
        {},
    )


def _add(rng: Rng) -> Engine:
    channels = one(rng, 4, 8)
    a, b = (
        map_type((4, 4, channels), int(rng.integers(2, 33)), bool(rng.integers(2)))
        for _ in range(2)
    )
    return engine_of(rng, Add(output="y", inputs=("a", "b")), {"a": a, "b": b}, {})


def _multiply(rng: Rng) -> Engine:
    channels = one(rng, 4, 8)
    a, b = (map_type((4, 4, channels), int(rng.integers(2, most)), True) for most in (33, 18))
    return engine_of(rng, Multiply(output="y", inputs=("a", "b")), {"a": a, "b": b}, {})


def _concat(rng: Rng) -> Engine:
    bits = int(rng.integers(1, 25))
    a, b = (map_type((4, 4, one(rng, 4, 8, 12)), bits, True) for _ in range(2))
    return engine_of(rng, Concat(output="y", inputs=("a", "b")), {"a": a, "b": b}, {})


def _rearrange(rng: Rng) -> Engine:
    """A shuffle, a transpose, depth to space or a margin."""
    bits, channels = int(rng.integers(1, 25)), one(rng, 4, 8, 12)
    places = np.arange(16 * channels).reshape(4, 4, channels)
    form = int(rng.integers(4))
    if form == 0:
        places = places.reshape(4, 4, 2, -1).swapaxes(2, 3).reshape(4, 4, -1)
    elif form == 1:
        places = places.transpose(2, 0, 1)
    elif form == 2:
        places = places.reshape(4, 4, 2, 2, -1).swapaxes(1, 2).reshape(8, 8, -1)
    else:
        places = np.pad(places, ((1, 1), (1, 1), (0, 0)), constant_values=OUTSIDE)
    factors = factored(places)
    assert factors is not None
    names = ("rows", "columns", "channels")
    tables = {n: Constant.narrow(t) for n, t in zip(names, factors, strict=True)}
    return engine_of(
        rng,
        Rearrange(
            output="y",
            inputs=("x",),
            rows=ConstRef("rows"),
            columns=ConstRef("columns"),
            channels=ConstRef("channels"),
        ),
        {"x": map_type((4, 4, channels), bits, True)},
        tables,
    )


def _interpolate(rng: Rng) -> Engine:
    width, pieces, channels = int(rng.integers(8, 25)), one(rng, 32, 100, 256), one(rng, 4, 8)
    tables = {
        "b": Constant.narrow(rng.integers(-(1 << 27), 1 << 27, (1, pieces))),
        "s": Constant.narrow(rng.integers(-(1 << 12), 1 << 12, (1, pieces))),
    }
    op = Interpolate(
        output="y",
        inputs=("x",),
        base=ConstRef("b"),
        slope=ConstRef("s"),
        start=-(1 << (width - 1)),
        step=max(0, width - pieces.bit_length() + 1),
        shift=int(rng.integers(4, 13)),
    )
    return engine_of(rng, op, {"x": map_type((4, 4, channels), width, True)}, tables)


def _lookup(rng: Rng) -> Engine:
    bits, width, channels = int(rng.integers(1, 7)), int(rng.integers(4, 25)), one(rng, 4, 8)
    low, high = limits_of(width, True)
    return engine_of(
        rng,
        Lookup(output="y", inputs=("x",), table=ConstRef("t")),
        {"x": map_type((4, 4, channels), bits, False)},
        {"t": Constant.narrow(rng.integers(low, high + 1, 1 << bits))},
    )


KINDS: Mapping[str, Callable[[Rng], Engine]] = {
    "codes": _codes,
    "fixed": _fixed,
    "depthwise": _depthwise,
    "pool": _pool,
    "global pool": _global_pool,
    "threshold": _thresholds,
    "requantize": _requantize,
    "prelu": _prelu,
    "clamp": _clamp,
    "add": _add,
    "multiply": _multiply,
    "concat": _concat,
    "rearrange": _rearrange,
    "interpolate": _interpolate,
    "lookup": _lookup,
}
"""What is drawn: kinds of engines, matrix-vector in low bits and in fixed point."""
