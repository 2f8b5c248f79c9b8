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
from math import inf, isfinite

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from .constant_channels import kept_channels
from .from_graph import import_graph
from .program.base import Op, Program
from .program.exact import Surd
from .program.ops import Requantize, Thresholds
from .program.ops.real import Affine, Quantize, RealClip, RealConv, RealMaxPool, RealPRelu
from .program.ranges import channel_ranges
from .program.rounding import round_shift
from .program.types import IntType

EXHAUSTIVE = 1 << 17  # most reachable values of a channel that are checked one by one
_WIDEN = 2.0**-49  # relative: covers two roundings of parameters and one of the operation

Table = Thresholds | Requantize
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
                low_end, high_end = (
                    far if v is None else float(v) for v, far in ((op.lo, -inf), (op.hi, inf))
                )
                size = max((abs(b) for b in (low_end, high_end) if isfinite(b)), default=0.0)
                lo, hi = (np.clip(v, low_end, high_end) for v in (lo, hi))
                lo, hi = _widen(lo, hi, size)
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


def _table_code(program: Program, op: Table, channel: int) -> Callable[[Ints], Ints]:
    """One channel of a table, or of the requantization that replaced it, as a function."""
    if isinstance(op, Requantize):
        m, b, s = (
            int(program.constants[n].values[channel]) for n in (op.multiplier, op.bias, op.shift)
        )
        return lambda values: np.clip(round_shift(values * m + b, s), op.lo, op.hi)
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
    # sides and have the same code, every value has that code; elsewhere halve the run.  The table
    # is constant between its bounds, a requantization monotone everywhere.
    cuts = {lo, hi}
    for bound in np.unique(bounds).tolist():
        cuts.update(v for v in (bound, bound + 1) if lo <= v <= hi)
    ends = sorted(cuts)
    known = {v: (*f.exact(v), int(table(np.array([v]))[0])) for v in ends}
    runs = list(zip(ends, ends[1:], strict=False))
    while runs:
        a, b = runs.pop()
        if b - a > 1 and known[a] != known[b]:
            middle = (a + b) // 2
            known[middle] = (*f.exact(middle), int(table(np.array([middle]))[0]))
            runs += [(a, middle), (middle, b)]
    for v, (network_code, _, table_code) in sorted(known.items()):
        if table_code != network_code:
            yield v, table_code, network_code


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
        if isinstance(op, Table) and op.output in quantizers:
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


def _removed_range(
    imported: Program, program: Program, conv: RealConv, channel: int
) -> tuple[int, int]:
    """Reachable accumulators of a channel that the program no longer computes."""
    source = conv.inputs[0]
    weight = imported.constants[conv.weight].values[channel]
    kept = kept_channels(program, source, weight.shape[-1])
    lo, hi = channel_ranges(program)[source]
    lo, hi = np.minimum(lo, 0), np.maximum(hi, 0)
    up, down = np.maximum(weight, 0)[..., kept], np.minimum(weight, 0)[..., kept]
    return int((up * lo + down * hi).sum()), int((up * hi + down * lo).sum())


def _prove_table(
    imported: Program, quantizer: Quantize, program: Program, op: Table,
    ranges: dict[str, tuple[Ints, Ints]],
) -> TableProof:
    base = op.inputs[0]
    chain, conv = _chain(imported, quantizer, base)
    kind = program.types[base]
    assert isinstance(kind, IntType)
    channels = imported.types[quantizer.output].shape[2]
    slopes = [Surd.of(kind.scale or 1)] * channels
    if conv is not None:
        scale = _code_scale(imported, conv.inputs[0])
        slopes = [step * scale for step in conv.step]
    kept = kept_channels(program, op.output, channels)
    values = exhaustive = exact = ties = 0
    mismatches: list[Mismatch] = []
    least, greatest = (row.tolist() for row in ranges[base])
    for row, c in enumerate(kept):
        f = _Channel(slopes[c], chain, quantizer, c)
        bounds = np.zeros(0, np.int64)
        if isinstance(op, Thresholds):
            bounds = program.constants[op.bounds].values[row]
        lo, hi = least[row], greatest[row]
        found = _prove_channel(f, _table_code(program, op, row), bounds, lo, hi)
        mismatches += [Mismatch(op.output, c, *difference) for difference in found]
        values += hi - lo + 1
        exhaustive += hi - lo < EXHAUSTIVE
        exact, ties = exact + f.exact_count, ties + f.ties
    if conv is not None:
        for c in sorted(set(range(channels)) - set(kept)):
            f = _Channel(slopes[c], chain, quantizer, c)
            lo, hi = _removed_range(imported, program, conv, c)
            found = _prove_channel(f, np.zeros_like, np.zeros(0, np.int64), lo, hi)
            mismatches += [Mismatch(op.output, c, *difference) for difference in found]
            values += hi - lo + 1
            exhaustive += hi - lo < EXHAUSTIVE
    return TableProof(
        op.output, op.origin, channels, values, exhaustive, exact, ties, tuple(mismatches[:10])
    )
