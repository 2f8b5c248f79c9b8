"""Proof that the comparison tables of a program give the codes of the trained network.

For every channel of every table, and every integer that can reach it, the code in the table is
compared with the code of the *imported* network: of the chain of operations between the table's
input and the quantizer as in the ONNX file, before any pass has changed them. Comparisons are
decided by interval arithmetic in float64, or exactly (``Surd``) where that is not enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

import numpy as np
import onnx_ir as ir

from ..exact.constant_channels import kept_channels, removed_codes
from ..exact.levels import IntegerWeight
from ..importing.channels_last import channels_last
from ..importing.from_graph import import_graph
from ..program import Op, Program
from ..program.exact import Surd
from ..program.ops import Conv, Requantize, Thresholds
from ..program.ops.real import (
    Affine,
    Quantize,
    RealConv,
)
from ..program.ranges import channel_ranges
from ..program.rounding import round_shift
from ..program.types import IntType
from .accumulator import code_value, weight_of
from .channel_proof import EXHAUSTIVE, Channel, Ints, differences
from .curve_proof import CodeRuns, CurveProof, curved, runs_of
from .relation import Unrelated, accumulating, moved_codes, require_same

Table = Thresholds | Requantize


@dataclass(frozen=True)
class Mismatch:
    """A value for which table and network differ."""

    table: str
    channel: int
    value: int
    table_code: int
    network_code: int


@dataclass(frozen=True)
class TableProof:
    """The proof of one table.

    Attributes:
        table: the code tensor's name.
        origin: ONNX nodes folded into it.
        channels: number of channels checked.
        values: number of reachable values covered.
        exhaustive: channels of which every value was evaluated; the others were proved by linear
            pieces between evaluated ends, or by bounds on all values between.
        exact: number of comparisons that needed exact arithmetic.
        ties: number of values equal to a threshold.
        mismatches: at most ten; empty if the table is right.
    """

    table: str
    origin: tuple[str, ...]
    channels: int
    values: int
    exhaustive: int
    exact: int
    ties: int
    mismatches: tuple[Mismatch, ...]


def _table_code(program: Program, op: Table, channel: int) -> Callable[[Ints], Ints]:
    """Return a channel of a table, or of the requantization that replaced it, as a function."""
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


def _chain(
    imported: Program, quantizer: Quantize, program: Program, base: str
) -> tuple[list[Op], str, RealConv | None, Conv | None]:
    """Return the imported operations between a tensor of the program and a quantizer.

    Returns:
        The operations, the network's tensor whose integers they start from, and, if that is an
        accumulator, the convolutions of the network and of the program that compute it.
    """
    chain: list[Op] = []
    name, held, maker = quantizer.inputs[0], base, accumulating(program, base)
    while maker is not None or name != held:
        op = imported.producer(name)
        if isinstance(op, RealConv) and maker is not None:
            require_same(maker, op)
            return chain[::-1], base, op, maker
        if op is None or len(op.inputs) != 1:
            raise Unrelated(f"{base} is nothing that {quantizer.output} compares")
        if codes := moved_codes(program, held, op):
            held = codes
        else:
            chain.append(op if held == base else _of_any_channel(op, quantizer, imported))
        name = op.inputs[0]
    return chain[::-1], held, None, None


def _of_any_channel(op: Op, quantizer: Quantize, imported: Program) -> Op:
    """Return an affine map before a pool or flattening as one after it, which gives the same.

    Raises:
        Unrelated: it rises nowhere, or is not one map for all channels.
    """
    one = isinstance(op, Affine) and len({*op.slope}) == len({*op.offset}) == 1
    if not isinstance(op, Affine) or not one or op.slope[0].sign() <= 0:
        raise Unrelated(f"{op.output} is no offset of the codes that {quantizer.output} compares")
    channels = imported.types[quantizer.output].shape[2]
    return replace(op, slope=op.slope[:1] * channels, offset=op.offset[:1] * channels)


def prove_tables(
    graph: ir.Model, program: Program, progress: Callable[[str], None] | None = None
) -> list[TableProof]:
    """Check every comparison table of a program against its network.

    Args:
        graph: the canonical graph of the model.
        program: its program.
        progress: called with the name of each table.

    Returns:
        One proof per table; mismatches are reported, not raised.

    Raises:
        Unrelated: the program does not belong to this graph.
    """
    # After flattening, channels of a program are in memory order: only these are reordered here.
    imported = channels_last(import_graph(graph, program.name))
    quantizers = {op.output: op for op in imported.ops if isinstance(op, Quantize)}
    ranges = channel_ranges(program)
    proofs = []
    for op in program.ops:
        if isinstance(op, Table) and op.output in quantizers:
            if progress is not None:
                progress(op.output)
            proofs.append(_prove_table(imported, quantizers[op.output], program, op, ranges))
    return proofs


def _missing(weight: Ints, conv: RealConv, program: Program, source: str) -> Ints:
    """Return the sum that removed channels of the codes `source` add to each accumulator,
    int64 (O,).
    """
    codes = removed_codes(program, source, weight.shape[3] * conv.groups)
    if not codes.any():
        return np.zeros(len(weight), np.int64)
    missing: Ints = weight.sum(axis=(1, 2)) @ codes
    return missing


def _removed_range(
    weight: Ints,
    program: Program,
    conv: RealConv,
    ranges: dict[str, tuple[Ints, Ints]],
    maker: Conv,
) -> tuple[int, int]:
    """Return the reachable accumulators of a channel (KH, KW, I)
    that the program does not compute.
    """
    source, pad_value = maker.inputs[0], maker.pad_value
    kept = kept_channels(program, source, weight.shape[-1])
    lo, hi = (np.array(row) for row in (removed_codes(program, source, weight.shape[-1]),) * 2)
    lo[kept], hi[kept] = ranges[source]
    if any(conv.pads):
        lo, hi = np.minimum(lo, pad_value), np.maximum(hi, pad_value)
    up, down = np.maximum(weight, 0), np.minimum(weight, 0)
    return int((up * lo + down * hi).sum()), int((up * hi + down * lo).sum())


def _accumulator(
    imported: Program,
    program: Program,
    conv: RealConv,
    weight: IntegerWeight,
    maker: Conv,
    missing: Ints,
) -> tuple[list[Surd], list[Op]]:
    """Return the imported convolution's result as a function of the program's accumulator.

    Returns:
        The slope of each channel, and the addition of a constant, if any, as the begin of the
        chain.
    """
    unit, shift = code_value(imported, program, conv, maker)
    slopes = [step * unit for step in weight.step]
    sums = weight.values.reshape(len(slopes), -1).sum(axis=1).tolist()
    offsets = [
        Surd.of(int(v)) * slope + step * shift * Surd.of(int(total))
        for v, slope, step, total in zip(missing, slopes, weight.step, sums, strict=True)
    ]
    if not any(offsets):
        return slopes, []
    return slopes, [
        Affine(
            output=conv.output,
            inputs=conv.inputs,
            slope=(Surd.of(1),) * len(slopes),
            offset=tuple(offsets),
        )
    ]


def _scale(imported: Program, program: Program, name: str) -> Fraction:
    """Return the real value of the integer 1 of a tensor of codes: the network's step, which the
    program may have scaled.
    """
    for types in (imported.types, program.types):
        tensor_type = types.get(name)
        if isinstance(tensor_type, IntType):
            return tensor_type.scale or Fraction(1)
    raise KeyError(name)


def _prove_table(
    imported: Program,
    quantizer: Quantize,
    program: Program,
    op: Table,
    ranges: dict[str, tuple[Ints, Ints]],
) -> TableProof:
    base = op.inputs[0]
    chain, held, conv, maker = _chain(imported, quantizer, program, base)
    channels = imported.types[quantizer.output].shape[2]
    slopes = [Surd.of(_scale(imported, program, held))] * channels
    if conv is not None and maker is not None:
        weight = weight_of(imported, program, conv)
        missing = _missing(weight.values, conv, program, maker.inputs[0])
        slopes, first = _accumulator(imported, program, conv, weight, maker, missing)
        chain = [*first, *chain]
    kept = kept_channels(program, op.output, channels)
    least, greatest = (row.tolist() for row in ranges[base])
    # Each channel: its index in the network, its table, bounds of the table, and its range.
    parts: list[tuple[int, Callable[[Ints], Ints], Ints, int, int]] = []
    for row, c in enumerate(kept):
        bounds = np.zeros(0, np.int64)
        if isinstance(op, Thresholds):
            bounds = program.constants[op.bounds].values[row].astype(np.int64)
        parts.append((c, _table_code(program, op, row), bounds, least[row], greatest[row]))
    if conv is not None and maker is not None:
        constants = removed_codes(program, op.output, channels)
        for c in sorted(set(range(channels)) - set(kept)):
            # The complete accumulator is used here; the offset subtracts the removed part again.
            lo, hi = (
                v - int(missing[c])
                for v in _removed_range(weight.values[c], program, conv, ranges, maker)
            )
            constant = partial(np.full_like, fill_value=constants[c])
            parts.append((c, constant, np.zeros(0, np.int64), lo, hi))
    values = sum(hi - lo + 1 for *_, lo, hi in parts)
    if curved(chain):
        proof = CurveProof(slopes, chain, quantizer)
        runs = [runs_of(table, bounds, c, lo, hi) for c, table, bounds, lo, hi in parts]
        mismatches = [Mismatch(op.output, *d) for d in proof.differences(CodeRuns.joined(runs))]
        exhaustive, exact, ties = 0, proof.exact_count, proof.ties
    else:
        mismatches, exhaustive, exact, ties = [], 0, 0, 0
        for c, table, bounds, lo, hi in parts:
            f = Channel(slopes[c], chain, quantizer, c)
            unlike = differences(f, table, bounds, lo, hi)
            mismatches += [Mismatch(op.output, c, *d) for d in unlike]
            exhaustive += hi - lo < EXHAUSTIVE
            exact, ties = exact + f.exact_count, ties + f.ties
    return TableProof(
        op.output, op.origin, channels, values, exhaustive, exact, ties, tuple(mismatches[:10])
    )
