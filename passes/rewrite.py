"""Small helpers that passes share."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from .program import Op, Program
from .program.types import Constant, TensorType


def live(program: Program) -> Program:
    """Drop operations, types and constants that do not lead to the output."""
    needed: set[str] = {program.output}
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
        types={n: t for n, t in program.types.items() if n in needed or n == program.input},
        constants={n: c for n, c in program.constants.items() if n in used},
        plan=None,  # it was made for the tensors before
    )


def typed(program: Program) -> Program:
    """Infer the types of tensors that have none yet; others stay."""
    types: dict[str, TensorType] = dict(program.types)
    for op in program.ops:
        if op.output not in types:
            types[op.output] = op.infer(types, program.constants)
    ordered = {program.input: types[program.input]}
    ordered.update({op.output: types[op.output] for op in program.ops})
    return replace(program, types=ordered)


def fresh(taken: Container[str], wish: str) -> str:
    """A name that is not taken yet: the wished one, or it with a number.

    What a pass adds is told from the network's tensors by no name: modules may be called so too.
    """
    name, count = wish, 1
    while name in taken:
        name, count = f"{wish}_{count}", count + 1
    return name


class Constants:
    """Constants of a program in the making: equal arrays of one role are stored once.

    The role is the name's last part (``.bias``, ``.shift``), so that text stays readable.
    """

    def __init__(self, existing: dict[str, Constant]) -> None:
        self.all = dict(existing)
        self._made: dict[str, int] = {}
        self._known: dict[tuple[str, str, tuple[int, ...], bytes], str] = {}

    def add(self, wish: str, constant: Constant) -> str:
        """The name under which the constant now stands."""
        role = wish.rsplit(".", 1)[-1]
        key = (role, constant.kind, constant.values.shape, constant.values.tobytes())
        if key not in self._known:
            name = wish
            while name in self.all:
                self._made[wish] = self._made.get(wish, 0) + 1
                name = f"{wish}_{self._made[wish]}"
            self.all[name] = constant
            self._known[key] = name
        return self._known[key]
