"""Random engines that compute or move elements one by one."""

from __future__ import annotations

import numpy as np

from n2uqc.frontend.places import factored
from n2uqc.passes.program import (
    Add,
    Clamp,
    Concat,
    Constant,
    ConstRef,
    Interpolate,
    Lookup,
    Multiply,
    PRelu,
    Rearrange,
    Requantize,
    Thresholds,
)
from n2uqc.passes.program.ops.arrangement import OUTSIDE
from n2uqc.passes.program.types import limits_of

from ..engines import Engine
from .drawing import CHANNELS, Rng, engine_of, map_type, one


def thresholds(rng: Rng) -> Engine:
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


def requantize(rng: Rng) -> Engine:
    width, factor = int(rng.integers(8, 33)), int(rng.integers(4, 25))
    channels, signed = one(rng, 1, *CHANNELS), bool(rng.integers(2))
    multiplier = rng.integers(1 << (factor - 1), 1 << factor, channels)
    bits = int(rng.integers(2, min(width, 24) + 1))
    shift = min(width + factor - bits, 40)
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


def prelu(rng: Rng) -> Engine:
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


def clamp(rng: Rng) -> Engine:
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


def add(rng: Rng) -> Engine:
    channels = one(rng, 4, 8)
    a, b = (
        map_type((4, 4, channels), int(rng.integers(2, 33)), bool(rng.integers(2)))
        for _ in range(2)
    )
    return engine_of(rng, Add(output="y", inputs=("a", "b")), {"a": a, "b": b}, {})


def multiply(rng: Rng) -> Engine:
    channels = one(rng, 4, 8)
    a, b = (map_type((4, 4, channels), int(rng.integers(2, most)), True) for most in (33, 18))
    return engine_of(rng, Multiply(output="y", inputs=("a", "b")), {"a": a, "b": b}, {})


def concat(rng: Rng) -> Engine:
    bits = int(rng.integers(1, 25))
    a, b = (map_type((4, 4, one(rng, 4, 8, 12)), bits, True) for _ in range(2))
    return engine_of(rng, Concat(output="y", inputs=("a", "b")), {"a": a, "b": b}, {})


def rearrange(rng: Rng) -> Engine:
    """Return a shuffle, a transpose, depth to space or a margin."""
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


def interpolate(rng: Rng) -> Engine:
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


def lookup(rng: Rng) -> Engine:
    bits, width, channels = int(rng.integers(1, 7)), int(rng.integers(4, 25)), one(rng, 4, 8)
    low, high = limits_of(width, True)
    return engine_of(
        rng,
        Lookup(output="y", inputs=("x",), table=ConstRef("t")),
        {"x": map_type((4, 4, channels), bits, False)},
        {"t": Constant.narrow(rng.integers(low, high + 1, 1 << bits))},
    )
