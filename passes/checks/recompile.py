"""Comparison of a program with what its network compiles to, operation by operation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx_ir as ir

from ..options import Options
from ..pipeline import compile_graph
from ..program import Program
from ..program.types import Constant


def recompiled(graph: ir.Model, program: Program) -> Program:
    """Compile a network again with the options that a program's metadata states.

    Raises:
        CompileError: the metadata does not state the options.
    """
    options = Options.from_facts(program.metadata)
    return compile_graph(graph, options, name=program.name)


def differences(program: Program, other: Program) -> Iterator[str]:
    """Yield the differences of two programs, each as a name with a description."""
    for word in ("inputs", "outputs", "interface", "host"):
        if getattr(program, word) != getattr(other, word):
            yield f"the {word}"
    ops = [{op.output: op for op in p.ops} for p in (program, other)]
    yield from _unequal(ops[0], ops[1], "%{}: the operation")
    yield from _unequal(program.types, other.types, "%{}: the type")
    for name in program.constants.keys() | other.constants.keys():
        a, b = program.constants.get(name), other.constants.get(name)
        if a is None or b is None or a.values.shape != b.values.shape or _format(a) != _format(b):
            yield f"@{name}: the constant"
        elif count := int((a.values != b.values).sum()):
            first = tuple(int(v) for v in np.argwhere(a.values != b.values)[0])
            at = ", ".join(map(str, first))
            yield (
                f"@{name}: {count} values, the first at [{at}]: {int(a.values[first])} where "
                f"the network gives {int(b.values[first])}"
            )


def _format(constant: Constant) -> tuple[str, int]:
    return constant.encoding, constant.bits


def _unequal(a: Mapping[str, Any], b: Mapping[str, Any], text: str) -> Iterator[str]:
    yield from (text.format(name) for name in dict.fromkeys((*a, *b)) if a.get(name) != b.get(name))
