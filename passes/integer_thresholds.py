"""Fold every quantizer, and the affine maps and activations before it, into a comparison table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np

from . import piecewise
from .program.base import ConstRef, Op, Program
from .program.ops import Thresholds
from .program.ops.real import Affine, Quantize, RealClip, RealPRelu
from .program.ranges import channel_ranges
from .program.types import Constant, IntArray, IntType, TensorType
from .rewrite import Constants, live

ELEMENTWISE = (Affine, RealPRelu, RealClip)


def chain_of(program: Program, quantizer: Quantize) -> tuple[str, list[Op]]:
    """The tensor a quantizer's chain starts from, and the chain's operations in order."""
    made = {op.output: op for op in program.ops}
    chain: list[Op] = []
    name = quantizer.inputs[0]
    while isinstance(op := made.get(name), ELEMENTWISE):
        chain.append(op)
        name = op.inputs[0]
    return name, chain[::-1]


def channel_functions(
    program: Program, base: str, chain: list[Op], ranges: Mapping[str, tuple[IntArray, IntArray]]
) -> list[piecewise.Function]:
    """For each channel, the chain's value as a function of the base's integer."""
    kind = program.types[base]
    assert isinstance(kind, IntType), f"%{base} is still real-valued"
    least, greatest = (row.tolist() for row in ranges[base])
    scale = kind.scale or Fraction(1)
    return [
        _function(piecewise.identity(least[c], greatest[c], scale), chain, c)
        for c in range(kind.shape[2])
    ]


def _function(f: piecewise.Function, chain: list[Op], c: int) -> piecewise.Function:
    for op in chain:
        if isinstance(op, Affine):
            f = piecewise.affine(f, op.slope[c], op.offset[c])
        elif isinstance(op, RealPRelu):
            f = piecewise.prelu(f, op.slope[c])
        elif isinstance(op, RealClip):
            f = piecewise.clip(f, op.lo, op.hi)
    return f


def table(
    functions: list[piecewise.Function], op: Quantize, never: int
) -> tuple[Constant, Constant, Constant]:
    """Bounds (C, K), signs (C, K) and base (C,) of a quantizer behind per-channel functions.

    Args:
        functions: the quantizer's input for each channel.
        op: the quantizer.
        never: a bound that no reachable value exceeds; it fills unused steps.
    """
    rows: list[list[tuple[int, int]]] = []
    bases: list[int] = []
    for c, f in enumerate(functions):
        scaled = piecewise.affine(f, op.input_scale, piecewise.ZERO)
        thresholds = op.thresholds[c if len(op.thresholds) > 1 else 0]
        base, deltas = piecewise.steps(scaled, thresholds, strict=op.strict)
        rows.append([
            (bound, 1 if d > 0 else -1) for bound, d in deltas.items() for _ in range(abs(d))
        ])
        bases.append(base)
    width = max(1, *(len(row) for row in rows))
    filled = np.array([row + [(never, 1)] * (width - len(row)) for row in rows], dtype=np.int64)
    return (
        Constant.narrow(filled[..., 0]), Constant.odd(filled[..., 1], 1),
        Constant.narrow(np.array(bases)),
    )


def integer_thresholds(program: Program) -> Program:
    """Replace each quantizer by the table that gives its code for every reachable integer."""
    pool = Constants(dict(program.constants))
    types: dict[str, TensorType] = dict(program.types)
    ops: list[Op] = []
    ranges = channel_ranges(program)
    for op in program.ops:
        if not isinstance(op, Quantize):
            ops.append(op)
            continue
        base, chain = chain_of(program, op)
        kind = program.types[base]
        assert isinstance(kind, IntType)
        functions = channel_functions(program, base, chain, ranges)
        bounds, signs, start = table(functions, op, kind.hi)
        folded = Thresholds(
            output=op.output, inputs=(base,), bits=op.bits,
            origin=tuple(o for link in chain for o in link.origin) + op.origin,
            bounds=ConstRef(pool.add(f"{op.output}.bounds", bounds)),
            signs=ConstRef(pool.add(f"{op.output}.signs", signs)),
            base=ConstRef(pool.add(f"{op.output}.base", start)),
        )
        result = folded.infer(types, pool.all)
        types[op.output] = replace(result, scale=op.step.rational)
        ops.append(folded)
    return live(replace(program, ops=tuple(ops), types=types, constants=pool.all))
