"""Remove channels whose code is always 0."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .program.base import ConstRef, Op, Program
from .program.ops import Conv, Thresholds
from .program.ranges import channel_ranges
from .program.types import Constant, IntType, TensorType
from .rewrite import Constants, live

Mask = NDArray[np.bool_]
_KEY = "channels."


def kept_channels(program: Program, tensor: str, channels: int) -> list[int]:
    """Which of the network's channels a program's tensor still holds, in order.

    Args:
        program: any program.
        tensor: name of a code tensor.
        channels: how many the network has there.
    """
    text = program.metadata.get(_KEY + tensor)
    return list(range(channels)) if text is None else [int(v) for v in text.split(",")]


def _removable(program: Program, op: Thresholds, always_zero: Mask) -> Mask | None:
    """Channels of a table that can go; None if there are none or its neighbours forbid it.

    The table must stand between ordinary convolutions, which then lose rows and columns.  A
    constant code other than 0 stays: padding reads 0 there, so it is no constant to what follows.
    """
    readers = program.consumers()
    conv, after = program.producer(op.inputs[0]), readers[op.output]
    fits = (
        isinstance(conv, Conv) and conv.groups == 1 and len(readers[conv.output]) == 1
        and all(isinstance(r, Conv) and r.groups == 1 and r.pad_value == 0 for r in after)
        and op.output != program.output
    )
    if not fits or not always_zero.any():
        return None
    gone = always_zero.copy()
    if gone.all():
        gone[0] = False  # a tensor keeps at least one channel
    return gone if gone.any() else None


def constant_channels(program: Program) -> Program:
    """Drop channels whose code is always 0 from the table and the convolutions around it."""
    ranges, readers = channel_ranges(program), program.consumers()
    pool = Constants(dict(program.constants))
    made: dict[str, Op] = {op.output: op for op in program.ops}
    facts: dict[str, str] = {}
    notes: list[str] = []

    def taken(name: str, keep: Mask, role: str, axis: int = 0) -> ConstRef:
        old = pool.all[name]
        values = np.ascontiguousarray(np.compress(keep, old.values, axis=axis))
        return ConstRef(pool.add(f"{name}.{role}", Constant(values, old.encoding, old.bits)))

    for op in program.ops:
        if not isinstance(op, Thresholds):
            continue
        gone = _removable(program, op, ranges[op.output][1] == 0)
        if gone is None:
            continue
        keep = ~gone
        conv = made[op.inputs[0]]
        assert isinstance(conv, Conv)
        made[conv.output] = replace(conv, weight=taken(conv.weight, keep, "weight"))
        made[op.output] = replace(
            op, bounds=taken(op.bounds, keep, "bounds"), signs=taken(op.signs, keep, "signs"),
            base=taken(op.base, keep, "base"),
        )
        for reader in readers[op.output]:
            user = made[reader.output]
            assert isinstance(user, Conv)
            made[user.output] = replace(user, weight=taken(user.weight, keep, "weight", axis=3))
        facts[_KEY + op.output] = ",".join(map(str, np.flatnonzero(keep)))
        notes.append(
            f"{int(gone.sum())} of {len(gone)} channels of {op.output} always give code 0 and "
            "were removed"
        )
    if not notes:
        return program
    types: dict[str, TensorType] = {program.input: program.types[program.input]}
    for old_op in program.ops:  # shapes changed: infer again, keeping scales and errors
        op, old = made[old_op.output], program.types[old_op.output]
        new = op.infer(types, pool.all)
        assert isinstance(old, IntType) and isinstance(new, IntType)
        types[op.output] = replace(new, scale=old.scale, error=old.error)
    return live(replace(
        program, ops=tuple(made[op.output] for op in program.ops), types=types,
        constants=pool.all, notes=(*program.notes, *notes),
        metadata={**program.metadata, **facts},
    ))
