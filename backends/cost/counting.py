"""Counting of a program's operations, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from n2uqc.passes.program import (
    Concat,
    Constant,
    Conv,
    Flatten,
    Interpolate,
    IntType,
    Lookup,
    MaxPool,
    Multiply,
    Op,
    Program,
    Rearrange,
    Requantize,
    SumPool,
    Thresholds,
)
from n2uqc.passes.program.types import width_of

from .counts import LOW_BITS, ElementwiseCounts, LayerCounts, MacCounts, QuantizerCounts

_COUNTED_APART = (Conv, Thresholds)
"""Operations that are not counted as ``ElementwiseCounts``."""


def count_layers(program: Program) -> tuple[LayerCounts, ...]:
    """Count the operations of a lowered program, grouped by the convolution that they follow.

    An operation belongs to the last convolution that its inputs depend on.
    """
    home: dict[str, int] = dict.fromkeys(program.inputs, -1)
    groups: dict[int, list[Op]] = {}
    for position, op in enumerate(program.ops):
        mine = position if isinstance(op, Conv) else max(home[i] for i in op.inputs)
        home[op.output] = mine
        groups.setdefault(mine, []).append(op)
    layers = []
    for position in sorted(groups):
        ops = groups[position]
        convs = [count_conv(program, op) for op in ops if isinstance(op, Conv)]
        mac = convs[0] if convs else None
        tables = tuple(count_thresholds(program, op) for op in ops if isinstance(op, Thresholds))
        others = tuple(
            count_elementwise(program, op)
            for op in ops
            if not isinstance(op, _COUNTED_APART)
            and not op.in_place(program.types, program.constants)  # which needs no hardware
        )
        name, origin = (mac.name, mac.origin) if mac else (program.inputs[0], ())
        layers.append(LayerCounts(name, origin, mac, tables, others))
    return tuple(layers)


def _width(tensor_type: IntType) -> int:
    return width_of(tensor_type.lo, tensor_type.hi)[0]


def _code_bits(program: Program, name: str) -> int | None:
    """Return the bits of a quantizer's codes, also if they are moved, joined or looked up, else
    None.

    A codebook's levels are wider than the codes that select them. A requantization to values from 0
    replaces a table (``affine_tables``); the results of those in fixed point are signed.
    """
    op = program.producer(name)
    if isinstance(op, MaxPool | Flatten | Lookup | Rearrange):
        return _code_bits(program, op.inputs[0])
    if isinstance(op, Concat):
        parts = [_code_bits(program, i) for i in op.inputs]
        known = [bits for bits in parts if bits is not None]
        return max(known) if len(known) == len(parts) else None
    if isinstance(op, Thresholds) or (isinstance(op, Requantize) and op.lo == 0):
        return program.int_type(name).bits
    return None


def count_conv(program: Program, op: Conv) -> MacCounts:
    """Return the counts of one convolution."""
    x, y = program.int_type(op.inputs[0]), program.int_type(op.output)
    weight: Constant = program.constants[op.weight]
    rows, kh, kw, inputs = weight.values.shape
    code = _code_bits(program, op.inputs[0])
    weight_bits = op.levels or weight.bits
    return MacCounts(
        op.output,
        op.origin,
        y.shape[0] * y.shape[1],
        rows,
        kh * kw * inputs,
        op.groups,
        _width(x) if code is None else code,
        weight_bits,
        _width(x),
        weight.bits,
        _width(y),
        code is not None and code <= LOW_BITS and weight_bits <= LOW_BITS,
        x.size,
    )


def count_thresholds(program: Program, op: Thresholds) -> QuantizerCounts:
    """Return the counts of one comparison table."""
    x = program.int_type(op.inputs[0])
    bounds, signs = program.constants[op.bounds].values, program.constants[op.signs].values
    base, top = program.constants[op.base].values, (1 << op.bits) - 1
    fires = bounds < x.hi
    up, down = (fires & (signs == 1)).any(axis=1), (fires & (signs == -1)).any(axis=1)
    live = fires.sum(axis=1)
    from_zero, from_top = base + live, top - base + live  # a base: always true
    rising, falling = ~down & (from_zero <= top), ~up & (from_top <= top)
    shape: Literal["rising", "monotone", "mixed"] = (
        "rising" if rising.all() else "monotone" if (rising | falling).all() else "mixed"
    )
    needed = live if shape == "mixed" else np.where(rising, from_zero, from_top)
    return QuantizerCounts(
        op.output,
        op.origin,
        x.shape[0] * x.shape[1],
        x.shape[2],
        _width(x),
        op.bits,
        tuple(live.tolist()),
        int(needed.max(initial=0)),
        shape,
        bool((up & down).any()),
        isinstance(program.producer(op.inputs[0]), Conv),
    )


def count_elementwise(program: Program, op: Op) -> ElementwiseCounts:
    """Return the counts of one operation on the wide stream."""
    x, y = program.int_type(op.inputs[0]), program.int_type(op.output)
    window, multiplier, word = 1, 0, 0
    if isinstance(op, MaxPool | SumPool):
        window = op.kernel[0] * op.kernel[1]
        if isinstance(op, SumPool) and op.weighted(x.shape):
            rows, columns = op.factors(x.shape)
            multiplier = (max(rows) * max(columns)).bit_length()
    elif isinstance(op, Multiply):
        multiplier = _width(program.int_type(op.inputs[1]))
    elif isinstance(op, Interpolate):
        window = program.constants[op.base].values.size
        multiplier, word = (program.constants[n].bits for n in (op.slope, op.base))
        word += multiplier
    elif isinstance(op, Lookup):
        window = program.constants[op.table].values.size
    elif op.scaling:
        names = [getattr(op, name) for name in op.scaling]
        multiplier, word = _parameters(program.constants, *names)
    return ElementwiseCounts(
        op.output,
        op.origin,
        op.mnemonic,
        y.shape[0] * y.shape[1],
        y.shape[2],
        window,
        max(_width(x), 0 if isinstance(op, Requantize) else _width(y)),
        multiplier,
        word,
        isinstance(program.producer(op.inputs[0]), Conv),
        _width(x),
        op.arithmetic * op.steps,
    )


def _parameters(constants: Mapping[str, Constant], *names: str) -> tuple[int, int]:
    """Return the bits of the multiplier, and of all parameters that differ by channel.

    If all channels have the same power of two, the multiplication is wiring: 0 bits.
    """
    word = sum(constants[n].bits for n in names if len(np.unique(constants[n].values)) > 1)
    factor = np.unique(constants[names[0]].values)
    wired = len(factor) == 1 and int(factor[0]) & (int(factor[0]) - 1) == 0
    return 0 if wired else constants[names[0]].bits, word
