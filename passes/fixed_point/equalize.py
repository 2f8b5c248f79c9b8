"""Bring channels of very different magnitude to one magnitude, by powers of 2.

A fixed-point tensor has one scale for all its channels.  Where only layers read a tensor, channel c
may be multiplied by ``2**e[c]`` in the layer that makes it and divided in those that read it, both
exactly.  This is cross-layer equalization (Nagel et al., ICCV 2019, section 4.1) by powers of 2 and
proven ranges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from ..program import ConstRef, Op, Program
from ..program.ops.real import (
    Affine,
    Elementwise,
    Interval,
    Quantize,
    RealAdd,
    RealAvgPool,
    RealClip,
    RealConv,
    RealFlatten,
    RealMaxPool,
    RealPRelu,
)
from ..program.types import Constant, IntType
from ..rewrite import ConstantPool, fresh, live

_KEEP = (RealAdd, RealAvgPool, RealMaxPool, RealPRelu)
_LEAST = 3  # smallest exponent that is worth a change

Powers = NDArray[np.int64]


def equalized(program: Program, ranges: Mapping[str, Interval]) -> Program:
    """Return the same network, with channels of one magnitude wherever only layers read them.

    Args:
        program: real dialect, in channels-last order.
        ranges: the interval of each tensor, by name.
    """
    powers = _powers(program, ranges)
    if not powers:
        return program
    pool = ConstantPool(dict(program.constants))
    types = dict(program.types)
    # New names, because a name keeps its meaning and these are other values.
    sized = {name: fresh(types, f"{name}.sized") for name in powers}
    ops: list[Op] = []
    for op in program.ops:
        rescaled = _rescaled(op, powers, pool).renamed(sized)
        types[rescaled.output] = types[op.output]
        ops.append(rescaled)
    return live(replace(program, ops=tuple(ops), types=types, constants=pool.all))


def _keeps(op: Op, program: Program) -> bool:
    """Tell whether a positive factor of input channel c passes on to output channel c only."""
    if isinstance(op, RealClip):
        return all(bound is None or not bound for bound in (op.lo, op.hi))
    if isinstance(op, RealFlatten):
        return program.types[op.inputs[0]].shape[:2] == (1, 1)
    return isinstance(op, _KEEP)


def _powers(program: Program, ranges: Mapping[str, Interval]) -> dict[str, Powers]:
    """Return, for each tensor that changes, the exponents of 2 that multiply its channels."""
    graph = nx.Graph()
    producers = {op.output: op for op in program.ops}
    readers = program.consumers()
    graph.add_nodes_from(producers)
    for op in program.ops:
        if _keeps(op, program):
            graph.add_edges_from((op.output, i) for i in op.inputs)
    seen = _compared(program, producers) | {*program.inputs, *program.outputs}
    powers: dict[str, Powers] = {}
    for group in nx.connected_components(graph):
        if group & seen or not all(_free(name, producers, readers, program) for name in group):
            continue
        most = np.max([ranges[name].most for name in group], axis=0)
        exponent = np.frexp(most)[1].astype(np.int64)
        power = np.where(most > 0, exponent.max() - exponent, 0)
        if most.any() and power.max() >= _LEAST:
            powers.update(dict.fromkeys(group, power))
    return powers


def _compared(program: Program, producers: Mapping[str, Op]) -> set[str]:
    """Return the tensors that reach a quantizer through affine maps and activations only."""
    compared: set[str] = set()
    for op in program.ops:
        if isinstance(op, Quantize):
            name = op.inputs[0]
            compared.add(name)
            while isinstance(link := producers.get(name), Elementwise):
                name = link.inputs[0]
                compared.add(name)
    return compared


def _free(
    name: str, producers: Mapping[str, Op], readers: Mapping[str, list[Op]], program: Program
) -> bool:
    """Tell whether a tensor's producer can apply factors per channel, and its readers undo them."""
    maker = producers.get(name)
    if maker is None or isinstance(program.types[name], IntType):
        return False
    if not (isinstance(maker, Affine | RealConv) or _keeps(maker, program)):
        return False
    return all(isinstance(r, Affine | RealConv) or _keeps(r, program) for r in readers[name])


def _rescaled(op: Op, powers: Mapping[str, Powers], pool: ConstantPool) -> Op:
    """Return an operation that undoes the factors of its input and applies those of its output."""
    before = powers.get(op.inputs[0])
    after = powers.get(op.output)
    if isinstance(op, Affine):
        if before is not None:
            op = replace(
                op, slope=tuple(s * _two(-int(k)) for s, k in zip(op.slope, before, strict=True))
            )
        if after is not None:
            slope, offset = (
                tuple(v * _two(int(k)) for v, k in zip(row, after, strict=True))
                for row in (op.slope, op.offset)
            )
            op = replace(op, slope=slope, offset=offset)
    elif isinstance(op, RealConv) and (before is not None or after is not None):
        values = pool.all[op.weight].values.astype(np.float64)
        if before is not None:
            out, depth = len(values), values.shape[3]
            group = np.arange(out) // (out // op.groups)
            channel = group[:, None] * depth + np.arange(depth)
            values = values * np.exp2(-before[channel].astype(float))[:, None, None, :]
        if after is not None:
            values = values * np.exp2(after.astype(float))[:, None, None, None]
        name = pool.add(f"{op.weight}.sized", Constant.real(values))
        op = replace(op, weight=ConstRef(name))
    return op


def _two(power: int) -> Fraction:
    return Fraction(2) ** power
