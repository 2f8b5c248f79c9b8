"""Flatten in memory order: ONNX flattens channels first, programs keep channels last."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.diagnostics import CompileError, Problem
from n2uqc.frontend.escape import plain

from ..program import ConstRef, Interface, Op, Port, Program
from ..program.exact import Surd
from ..program.ops.real import (
    Elementwise,
    Quantize,
    RealAdd,
    RealAvgPool,
    RealConcat,
    RealConv,
    RealFlatten,
    RealLookup,
    RealMaxPool,
    RealMultiply,
    RealRearrange,
)
from ..program.types import Constant, TensorType
from ..rewrite import ConstantPool, fresh, live

Order = NDArray[np.intp]
"""The index in the network of each channel of a tensor of the program."""

_ANY_ORDER = (RealAdd, RealAvgPool, RealLookup, RealMaxPool, RealMultiply)
"""Operations that treat all channels alike."""

_MOST_MOVED = 1 << 12  # channels that a 1x1 convolution may reorder
_MOST_DENSE = 1 << 24  # weights of a grouped convolution made ordinary, zeros included


def _permute(op: Op, order: Order) -> Op:
    """Return the same operation on reordered channels."""
    if isinstance(op, Elementwise | Quantize):
        return op.reordered(order.tolist())
    assert isinstance(op, _ANY_ORDER), op.mnemonic
    return op


def _dense(weight: NDArray[Any], groups: int) -> NDArray[Any]:
    """Turn grouped weights (O, KH, KW, I / groups) into those of an ordinary convolution."""
    out, height, width, depth = weight.shape
    whole = np.zeros((out, height, width, depth * groups), weight.dtype)
    for g in range(groups):
        rows = slice(g * (out // groups), (g + 1) * (out // groups))
        whole[rows, ..., g * depth : (g + 1) * depth] = weight[rows]
    return whole


class ChannelsLast:
    """One rewrite in progress.

    Attributes:
        orders: the order of each tensor whose channels are not in the network's order.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.pool = ConstantPool(dict(program.constants))
        self.types: dict[str, TensorType] = dict(program.types)
        self.orders: dict[str, Order] = {}
        self.ops: list[Op] = []

    def order(self, name: str) -> Order:
        return self.orders.get(name, np.arange(self.program.types[name].shape[2]))

    def _channels(self, name: str) -> int:
        return self.program.types[name].shape[2]

    def flatten(self, op: RealFlatten) -> Op:
        """Flatten in memory order, and record the order of the result."""
        height, width, channels = self.program.types[op.inputs[0]].shape
        index = np.arange(channels * height * width).reshape(channels, height, width)
        index = index[self.order(op.inputs[0])]
        self.orders[op.output] = index.transpose(1, 2, 0).ravel()
        return replace(op, channels_last=True)

    def convolution(self, op: RealConv) -> Op:
        """Put the weights in the order of the channels they multiply.

        Groups of one channel move as a whole; others, whose channels now lie apart, become an
        ordinary convolution with zeros between the groups.
        """
        order = self.orders.get(op.inputs[0])
        if order is None:
            return op
        constant = self.program.constants[op.weight]
        if op.groups == len(order):
            rows = np.arange(len(constant.values)).reshape(op.groups, -1)[order].ravel()
            self.orders[op.output] = rows
            moved = replace(constant, values=np.ascontiguousarray(constant.values[rows]))
            op = replace(op, step=tuple(op.step[r] for r in rows) if op.step else ())
        elif op.groups > 1:
            if constant.values.size * op.groups > _MOST_DENSE:
                _refuse(op, f"up to {_MOST_DENSE} weights with the zeros between its groups")
            values = np.ascontiguousarray(_dense(constant.values, op.groups)[..., order])
            moved = Constant.narrow(values) if op.step else Constant.real(values)
            op = replace(op, groups=1, levels=op.levels and op.levels + 1)  # 0 is one more level
        else:
            values = np.ascontiguousarray(constant.values[..., order])
            moved = replace(constant, values=values)
        return replace(op, weight=ConstRef(self.pool.add(f"{op.weight}.hwc", moved)))

    def ordered(self, name: str, order: Order, reader: Op) -> str:
        """Return a tensor with its channels in an order, by a 1x1 convolution if needed."""
        mine = self.order(name)
        if (mine == order).all():
            return name
        count = len(order)
        if count > _MOST_MOVED:
            _refuse(reader, f"up to {_MOST_MOVED} values in another order than those beside them")
        place = np.empty(count, np.int64)
        place[mine] = np.arange(count)
        weight = np.zeros((count, 1, 1, count), np.int64)
        weight[np.arange(count), 0, 0, place[order]] = 1
        moved = fresh(self.types, f"{name}.moved")
        move = RealConv(
            output=moved,
            inputs=(name,),
            origin=reader.origin,
            weight=ConstRef(self.pool.add(f"{moved}.weight", Constant.narrow(weight))),
            step=(Surd.of(1),) * count,
        )
        self.types[moved] = move.infer(self.types, self.pool.all)
        self.ops.append(move)
        return moved

    def rewritten(self, op: Op) -> Op:
        """Return the operation for the order that its operands now have."""
        if isinstance(op, RealFlatten):
            return self.flatten(op)
        if isinstance(op, RealConv):
            return self.convolution(op)
        if not any(i in self.orders for i in op.inputs):
            return op
        if isinstance(op, RealRearrange):
            whole = self.ordered(op.inputs[0], np.arange(len(self.order(op.inputs[0]))), op)
            return replace(op, inputs=(whole,))
        if isinstance(op, RealConcat):
            first, second = (self.order(i) for i in op.inputs)
            self.orders[op.output] = np.concatenate([first, len(first) + second])
            return op
        order = next(self.orders[i] for i in op.inputs if i in self.orders)
        inputs = tuple(
            self.ordered(i, order, op) if self._channels(i) == len(order) else i for i in op.inputs
        )  # a single channel is spread over all
        self.orders[op.output] = order
        return replace(_permute(op, order), inputs=inputs)

    def run(self) -> Program:
        for op in self.program.ops:
            self.ops.append(self.rewritten(op))
            order = self.orders.get(op.output)
            if order is not None and (order == np.arange(len(order))).all():
                del self.orders[op.output]
        face = self.program.interface
        ends = [
            self._output(name, port)
            for name, port in zip(self.program.outputs, face.outputs, strict=True)
        ]
        for name, port in ends:
            if name in self.program.inputs:
                raise CompileError(
                    f"the network computes nothing: its output {plain(repr(port.name))} is its "
                    "input"
                )
        return live(
            replace(
                self.program,
                interface=Interface(face.inputs, tuple(port for _, port in ends)),
                outputs=tuple(name for name, _ in ends),
                ops=tuple(self.ops),
                types=self.types,
                constants=self.pool.all,
            )
        )

    def _output(self, name: str, port: Port) -> tuple[str, Port]:
        """Return an output in the network's order, or a map whose axes the interface reorders."""
        if name not in self.orders:
            return name, port
        last = self.program.producer(name)
        assert last is not None
        if isinstance(last, RealFlatten) and last.inputs[0] not in self.orders:
            # The interface reorders a map's axes itself; those of a single position need no
            # reordering.
            return last.inputs[0], replace(port, channels_last=False)
        return self.ordered(name, np.arange(len(self.orders[name])), last), port


def channels_last(program: Program) -> Program:
    """Reorder the parameters after a flattening, so that flattening moves no value."""
    return ChannelsLast(program).run()


def _refuse(op: Op, supported: str) -> None:
    raise CompileError(
        Problem(
            node=", ".join(op.origin),
            op=op.mnemonic,
            found="it follows the flattening of a map of that many values",
            supported=supported,
            hint="pool to 1x1 first, or put a fully connected layer after the flattening",
        )
    )
