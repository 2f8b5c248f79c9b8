"""Flatten in memory order: ONNX flattens channels first, programs keep channels last."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.diagnostics import CompileError, Problem

from ..program import ConstRef, Op, Program
from ..program.ops.real import (
    Affine,
    Quantize,
    RealAdd,
    RealClip,
    RealConv,
    RealFlatten,
    RealPRelu,
    Row,
)
from ..program.types import Constant
from ..rewrite import Constants, live

Order = NDArray[np.intp]


def _permute(op: Op, order: Order) -> Op | None:
    """The same operation on reordered channels; None if it cannot be reordered."""

    def row(values: Row) -> Row:
        return tuple(values[i] for i in order)

    if isinstance(op, Affine):
        return replace(op, slope=row(op.slope), offset=row(op.offset))
    if isinstance(op, RealPRelu):
        return replace(op, slope=row(op.slope))
    if isinstance(op, Quantize):
        table = op.thresholds
        return op if len(table) == 1 else replace(op, thresholds=tuple(table[i] for i in order))
    return op if isinstance(op, RealClip | RealAdd) else None


def channels_last(program: Program) -> Program:
    """Reorder the parameters behind a flattening, so that flattening moves no value."""
    pool = Constants(dict(program.constants))
    orders: dict[str, Order] = {}
    ops: list[Op] = []
    for op in program.ops:
        found = [orders[i] for i in op.inputs if i in orders]
        if isinstance(op, RealFlatten):
            height, width, channels = program.types[op.inputs[0]].shape
            if height * width > 1:
                index = np.arange(channels * height * width).reshape(channels, height, width)
                orders[op.output] = index.transpose(1, 2, 0).ravel()
            op = replace(op, channels_last=True)
        elif found and isinstance(op, RealConv):
            constant = program.constants[op.weight]
            values = np.ascontiguousarray(constant.values[..., found[0]])
            name = pool.add(f"{op.weight}.hwc", Constant(values, constant.encoding, constant.bits))
            op = replace(op, weight=ConstRef(name))
        elif found:
            moved = _permute(op, found[0])
            same = len(found) == len(op.inputs) and all((o == found[0]).all() for o in found)
            if moved is None or not same:
                _refuse(op.origin, op.mnemonic)
            else:
                op, orders[op.output] = moved, found[0]
        ops.append(op)
    if program.output in orders:
        last = ops[-1]
        if not isinstance(last, RealFlatten) or last.output != program.output:
            _refuse(last.origin, last.mnemonic)
        ops.pop()  # the interface itself orders the output's axes
        program = replace(program, output=last.inputs[0])
    return live(replace(program, ops=tuple(ops), constants=pool.all))


def _refuse(origin: tuple[str, ...], what: str) -> None:
    raise CompileError(
        Problem(
            node=", ".join(origin),
            op=what,
            found="it follows the flattening of a map larger than 1x1",
            supported="a fully connected layer, biases, activations and quantizers there",
            mend="pool to 1x1 first, or put a fully connected layer behind the flattening",
        )
    )
