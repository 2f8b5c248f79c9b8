"""Remove channels whose code is a constant."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..program import ConstRef, Op, Program
from ..program.ops import Conv, Requantize, Thresholds
from ..program.ranges import channel_ranges
from ..program.types import Constant, IntArray, IntType, TensorType
from ..rewrite import Constants, fresh, live

Mask = NDArray[np.bool_]
_KEPT, _CODES = "channels.", "constants."


def kept_channels(program: Program, tensor: str, channels: int) -> list[int]:
    """Which of the network's channels a program's tensor still holds, in order.

    Args:
        program: any program.
        tensor: name of a code tensor.
        channels: how many the network has there.
    """
    text = program.metadata.get(_KEPT + tensor)
    return list(range(channels)) if text is None else [int(v) for v in text.split(",")]


def removed_codes(program: Program, tensor: str, channels: int) -> IntArray:
    """The constant code of each removed channel of a code tensor, int64 (C,); 0 of the others."""
    codes = np.zeros(channels, np.int64)
    text = program.metadata.get(_CODES + tensor)
    if text is not None:
        gone = sorted(set(range(channels)) - set(kept_channels(program, tensor, channels)))
        codes[gone] = [int(v) for v in text.split(",")]
    return codes


def _share(weight: IntArray, codes: IntArray) -> IntArray:
    """What input channels of constant codes add to each accumulator, int64 (O,)."""
    result: IntArray = weight.sum(axis=(1, 2)) @ codes
    return result


class ConstantChannels:
    """One removal in progress."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.ranges, self.readers = channel_ranges(program), program.consumers()
        self.pool = Constants(dict(program.constants))
        self.made: dict[str, Op] = {op.output: op for op in program.ops}
        self.lacking: dict[str, str] = {}  # accumulators without a share of theirs: new names
        self.facts: dict[str, str] = {}
        self.notes: list[str] = []

    def removable(self, op: Thresholds) -> Mask | None:
        """Channels of a table that can go; None if there are none or its neighbors forbid it.

        The table must stand between ordinary convolutions, which lose rows and columns.  A channel
        must look constant to every reader: its code is also what the reader has outside the map,
        or the reader has no padding.  Its share of the reader's accumulators, if not 0, moves into
        the tables and requantizations behind it, so nothing else may read them.
        """
        conv, after = self.program.producer(op.inputs[0]), self.readers[op.output]
        if not (
            isinstance(conv, Conv)
            and conv.groups == 1
            and len(self.readers[conv.output]) == 1
            and all(isinstance(r, Conv) and r.groups == 1 for r in after)
            and op.output != self.program.output
        ):
            return None
        low, high = self.ranges[op.output]
        gone = low == high
        for reader in after:
            assert isinstance(reader, Conv)
            if any(reader.pads):
                gone &= low == reader.pad_value
            behind = self.readers[reader.output]
            if reader.output == self.program.output or not all(
                isinstance(r, Thresholds | Requantize) for r in behind
            ):
                gone &= low == 0
        if gone.all():
            gone[0] = False  # a tensor keeps at least one channel
        return gone if gone.any() else None

    def take(self, name: str, keep: Mask, role: str, axis: int = 0) -> ConstRef:
        """Some rows (or columns) of a constant."""
        old = self.pool.all[name]
        values = np.ascontiguousarray(np.compress(keep, old.values, axis=axis))
        return ConstRef(self.pool.add(f"{name}.{role}", Constant(values, old.encoding, old.bits)))

    def remove(self, op: Thresholds, gone: Mask) -> None:
        keep, codes = ~gone, np.where(gone, self.ranges[op.output][0], 0)
        conv = self.made[op.inputs[0]]
        assert isinstance(conv, Conv)
        self.made[conv.output] = replace(conv, weight=self.take(conv.weight, keep, "weight"))
        table = self.made[op.output]  # its bounds may have moved already
        assert isinstance(table, Thresholds)
        self.made[op.output] = replace(
            table,
            bounds=self.take(table.bounds, keep, "bounds"),
            signs=self.take(table.signs, keep, "signs"),
            base=self.take(table.base, keep, "base"),
        )
        for reader in self.readers[op.output]:
            user = self.made[reader.output]
            assert isinstance(user, Conv)
            share = _share(self.pool.all[user.weight].values, codes)
            user = replace(user, weight=self.take(user.weight, keep, "weight", axis=3))
            self.made[reader.output] = user
            if share.any():
                for behind in self.readers[reader.output]:
                    self.shift(self.made[behind.output], share)
        self.facts[_KEPT + op.output] = ",".join(map(str, np.flatnonzero(keep)))
        if codes.any():
            self.facts[_CODES + op.output] = ",".join(map(str, codes[gone]))
        one = set(codes[gone].tolist())
        what = f"code {one.pop()}" if len(one) == 1 else "one code each"
        self.notes.append(
            f"{int(gone.sum())} of {len(gone)} channels of {op.output} always give {what} and "
            "were removed"
        )

    def shift(self, op: Op, share: IntArray) -> None:
        """Let an operation read an accumulator that lacks a share of each channel."""
        whole = op.inputs[0]
        self.lacking.setdefault(whole, fresh(self.program.types, f"{whole}.rest"))
        if isinstance(op, Thresholds):
            bounds = Constant.narrow(self.pool.all[op.bounds].values - share[:, None])
            ref = ConstRef(self.pool.add(f"{op.output}.bounds", bounds))
            self.made[op.output] = replace(op, bounds=ref)
            return
        assert isinstance(op, Requantize)
        multiplier, bias = (self.pool.all[n].values for n in (op.multiplier, op.bias))
        moved = Constant.narrow(bias + multiplier * share)
        ref = ConstRef(self.pool.add(f"{op.output}.bias", moved))
        self.made[op.output] = replace(op, bias=ref)

    def run(self) -> Program:
        for op in self.program.ops:
            gone = self.removable(op) if isinstance(op, Thresholds) else None
            if gone is not None:
                assert isinstance(op, Thresholds)
                self.remove(op, gone)
        return self.finished() if self.notes else self.program

    def finished(self) -> Program:
        program = self.program
        types: dict[str, TensorType] = {program.input: program.types[program.input]}
        ops = []
        for old_op in program.ops:  # shapes changed: infer again, keeping scales and errors
            op, old = self.made[old_op.output], program.types[old_op.output]
            op = op.renamed(self.lacking)
            new = op.infer(types, self.pool.all)
            assert isinstance(old, IntType) and isinstance(new, IntType)
            types[op.output] = replace(new, scale=old.scale, error=old.error)
            ops.append(op)
        return live(
            replace(
                program,
                ops=tuple(ops),
                types=types,
                constants=self.pool.all,
                notes=(*program.notes, *self.notes),
                metadata={**program.metadata, **self.facts},
            )
        )


def constant_channels(program: Program) -> Program:
    """Drop channels whose code is a constant from the table and the convolutions around it."""
    return ConstantChannels(program).run()
