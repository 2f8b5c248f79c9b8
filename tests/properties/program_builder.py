"""Random legal integer programs, grown operation by operation."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from n2uqc.frontend.places import factored
from n2uqc.passes.plan_memory import plan_memory
from n2uqc.passes.program import (
    Concat,
    Constant,
    Conv,
    Interface,
    Interpolate,
    IntType,
    Lookup,
    Multiply,
    Op,
    PRelu,
    Program,
    Rearrange,
    Requantize,
    SumPool,
    Thresholds,
    verify,
)
from n2uqc.passes.program.types import limits_of

from .spec import clamped


class Builder:
    """Grows a random program operation by operation; every result is a legal program."""

    def __init__(self, seed: int, size: int, channels: int, bits: int, signed: bool) -> None:
        self.rng = np.random.default_rng(seed)
        lo, hi = limits_of(bits, signed)
        self.types = {"x": IntType((size, size, channels), bits, signed, lo, hi, Fraction(1, 7))}
        self.ops: list[Op] = []
        self.consts: dict[str, Constant] = {}

    def const(self, constant: Constant) -> str:
        name = f"c{len(self.consts)}"
        self.consts[name] = constant
        return name

    def add(self, cls: type[Op], *inputs: str, **attributes: object) -> str:
        op = cls(output=f"t{len(self.ops)}", inputs=inputs, **attributes)
        self.types[op.output] = op.infer(self.types, self.consts)
        self.ops.append(op)
        return op.output

    def conv(
        self,
        x: str,
        out: int,
        *,
        bits: int,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
        odd: bool = True,
        dilation: int = 1,
    ) -> str:
        kind = self.types[x]
        depth = kind.shape[2] // groups
        top = (1 << bits) - 1
        shape = (out, kernel, kernel, depth)
        levels = 0
        if odd and self.rng.random() < 0.25:
            weight, levels = self.level_weight(shape, bits, kind)
        elif odd:
            weight = Constant.odd(2 * self.rng.integers(0, top + 1, shape) - top, bits)
        else:
            weight = Constant.narrow(self.rng.integers(-top - 1, top + 1, shape))
        lo_pad, hi_pad = (int(v) for v in self.rng.integers(0, kernel, 2)) if kernel > 1 else (0, 0)
        pads = (lo_pad, hi_pad, hi_pad, lo_pad)
        if min(kind.shape[:2]) + lo_pad + hi_pad < dilation * (kernel - 1) + 1:
            pads = (dilation * (kernel - 1),) * 4
        pad_value = int(self.rng.integers(kind.lo, kind.hi + 1)) if self.rng.random() < 0.3 else 0
        farthest = Conv.farthest_pad - 1
        pad_value = clamped(clamped(pad_value, kind.lo, kind.hi), -farthest, farthest)
        return self.add(
            Conv,
            x,
            weight=self.const(weight),
            stride=(stride, stride),
            pads=pads,
            dilation=(dilation, dilation),
            groups=groups,
            pad_value=pad_value,
            levels=levels,
        )

    def level_weight(
        self, shape: tuple[int, ...], bits: int, kind: IntType
    ) -> tuple[Constant, int]:
        """Return weights of few uneven values, other ones in each channel or not;
        0 often among them.
        """
        taps = int(np.prod(shape[1:]))
        room = 61 - max(abs(kind.lo), abs(kind.hi), 1).bit_length() - taps.bit_length()
        top = 1 << min(int(self.rng.choice([3, 6, 7, 11, 15, 23])), room)
        rows = shape[0] if self.rng.random() < 0.5 else 1
        book = self.rng.integers(-top, top + 1, (rows, 1 << bits))
        if self.rng.random() < 0.3:  # powers of two
            book = self.rng.choice([-4, -2, -1, 0, 1, 2, 4, 8], book.shape)
        if self.rng.random() < 0.5:
            book[:, 0] = 0
        codes = self.rng.integers(0, 1 << bits, (shape[0], taps))
        values = np.take_along_axis(np.broadcast_to(book, (shape[0], 1 << bits)), codes, axis=1)
        return Constant.narrow(values.reshape(shape)), bits

    def thresholds(self, x: str, bits: int) -> str:
        """Random tables: increasing, decreasing, non-monotone, constant, outside the range."""
        kind, n = self.types[x], (1 << bits) - 1
        channels = kind.shape[2]
        spread = max(2, int(self.rng.integers(2, 12)))
        middle, reach = (kind.lo + kind.hi) // 2, max(1, (kind.hi - kind.lo) // spread)
        bounds = np.sort(middle + self.rng.integers(-reach, reach + 1, (channels, n)), axis=1)
        bounds = np.clip(bounds, kind.lo - 1, kind.hi)
        signs = np.ones((channels, n), dtype=np.int64)
        base = np.zeros(channels, dtype=np.int64)
        for c in range(channels):
            form = self.rng.integers(0, 4)
            if form == 1:
                signs[c], base[c] = -1, n
            elif form == 2:  # up and down by single steps, always inside 0..n
                code = base[c] = int(self.rng.integers(0, n + 1))
                for k in range(n):
                    step = -1 if code == n else 1 if code == 0 else int(self.rng.choice([-1, 1]))
                    signs[c, k], code = step, code + step
            elif form == 3:
                bounds[c] = kind.hi
                base[c] = int(self.rng.integers(0, n + 1))
        return self.add(
            Thresholds,
            x,
            bounds=self.const(Constant.narrow(bounds)),
            signs=self.const(Constant.odd(signs, 1)),
            base=self.const(Constant.narrow(base)),
            bits=bits,
        )

    def requantize(self, x: str, bits: int = 16, scale: Fraction = Fraction(1, 64)) -> str:
        kind = self.types[x]
        channels = kind.shape[2]
        lo, hi = limits_of(bits, True)
        most = max(abs(kind.lo), abs(kind.hi), 1)
        width = min(30, 60 - most.bit_length())
        multiplier = self.rng.integers(-(1 << width), 1 << width, channels)
        shift = np.clip(
            most.bit_length() + width - bits + self.rng.integers(-1, 4, channels), 0, 62
        )
        limit = np.minimum(1 << np.minimum(shift + bits - 2, 60), 1 << 60)
        bias = (self.rng.uniform(-1, 1, channels) * limit).astype(np.int64)
        half = self._halves(shift)
        half[np.abs(half) >= 1 << width] = 0
        multiplier, bias = np.where(half, half, multiplier), np.where(half, 0, bias)
        out = self.add(
            Requantize,
            x,
            multiplier=self.const(Constant.narrow(multiplier)),
            bias=self.const(Constant.narrow(bias)),
            shift=self.const(Constant.narrow(shift)),
            lo=lo,
            hi=hi,
        )
        old = self.types[out]
        self.types[out] = IntType.ranged(old.shape, old.lo, old.hi, scale)
        return out

    def _halves(self, shift: np.ndarray) -> np.ndarray:
        """Return ±1/2 or ±3/2 times 2**shift for some channels: odd values are then ties.

        Random multipliers almost never give ties. The result is 0 for the other channels.
        """
        chosen = (self.rng.random(len(shift)) < 0.3) & (0 < shift) & (shift <= 30)
        odd = self.rng.choice([-3, -1, 1, 3], len(shift))
        return np.where(chosen, odd << np.clip(shift - 1, 0, 29), 0)

    def lookup(self, code: str) -> str:
        """Uneven levels for every code, of any order, sign and width."""
        count = 1 << self.types[code].bits
        top = 1 << int(self.rng.choice([3, 7, 8, 14]))
        levels = self.rng.integers(self.rng.choice([0, -top]), top, count)
        if self.rng.random() < 0.2:
            levels = self.rng.choice([0, 1, 2, 4, 8, 16], count)
        out = self.add(Lookup, code, table=self.const(Constant.narrow(levels)))
        old = self.types[out]
        self.types[out] = IntType.ranged(old.shape, old.lo, old.hi, Fraction(1, 64))
        return out

    def concat(self, a: str, b: str) -> str:
        out = self.add(Concat, a, b)
        old = self.types[out]
        self.types[out] = IntType.ranged(old.shape, old.lo, old.hi, self.types[a].scale)
        return out

    def rearrange(self, x: str, kind: int | None = None) -> str:
        """Move, select, repeat and pad elements as networks do, or by tables of no form."""
        shape = self.types[x].shape
        height, width, channels = shape
        places = np.arange(height * width * channels).reshape(shape)
        draw = lambda least, most: int(self.rng.integers(least, most + 1))  # noqa: E731
        match draw(0, 7) if kind is None else kind:
            case 0:  # a shuffle or another order of the channels
                places = places[:, :, self.rng.permutation(channels)]
            case 1:  # part of the channels
                first = draw(0, channels - 1)
                places = places[:, :, first : draw(first + 1, channels) : draw(1, 2)]
            case 2:
                places = places.transpose(self.rng.permutation(3))
            case 3:  # every step-th row and column, backwards too
                places = places[:: draw(1, 2) * draw(0, 1) or -1, :: draw(1, 2)]
            case 4:
                places = places.repeat(draw(1, 2), axis=0).repeat(2, axis=1)
            case 5:
                around = [(draw(0, 2), draw(0, 2)) for _ in range(2)]
                places = np.pad(places, [*around, (0, draw(0, 1))], constant_values=-1)
            case 6:  # depth to space, where the channels allow
                deep = channels // 4 * 4 or channels
                step = 2 if deep % 4 == 0 else 1
                blocks = places[:, :, :deep].reshape(height, width, step, step, -1)
                blocks = blocks.transpose(0, 2, 1, 3, 4)
                places = blocks.reshape(height * step, width * step, -1)
            case 7:  # any places
                rows = [self.rng.integers(0, n, draw(1, n + 1)) for n in shape]
                places = places[np.ix_(*rows)]
        made = factored(places)
        assert made is not None
        names = [self.const(Constant.narrow(table)) for table in made]
        out = self.add(
            Rearrange, x, **dict(zip(("rows", "columns", "channels"), names, strict=True))
        )
        old = self.types[out]
        self.types[out] = IntType.ranged(old.shape, old.lo, old.hi, self.types[x].scale)
        return out

    def interpolate(self, x: str, bits: int = 16) -> str:
        """A function by straight pieces of any slopes, one for all channels or one for each."""
        kind = self.types[x]
        length = max(1, (kind.hi - kind.lo) // int(self.rng.choice([1, 2, 7])))
        step = max(0, min(31, length.bit_length() - int(self.rng.integers(1, 6))))
        count = int(self.rng.integers(1, max(2, min(40, (length >> step) + 3))))
        rows = kind.shape[2] if self.rng.random() < 0.3 else 1
        shift = int(self.rng.integers(0, 13))
        reach = max(1, kind.hi - kind.lo, count << step)
        steep = max(1, (1 << (bits + shift - 2)) // reach)
        base = self.rng.integers(-(1 << (bits + shift - 2)), 1 << (bits + shift - 2), (rows, count))
        slope = self.rng.integers(-steep, steep + 1, (rows, count))
        if self.rng.random() < 0.3 and shift:  # ties
            base, slope = base | 1, slope * 0 + (1 << (shift - 1))
        out = self.add(
            Interpolate,
            x,
            base=self.const(Constant.narrow(base)),
            slope=self.const(Constant.narrow(slope)),
            start=int(self.rng.integers(kind.lo, kind.hi + 1)) if count < 3 else kind.lo,
            step=step,
            shift=shift,
        )
        old = self.types[out]
        self.types[out] = IntType.ranged(old.shape, old.lo, old.hi, kind.scale)
        return out

    def gate(self, x: str, factor: str, wide: int = 16) -> str:
        """Return the product with another tensor, which may be smaller, on the stream's scale."""
        factor = self.requantize(factor, int(self.rng.choice([8, 15])))
        return self.requantize(self.add(Multiply, x, factor), wide)

    def prelu(self, x: str, bits: int = 16) -> str:
        """Add a PReLU with 31-bit slopes on wide streams, so that products exceed 64 bits."""
        kind = self.types[x]
        channels = kind.shape[2]
        lo, hi = limits_of(bits, True)
        width = 31 if bits > 32 else 20
        shift = int(self.rng.integers(width - 16, 32)) if bits > 32 else int(self.rng.integers(22))
        multiplier = self.rng.integers(1 - (1 << width), 1 << width, channels)
        half = self._halves(np.full(channels, shift))
        multiplier = np.where(half, half, multiplier)
        out = self.add(
            PRelu,
            x,
            multiplier=self.const(Constant.narrow(multiplier)),
            shift=shift,
            bias=self.const(Constant.narrow(self.rng.integers(-200, 200, channels))),
            lo=lo,
            hi=hi,
        )
        old = self.types[out]
        self.types[out] = IntType.ranged(old.shape, old.lo, old.hi, kind.scale)
        return out

    def mean(self, x: str) -> str:
        """Return a sum over windows that reach over the edge, of which not all positions count."""
        size = self.types[x].shape[:2]
        kernel = tuple(int(v) for v in self.rng.integers(1, 5, 2))
        stride = tuple(int(v) for v in self.rng.integers(1, 4, 2))
        most = [min(k - 1, 3) for k in kernel * 2]
        least = [max(k - n, 0) for k, n in zip(kernel, size, strict=True)]  # behind: it fits
        pads = tuple(
            max(int(self.rng.integers(0, m + 1)), low)
            for m, low in zip(most, (0, 0, *least), strict=True)
        )
        counted = tuple(int(self.rng.integers(0, p + 1)) for p in pads)
        return self.add(SumPool, x, kernel=kernel, stride=stride, pads=pads, counted=counted)

    def finish(self, output: str) -> Program:
        """Return the program with what does not lead to ``output`` removed."""
        needed, ops = {output}, []
        for op in reversed(self.ops):
            if op.output in needed:
                needed.update(op.inputs)
                ops.append(op)
        ops.reverse()
        used = {c for op in ops for c in op.constant_names()}
        types = {n: t for n, t in self.types.items() if n in needed or n == "x"}
        h, w, c = types["x"].shape
        oh, ow, oc = types[output].shape
        program = Program(
            "random",
            Interface.single("x", (c, h, w), "y", (oc, oh, ow)),
            ("x",),
            (output,),
            types,
            tuple(ops),
            {n: v for n, v in self.consts.items() if n in used},
        )
        verify(program)
        return plan_memory(program)

    def input(self, count: int, mode: str = "random") -> np.ndarray:
        """Return inputs of the whole range, or all at its greatest or least value."""
        kind = self.types["x"]
        shape = (count, *kind.shape)
        if mode == "random":
            return self.rng.integers(kind.lo, kind.hi + 1, shape, dtype=np.int64)
        return np.full(shape, kind.hi if mode == "max" else kind.lo, dtype=np.int64)
