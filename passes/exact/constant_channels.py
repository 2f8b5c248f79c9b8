"""Removal of channels whose code is constant."""

from __future__ import annotations

from dataclasses import replace
from math import gcd

import numpy as np
from numpy.typing import NDArray

from ..program import ConstRef, Op, Program
from ..program.ops import Conv, Requantize, Thresholds
from ..program.ranges import channel_ranges
from ..program.types import Constant, IntArray, TensorType
from ..rewrite import ConstantPool, fresh, live

Mask = NDArray[np.bool_]
UNIT = 8
"""Channels that stay of a layer of twice as many or more are a multiple of this, as far as all its
channels are: processing elements, lanes and registers take equal parts, and 63 has few divisors."""
_KEPT, _CODES = "channels.", "constants."


def kept_channels(program: Program, tensor: str, channels: int) -> list[int]:
    """Return the indices of the network's channels that a tensor of a program still has, in order.

    Args:
        program: the program.
        tensor: name of a code tensor.
        channels: number of channels in the network.
    """
    text = program.metadata.get(_KEPT + tensor)
    return list(range(channels)) if text is None else [int(v) for v in text.split(",")]


def removed_codes(program: Program, tensor: str, channels: int) -> IntArray:
    """Return the constant codes of the removed channels of a code tensor, int64 (C,);
    0 for the others.
    """
    codes = np.zeros(channels, np.int64)
    text = program.metadata.get(_CODES + tensor)
    if text is not None:
        gone = sorted(set(range(channels)) - set(kept_channels(program, tensor, channels)))
        codes[gone] = [int(v) for v in text.split(",")]
    return codes


def _share(weight: IntArray, codes: IntArray) -> IntArray:
    """Return the sum that input channels of constant codes add to each accumulator, int64 (O,)."""
    result: IntArray = weight.sum(axis=(1, 2)) @ codes
    return result


def _kept_for_divisors(gone: Mask) -> int:
    """Return how many removable channels stay, so that the number left is a multiple of ``UNIT``,
    or of its greatest divisor that the number of all is a multiple of.
    """
    unit = gcd(len(gone), UNIT) if len(gone) >= 2 * UNIT else 1
    return int(-np.count_nonzero(~gone) % unit)


class ConstantChannels:
    """The removal of constant channels from one program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.ranges, self.readers = channel_ranges(program), program.consumers()
        self.pool = ConstantPool(dict(program.constants))
        self.convs = {op.output: op for op in program.ops if isinstance(op, Conv)}
        self.tables = {op.output: op for op in program.ops if isinstance(op, Thresholds)}
        self.requantized = {op.output: op for op in program.ops if isinstance(op, Requantize)}
        self.partial_sums: dict[str, str] = {}  # new names of accumulators without the removed sums
        self.facts: dict[str, str] = {}
        self.notes: list[str] = []

    def removable(self, op: Thresholds) -> Mask | None:
        """Return the channels of a table that can be removed; None if there are none.

        The table must be between ordinary convolutions, whose rows and columns are removed. A
            channel must be constant for every reader: its code must equal the reader's padding, or
                the reader has no padding. Its part of the reader's accumulators, if not 0, moves
                into the tables and requantizations that follow, so no other operation may read the
                accumulators.
        """
        conv, readers = self.convs.get(op.inputs[0]), self.readers[op.output]
        after = [self.convs[r.output] for r in readers if r.output in self.convs]
        if not (
            conv is not None
            and conv.groups == 1
            and len(self.readers[conv.output]) == 1
            and len(after) == len(readers)
            and all(r.groups == 1 for r in after)
        ):
            return None
        low, high = self.ranges[op.output]
        gone = low == high
        for reader in after:
            if any(reader.pads):
                gone &= low == reader.pad_value
            behind = self.readers[reader.output]
            if not all(isinstance(r, Thresholds | Requantize) for r in behind):
                gone &= low == 0
        if gone.all():
            gone[0] = False  # one channel has to remain
        gone[np.flatnonzero(gone)[: _kept_for_divisors(gone)]] = False
        return gone if gone.any() else None

    def take(self, name: str, keep: Mask, role: str, axis: int = 0) -> ConstRef:
        """Add a constant with only some rows (or columns) of another."""
        old = self.pool.all[name]
        values = np.ascontiguousarray(np.compress(keep, old.values, axis=axis))
        return ConstRef(self.pool.add(f"{name}.{role}", Constant(values, old.encoding, old.bits)))

    def remove(self, op: Thresholds, gone: Mask) -> None:
        keep, codes = ~gone, np.where(gone, self.ranges[op.output][0], 0)
        conv = self.convs[op.inputs[0]]
        self.convs[conv.output] = replace(conv, weight=self.take(conv.weight, keep, "weight"))
        table = self.tables[op.output]  # the bounds may already have been moved
        self.tables[op.output] = replace(
            table,
            bounds=self.take(table.bounds, keep, "bounds"),
            signs=self.take(table.signs, keep, "signs"),
            base=self.take(table.base, keep, "base"),
        )
        for reader in self.readers[op.output]:
            user = self.convs[reader.output]
            share = _share(self.pool.all[user.weight].values, codes)
            user = replace(user, weight=self.take(user.weight, keep, "weight", axis=3))
            self.convs[reader.output] = user
            if share.any():
                for behind in self.readers[reader.output]:
                    self.shift(behind.output, share)
        self.facts[_KEPT + op.output] = ",".join(map(str, np.flatnonzero(keep)))
        if codes.any():
            self.facts[_CODES + op.output] = ",".join(map(str, codes[gone]))
        one = set(codes[gone].tolist())
        what = f"code {one.pop()}" if len(one) == 1 else "one code each"
        self.notes.append(
            f"{int(gone.sum())} of {len(gone)} channels of {op.output} always give {what} and "
            "were removed"
        )

    def shift(self, name: str, share: IntArray) -> None:
        """Adapt an operation to an accumulator from which ``share`` was removed, by channel."""
        table, op = self.tables.get(name), self.requantized.get(name)
        if table is not None:
            self._rename_input(table)
            bounds = Constant.narrow(self.pool.all[table.bounds].values - share[:, None])
            ref = ConstRef(self.pool.add(f"{name}.bounds", bounds))
            self.tables[name] = replace(table, bounds=ref)
        elif op is not None:
            self._rename_input(op)
            multiplier, bias = (self.pool.all[n].values for n in (op.multiplier, op.bias))
            moved = Constant.narrow(bias + multiplier * share)
            ref = ConstRef(self.pool.add(f"{name}.bias", moved))
            self.requantized[name] = replace(op, bias=ref)

    def _rename_input(self, reader: Op) -> None:
        """Rename the input of an operation, because its value has changed."""
        whole = reader.inputs[0]
        self.partial_sums.setdefault(whole, fresh(self.program.types, f"{whole}.rest"))

    def run(self) -> Program:
        for op in tuple(self.tables.values()):
            gone = self.removable(op)
            if gone is not None:
                self.remove(op, gone)
        return self.finished() if self.notes else self.program

    def finished(self) -> Program:
        program, changed = self.program, {**self.convs, **self.tables, **self.requantized}
        types: dict[str, TensorType] = {name: program.types[name] for name in program.inputs}
        ops = []
        for old_op in program.ops:  # new shapes; same scales and errors
            op, old = changed.get(old_op.output, old_op), program.int_type(old_op.output)
            op = op.renamed(self.partial_sums)
            new = op.infer_integer(types, self.pool.all)
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
    """Remove channels whose code is constant from tables and the convolutions around them."""
    return ConstantChannels(program).run()
