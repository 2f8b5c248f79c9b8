"""Proof that a program's comparison tables give the trained network's codes.

For every channel of every table, and every integer that can reach it, the code in the table is
compared with the code of the *imported* network: the chain of operations between the table's input
and the quantizer, as the ONNX file has them, before any pass merged or moved them.  Comparisons
are decided by interval arithmetic in float64 and, where that cannot tell, exactly (``Surd``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from .from_graph import import_graph
from .program.base import Op, Program
from .program.exact import Surd
from .program.ops import Thresholds
from .program.ops.real import Affine, Quantize, RealClip, RealConv, RealMaxPool, RealPRelu
from .program.ranges import channel_ranges
from .program.types import IntType

EXHAUSTIVE = 1 << 17  # most reachable values of a channel that are checked one by one
_WIDEN = 2.0**-49  # relative: covers two roundings of parameters and one of the operation

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Mismatch:
    """One value where table and network differ."""

    table: str
    channel: int
    value: int
    table_code: int
    network_code: int


@dataclass(frozen=True)
class TableProof:
    """What was checked of one table.

    Attributes:
        table: the code tensor's name.
        origin: ONNX nodes folded into it.
        channels: channels checked.
        values: reachable values covered by the proof.
        exhaustive: channels whose every value was evaluated; the others were proved by linear
            pieces between evaluated ends.
        exact: comparisons that needed exact arithmetic.
        ties: values that equal a threshold exactly.
        mismatches: at most ten, empty if the table is right.
    """

    table: str
    origin: tuple[str, ...]
    channels: int
    values: int
    exhaustive: int
    exact: int
    ties: int
    mismatches: tuple[Mismatch, ...]


class _Channel:
    """One channel's chain: the quantizer's input as a function of the table's integer input."""

    def __init__(self, slope: Surd, chain: list[Op], quantizer: Quantize, channel: int) -> None:
        self.slope, self.chain, self.channel = slope, chain, channel
        self.scale, self.strict = quantizer.input_scale, quantizer.strict
        rows = quantizer.thresholds
        self.thresholds = rows[channel if len(rows) > 1 else 0]
        self.exact_count = self.ties = 0

    def exact(self, value: int) -> tuple[int, tuple[int, ...]]:
        """Exact code, and which side of each bend the value takes."""
        self.exact_count += 1
        y, sides = self.slope * value, []
        c = self.channel
        for op in self.chain:
            if isinstance(op, Affine):
                y = y * op.slope[c] + op.offset[c]
            elif isinstance(op, RealPRelu):
                below = y.sign() < 0
                sides.append(int(below))
                y = y * op.slope[c] if below else y
            elif isinstance(op, RealClip):
                low = op.lo is not None and y < op.lo
                y = op.lo if low and op.lo is not None else y
                high = op.hi is not None and y > op.hi
                y = op.hi if high and op.hi is not None else y
                sides.append(2 * int(high) + int(low))
        y = y * self.scale
        signs = [(y - t).sign() for t in self.thresholds]
        self.ties += any(s == 0 for s in signs)
        code = sum(s > 0 or (s == 0 and not self.strict) for s in signs)
        return code, tuple(sides)

    def codes(self, values: Ints) -> Ints:
        """Codes of many values: interval arithmetic, exact where it is undecided."""
        y = values.astype(np.float64)
        lo, hi = _times(y, y, self.slope)
        c = self.channel
        for op in self.chain:
            if isinstance(op, Affine):
                lo, hi = _times(lo, hi, op.slope[c])
                offset = float(op.offset[c])
                lo, hi = _widen(lo + offset, hi + offset, abs(offset) + np.abs(lo) + np.abs(hi))
            elif isinstance(op, RealPRelu):
                below = _times(np.minimum(lo, 0), np.minimum(hi, 0), op.slope[c])
                above = np.maximum(lo, 0), np.maximum(hi, 0)
                low = np.where(lo >= 0, lo, np.where(hi < 0, below[0], np.minimum(below[0], 0)))
                hi = np.where(lo >= 0, hi, np.where(
                    hi < 0, below[1], np.maximum(np.maximum(below[1], 0), above[1])))
                lo = low
            elif isinstance(op, RealClip):
                bounds = [None if v is None else float(v) for v in (op.lo, op.hi)]
                size = max((abs(b) for b in bounds if b is not None), default=0.0)
                lo, hi = _widen(np.clip(lo, *bounds), np.clip(hi, *bounds), size)
        lo, hi = _times(lo, hi, self.scale)
        result = np.zeros(len(values), dtype=np.int64)
        unsure = np.zeros(len(values), dtype=bool)
        for threshold in self.thresholds:
            t = float(threshold)
            margin = abs(t) * _WIDEN
            result += lo > t + margin
            unsure |= (lo <= t + margin) & (hi >= t - margin)
        for index in np.flatnonzero(unsure):
            result[index] = self.exact(int(values[index]))[0]
        return result


def _widen(lo: Floats, hi: Floats, size: Floats | float) -> tuple[Floats, Floats]:
    margin = size * _WIDEN
    return lo - margin, hi + margin


def _times(lo: Floats, hi: Floats, factor: Surd) -> tuple[Floats, Floats]:
    f = float(factor)
    a, b = lo * f, hi * f
    return _widen(np.minimum(a, b), np.maximum(a, b), np.maximum(np.abs(a), np.abs(b)))


def _table_code(program: Program, op: Thresholds, channel: int) -> Callable[[Ints], Ints]:
    bounds = program.constants[op.bounds].values[channel]
    signs = program.constants[op.signs].values[channel]
    base = int(program.constants[op.base].values[channel])
    sums = np.concatenate([[0], np.cumsum(signs)])

    def code(values: Ints) -> Ints:
        return base + sums[np.searchsorted(bounds, values, side="left")]

    return code


def _prove_channel(
    f: _Channel, table: Callable[[Ints], Ints], bounds: Ints, lo: int, hi: int
) -> Iterator[tuple[int, int, int]]:
    """Yield (value, table code, network code) wherever the two differ."""
    if hi - lo < EXHAUSTIVE:
        values = np.arange(lo, hi + 1)
        got, want = table(values), f.codes(values)
        for i in np.flatnonzero(got != want)[:3]:
            yield int(values[i]), int(got[i]), int(want[i])
        return
    # The chain is linear where no bend changes side.  Between two values that take the same
    # sides and have the same code, every value has that code; elsewhere halve the run.
    cuts = {lo, hi}
    for bound in np.unique(bounds).tolist():
        cuts.update(v for v in (bound, bound + 1) if lo <= v <= hi)
    ends = sorted(cuts)
    known = {v: f.exact(v) for v in ends}
    runs = list(zip(ends, ends[1:], strict=False))
    while runs:
        a, b = runs.pop()
        if b - a > 1 and known[a] != known[b]:
            middle = (a + b) // 2
            known[middle] = f.exact(middle)
            runs += [(a, middle), (middle, b)]
    values = np.array(sorted(known))
    got = table(values)
    for v, code in zip(values.tolist(), got.tolist(), strict=True):
        if code != known[v][0]:
            yield v, code, known[v][0]


def _chain(imported: Program, quantizer: Quantize, base: str) -> tuple[list[Op], RealConv | None]:
    """The imported operations from a tensor of the final program to a quantizer."""
    made = {op.output: op for op in imported.ops}
    chain: list[Op] = []
    name = quantizer.inputs[0]
    while name != base:
        op = made[name]
        if isinstance(op, RealConv) and base == f"{name}.acc":
            return chain[::-1], op
        chain.append(op)
        name = op.inputs[0]
    return chain[::-1], None


def prove_tables(
    graph: ir.Model, program: Program, progress: Callable[[str], None] | None = None
) -> list[TableProof]:
    """Check every comparison table of a program against the network it was made from.

    Args:
        graph: the canonical graph of the model.
        program: its program.
        progress: called with each table's name.

    Returns:
        One proof a table; mismatches are reported, not raised.

    Raises:
        KeyError: the program does not belong to this graph.
    """
    imported = import_graph(graph, program.name)
    quantizers = {op.output: op for op in imported.ops if isinstance(op, Quantize)}
    ranges = channel_ranges(program)
    proofs = []
    for op in program.ops:
        if isinstance(op, Thresholds):
            if progress is not None:
                progress(op.output)
            proofs.append(_prove_table(imported, quantizers[op.output], program, op, ranges))
    return proofs


def _code_scale(imported: Program, name: str) -> Fraction:
    """The step of the codes that a convolution reads, through pooling."""
    made = {op.output: op for op in imported.ops}
    while isinstance(op := made[name], RealMaxPool):
        name = op.inputs[0]
    kind = imported.types[name]
    assert isinstance(kind, IntType) and kind.scale is not None
    return kind.scale


def _prove_table(
    imported: Program, quantizer: Quantize, program: Program, op: Thresholds,
    ranges: dict[str, tuple[Ints, Ints]],
) -> TableProof:
    base = op.inputs[0]
    chain, conv = _chain(imported, quantizer, base)
    kind = program.types[base]
    assert isinstance(kind, IntType)
    channels = kind.shape[2]
    least, greatest = (row.tolist() for row in ranges[base])
    slopes = [Surd.of(kind.scale or 1)] * channels
    if conv is not None:
        scale = _code_scale(imported, conv.inputs[0])
        slopes = [step * scale for step in conv.step]
    values = exhaustive = exact = ties = 0
    mismatches: list[Mismatch] = []
    for c in range(channels):
        f = _Channel(slopes[c], chain, quantizer, c)
        bounds = program.constants[op.bounds].values[c]
        found = _prove_channel(f, _table_code(program, op, c), bounds, least[c], greatest[c])
        mismatches += [Mismatch(op.output, c, *difference) for difference in found]
        values += greatest[c] - least[c] + 1
        exhaustive += greatest[c] - least[c] < EXHAUSTIVE
        exact, ties = exact + f.exact_count, ties + f.ties
    return TableProof(
        op.output, op.origin, channels, values, exhaustive, exact, ties, tuple(mismatches[:10])
    )
