"""A second implementation of SPEC.md for tests: plain Python integers, one output at a time.

Shares no code with the interpreter: no numpy arithmetic, no window views, no matrix products.
Rounding is done on fractions.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from math import lcm
from typing import Any

from n2uqc.passes.program import Op, Program

Map = dict[tuple[int, int, int], int]


def rounded(value: Fraction) -> int:
    """Round to nearest, halves away from zero."""
    whole, rest = divmod(abs(value.numerator), value.denominator)
    away = whole + (2 * rest >= value.denominator)
    return away if value >= 0 else -away


def clamped(value: int, low: int, high: int) -> int:
    return low if value < low else high if value > high else value


class Machine:
    """One program, its constants as nested lists."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.lists = {name: c.values.tolist() for name, c in program.constants.items()}

    def run(self, *samples: Any) -> dict[str, Map]:
        """Return all tensors for one sample (H, W, C) of each input."""
        program = self.program
        found = {
            name: {p: int(sample[p]) for p in product(*map(range, program.types[name].shape))}
            for name, sample in zip(program.inputs, samples, strict=True)
        }
        for op in program.ops:
            self.shape = program.types[op.output].shape
            self.sizes = [program.types[i].shape for i in op.inputs]
            rule: Callable[..., Callable[..., int]] = getattr(self, op.mnemonic)
            value = rule(op, *(found[i] for i in op.inputs))
            found[op.output] = {p: value(*p) for p in product(*map(range, self.shape))}
        return found

    def conv(self, op: Any, x: Map) -> Callable[..., int]:
        weight = self.lists[op.weight]
        depth, per_group = len(weight[0][0][0]), len(weight) // op.groups

        def value(i: int, j: int, o: int) -> int:
            total = 0
            for r, row in enumerate(weight[o]):
                for s, taps in enumerate(row):
                    at = (
                        i * op.stride[0] + r * op.dilation[0] - op.pads[0],
                        j * op.stride[1] + s * op.dilation[1] - op.pads[1],
                    )
                    for k, w in enumerate(taps):
                        total += w * x.get((*at, o // per_group * depth + k), op.pad_value)
            return total

        return value

    def thresholds(self, op: Any, x: Map) -> Callable[..., int]:
        bounds, signs, base = (self.lists[n] for n in (op.bounds, op.signs, op.base))
        return lambda i, j, c: (
            base[c]
            + sum(
                sign for bound, sign in zip(bounds[c], signs[c], strict=True) if x[i, j, c] > bound
            )
        )

    def requantize(self, op: Any, x: Map) -> Callable[..., int]:
        m, b, s = (self.lists[n] for n in (op.multiplier, op.bias, op.shift))
        return lambda i, j, c: clamped(
            rounded(Fraction(x[i, j, c] * m[c] + b[c], 2 ** s[c])), op.lo, op.hi
        )

    def add(self, op: Op, a: Map, b: Map) -> Callable[..., int]:
        return lambda *p: a[p] + b[p]

    def multiply(self, op: Op, a: Map, b: Map) -> Callable[..., int]:
        height, width, channels = self.sizes[1]
        return lambda i, j, c: a[i, j, c] * b[i % height, j % width, c % channels]

    def prelu(self, op: Any, x: Map) -> Callable[..., int]:
        m, b = self.lists[op.multiplier], self.lists[op.bias]

        def value(i: int, j: int, c: int) -> int:
            v = x[i, j, c]
            bent = v if v >= 0 else rounded(Fraction(v * m[c], 2**op.shift))
            return clamped(bent + b[c], op.lo, op.hi)

        return value

    def clamp(self, op: Any, x: Map) -> Callable[..., int]:
        return lambda *p: clamped(x[p], op.lo, op.hi)

    def _window(self, op: Any, x: Map) -> Callable[..., list[int]]:
        (down, right), (top, left) = op.stride, op.pads[:2]
        return lambda i, j, c: [
            x[at]
            for r, s in product(*map(range, op.kernel))
            if (at := (i * down + r - top, j * right + s - left, c)) in x
        ]

    def maxpool(self, op: Any, x: Map) -> Callable[..., int]:
        window = self._window(op, x)
        return lambda *p: max(window(*p))

    def sumpool(self, op: Any, x: Map) -> Callable[..., int]:
        window = self._window(op, x)
        if op.counted is None:
            return lambda *p: sum(window(*p))
        (height, width, _), (top, left, bottom, right) = self.sizes[0], op.counted

        def count(at: int, axis: int, before: int, size: int, behind: int) -> int:
            first = at * op.stride[axis] - op.pads[axis]
            return sum(-before <= first + r < size + behind for r in range(op.kernel[axis]))

        rows = [count(i, 0, top, height, bottom) for i in range(self.shape[0])]
        columns = [count(j, 1, left, width, right) for j in range(self.shape[1])]
        common = lcm(*rows) * lcm(*columns)

        def value(i: int, j: int, c: int) -> int:
            mean = Fraction(sum(window(i, j, c)), rows[i] * columns[j])
            assert (mean * common).denominator == 1
            return int(mean * common)

        return value

    def lookup(self, op: Any, x: Map) -> Callable[..., int]:
        table = self.lists[op.table]
        return lambda *p: table[x[p]]

    def interpolate(self, op: Any, x: Map) -> Callable[..., int]:
        base, slope = self.lists[op.base], self.lists[op.slope]

        def value(i: int, j: int, c: int) -> int:
            row, place = c if len(base) > 1 else 0, x[i, j, c] - op.start
            piece = clamped(place // 2**op.step, 0, len(base[row]) - 1)
            along = place - piece * 2**op.step
            return rounded(Fraction(base[row][piece] + slope[row][piece] * along, 2**op.shift))

        return value

    def concat(self, op: Op, a: Map, b: Map) -> Callable[..., int]:
        first = self.sizes[0][2]
        return lambda i, j, c: a[i, j, c] if c < first else b[i, j, c - first]

    def rearrange(self, op: Any, x: Map) -> Callable[..., int]:
        rows, columns, channels = (self.lists[n] for n in (op.rows, op.columns, op.channels))
        _, width, depth = self.sizes[0]

        def value(i: int, j: int, c: int) -> int:
            parts = rows[i], columns[j], channels[c]
            if -1 in parts:
                return 0
            pixel, channel = divmod(sum(parts), depth)
            return x[pixel // width, pixel % width, channel]

        return value

    def flatten(self, op: Op, x: Map) -> Callable[..., int]:
        order = list(x)
        return lambda i, j, c: x[order[c]]
