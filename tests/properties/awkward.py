"""Random programs with shapes that are difficult for kernels.

Prime and odd channel counts, single rows and columns, maps of 7x7, windows of any shape with uneven
pads, strides and dilation, groups, tensors beyond 32 bits, tables of up to 255 steps, means whose
windows count differently; inputs drive sums to their ends.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

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
from n2uqc.passes.program.types import limits_of

from .programs import Builder
from .spec import clamped

_CHANNELS = (1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 24, 31, 33, 64, 65, 81)
_WINDOWS = (
    (3, 3),
    (3, 3),
    (3, 3),
    (3, 3),
    (1, 1),
    (1, 3),
    (3, 1),
    (2, 2),
    (5, 5),
    (7, 7),
    (4, 3),
    (1, 5),
    (5, 3),
    (9, 3),
    (11, 3),
    (3, 5),
)
_WORK = 1_500_000  # products of one convolution
_SCALE = Fraction(1, 64)

Draw = Any


def _map(draw: Draw) -> tuple[int, int]:
    form = draw(st.sampled_from(["row", "column", "seven", "square", "any", "point"]))
    n, m = draw(st.integers(1, 40)), draw(st.integers(1, 14))
    return {
        "row": (1, n),
        "column": (n, 1),
        "seven": (7, 7),
        "square": (m, m),
        "any": (m, draw(st.integers(1, 17))),
        "point": (1, 1),
    }[form]


def _rescaled(b: Builder, name: str) -> str:
    kind = b.types[name]
    b.types[name] = IntType.ranged(kind.shape, kind.lo, kind.hi, _SCALE)
    return name


def _conv(draw: Draw, b: Builder, x: str, out: int | None = None) -> str:
    kind = b.types[x]
    height, width, channels = kind.shape
    kh, kw = draw(st.sampled_from(_WINDOWS))
    if height == width == 1 and draw(st.booleans()):
        kh = kw = 1
    dilation = (draw(st.sampled_from([1, 1, 1, 2, 3])), draw(st.sampled_from([1, 1, 1, 2])))
    stride = (draw(st.sampled_from([1, 1, 2, 3])), draw(st.sampled_from([1, 1, 2])))
    if draw(st.booleans()):
        dilation, stride = (dilation[0],) * 2, (stride[0],) * 2
    reach = [(k - 1) * d for k, d in zip((kh, kw), dilation, strict=True)]
    same = draw(st.booleans())
    pads = tuple(r // 2 if same else draw(st.integers(0, min(r + 1, 6))) for r in (*reach, *reach))
    short = [
        max(0, r + 1 - n - pads[k] - pads[k + 2])
        for k, (r, n) in enumerate(zip(reach, (height, width), strict=True))
    ]
    pads = (pads[0], pads[1], pads[2] + short[0], pads[3] + short[1])
    groups = draw(st.sampled_from([1, 1, 1, channels, *(g for g in (2, 3, 4) if not channels % g)]))
    if out is None:
        out = draw(st.sampled_from(_CHANNELS))
        positions = -(-(height + pads[0] + pads[2]) // stride[0]) * -(
            -(width + pads[1] + pads[3]) // stride[1]
        )
        room = _WORK // max(1, positions * kh * kw * (channels // groups))
        out = max(groups, min(out, room) // groups * groups)
    elif out % groups:
        groups = 1
    shape, levels = (out, kh, kw, channels // groups), 0
    most = max(abs(kind.lo), abs(kind.hi), 1)
    room = 62 - most.bit_length() - int(np.prod(shape[1:])).bit_length()
    if draw(st.booleans()) and room > 3:
        bits = draw(st.integers(1, 4))
        top = (1 << bits) - 1
        weight = Constant.odd(2 * b.rng.integers(0, top + 1, shape) - top, bits)
    else:
        top = 1 << max(0, min(draw(st.sampled_from([0, 1, 3, 7, 11, 15, 23, 30])), room - 1))
        weight = Constant.narrow(b.rng.integers(-top, top + 1, shape))
    if draw(st.integers(0, 4)) == 0 and room > 3:
        weight, levels = b.level_weight(shape, draw(st.integers(1, 5)), kind)
    if draw(st.integers(0, 9)) == 0 and not levels:  # outputs that are constant
        values = weight.values.copy()
        values[:: draw(st.integers(1, 3))] = 0
        weight = Constant.narrow(values)
    farthest = Conv.farthest_pad - 1
    low, high = (clamped(end, -farthest, farthest) for end in (kind.lo, kind.hi))
    pad_value = int(b.rng.integers(low, high + 1)) if draw(st.integers(0, 3)) == 0 else 0
    if room > 3 and 3 < most < 1 << 30 and draw(st.integers(0, 5)) == 0:
        # A zero point that no code has.
        pad_value = draw(st.sampled_from([low - 3, high + 3]))
    return b.add(
        Conv,
        x,
        weight=b.const(weight),
        stride=stride,
        pads=pads,
        dilation=dilation,
        groups=groups,
        pad_value=pad_value,
        levels=levels,
    )


def _pool(draw: Draw, b: Builder, x: str) -> str:
    kind = b.types[x]
    size = kind.shape[:2]
    most = max(abs(kind.lo), abs(kind.hi), 1).bit_length()
    what = draw(st.sampled_from(["max", "sum", "mean"])) if most <= 50 else "max"
    kernel = tuple(draw(st.integers(1, min(n + 1, 7))) for n in size)
    stride = tuple(draw(st.integers(1, 3)) for _ in size)
    pads = [draw(st.integers(0, (k - 1) // 2)) for k in kernel * 2]
    for axis in range(2):
        short = kernel[axis] - size[axis] - pads[axis] - pads[axis + 2]
        pads[axis + 2] += max(0, short)
    fields: dict[str, Any] = {"kernel": kernel, "stride": stride, "pads": tuple(pads)}
    if what == "max":
        return b.add(MaxPool, x, **fields)
    if what == "mean" and most <= 40:
        counted = tuple(draw(st.integers(0, p)) for p in pads)
        return b.add(SumPool, x, **fields, counted=counted)
    return b.add(SumPool, x, **fields)


def _narrower(draw: Draw, b: Builder, x: str) -> str:
    """Add the operation after sums: a table, fixed point of some width, or nothing."""
    kind = b.types[x]
    most = max(abs(kind.lo), abs(kind.hi), 1).bit_length()
    what = draw(st.sampled_from(["codes", "codes", "fixed", "fixed", "table", "none"]))
    if what == "codes":
        return b.thresholds(x, draw(st.integers(1, 4)))
    if what == "table":
        return b.thresholds(x, draw(st.integers(5, 8)))
    if what == "none" or most > 54:
        return x
    name = b.requantize(x, draw(st.sampled_from([8, 12, 16, 17, 24, 32, 33, 48])))
    then = draw(st.sampled_from(["", "prelu", "clamp", "clamp codes"]))
    kind = b.types[name]
    if then == "prelu" and kind.bits <= 40:
        return b.prelu(name, kind.bits)
    if then.startswith("clamp"):
        name = _rescaled(b, b.add(Clamp, name, lo=0, hi=max(1, kind.hi // 2)))
        return b.thresholds(name, draw(st.integers(1, 4))) if then == "clamp codes" else name
    return name


def _block(draw: Draw, b: Builder, x: str) -> str:
    what = draw(
        st.sampled_from(
            ["conv"] * 5 + ["pool", "residual", "skip", "lookup", "concat", "flatten", "point"]
        )
    )
    kind = b.types[x]
    if what == "pool":
        return _narrower(draw, b, _pool(draw, b, x))
    if what == "flatten":
        return _narrower(draw, b, b.add(Flatten, x)) if kind.size <= 600 else x
    if what == "point":
        return _narrower(draw, b, x)
    if what == "lookup":
        levels = b.lookup(b.thresholds(x, draw(st.integers(1, 8))))
        return levels if draw(st.booleans()) else _narrower(draw, b, levels)
    if what == "concat":
        return b.concat(_rescaled(b, x), _narrow(draw, b, x)) if x != "x" else x
    if what in ("residual", "skip") and x != "x" and kind.bits <= 48:
        code = b.thresholds(x, draw(st.integers(1, 4)))
        other = _conv(draw, b, code, kind.shape[2])
        if b.types[other].shape != kind.shape:
            return _narrower(draw, b, other)
        if what == "residual":
            other = b.requantize(other, draw(st.sampled_from([8, 16, 24, 40])))
        total = _rescaled(
            b, b.add(Add, *draw(st.permutations([_rescaled(b, other), _rescaled(b, x)])))
        )
        return _narrower(draw, b, total)
    if kind.bits > 24 or kind.shape[2] * kind.shape[0] * kind.shape[1] > 12000:
        x = _narrower(draw, b, x)
    return _narrower(draw, b, _conv(draw, b, x))


def _narrow(draw: Draw, b: Builder, x: str) -> str:
    return _rescaled(b, b.thresholds(x, draw(st.integers(1, 4))))


def _extreme(b: Builder, program: Program, count: int) -> np.ndarray:
    """Return inputs at both ends, some of which make sums of the first convolution extreme."""
    kind = program.types["x"]
    rows = [b.rng.integers(kind.lo, kind.hi + 1, kind.shape, dtype=np.int64)]
    rows += [np.full(kind.shape, end, np.int64) for end in (kind.hi, kind.lo)]
    rows.append(b.rng.choice([kind.lo, kind.hi], kind.shape))
    first = next((op for op in program.ops if isinstance(op, Conv) and op.inputs == ("x",)), None)
    if first is not None and first.groups == 1:
        taps = program.constants[first.weight].values
        tap = taps[
            b.rng.integers(len(taps)), b.rng.integers(taps.shape[1]), b.rng.integers(taps.shape[2])
        ]
        rows.append(np.broadcast_to(np.where(tap > 0, kind.hi, kind.lo), kind.shape))
    order = b.rng.permutation(len(rows))[:count]
    return np.stack([rows[k] for k in order]).astype(np.int64)


@st.composite
def awkward_programs(draw: Draw) -> tuple[Program, np.ndarray]:
    """A random program and a batch for it."""
    b = Builder(draw(st.integers(0, 2**32 - 1)), 1, 1, 1, False)
    height, width = _map(draw)
    channels = draw(st.sampled_from(_CHANNELS))
    bits = draw(st.sampled_from([1, 2, 2, 3, 4, 4, 8, 8, 12, 16, 24, 31, 33, 45]))
    signed = bits > 4 and draw(st.booleans())
    lo, hi = limits_of(bits, signed)
    b.types["x"] = IntType((height, width, channels), bits, signed, lo, hi, Fraction(1, 7))
    name = "x"
    for _ in range(draw(st.integers(1, 4))):
        name = _block(draw, b, name)
    if not b.ops:
        name = b.thresholds("x", 2)
    program = b.finish(name)
    return program, _extreme(b, program, draw(st.integers(2, 4)))
