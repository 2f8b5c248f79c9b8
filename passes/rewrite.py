"""Helpers for passes: removal of unused parts, types, free names, constants."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from .program import Op, Program
from .program.types import Constant, TensorType


def live(program: Program) -> Program:
    """Remove operations, types and constants that no output depends on."""
    needed: set[str] = set(program.outputs)
    kept: list[Op] = []
    for op in reversed(program.ops):
        if op.output in needed:
            needed.update(op.inputs)
            kept.append(op)
    kept.reverse()
    used = {name for op in kept for name in op.constant_names()}
    return replace(
        program,
        ops=tuple(kept),
        types={n: t for n, t in program.types.items() if n in needed or n in program.inputs},
        constants={n: c for n, c in program.constants.items() if n in used},
        plan=None,  # the plan of the old tensors
    )


def typed(program: Program) -> Program:
    """Infer the types of tensors that have none; others are kept."""
    types: dict[str, TensorType] = dict(program.types)
    for op in program.ops:
        if op.output not in types:
            types[op.output] = op.infer(types, program.constants)
    ordered = {name: types[name] for name in program.inputs}
    ordered.update({op.output: types[op.output] for op in program.ops})
    return replace(program, types=ordered)


def fresh(taken: Container[str], wish: str) -> str:
    """Return a name that is not taken: ``wish``, or ``wish`` with a number.

    A name does not tell whether a pass has added the tensor: the network may use the same names.
    """
    name, count = wish, 1
    while name in taken:
        name, count = f"{wish}_{count}", count + 1
    return name


class ConstantPool:
    """The constants of a program under construction; equal arrays of one role are stored once.

    The role is the last part of the name (``.bias``, ``.shift``), so that the program's text is
    readable.
    """

    def __init__(self, existing: dict[str, Constant]) -> None:
        self.all = dict(existing)
        self._made: dict[str, int] = {}
        self._known: dict[tuple[str, str, tuple[int, ...], bytes], str] = {}

    def add(self, wish: str, constant: Constant) -> str:
        """Add a constant and return its name."""
        role = wish.rsplit(".", 1)[-1]
        key = (role, constant.stored_as, constant.values.shape, constant.values.tobytes())
        if key not in self._known:
            name = wish
            while name in self.all:
                self._made[wish] = self._made.get(wish, 0) + 1
                name = f"{wish}_{self._made[wish]}"
            self.all[name] = constant
            self._known[key] = name
        return self._known[key]
