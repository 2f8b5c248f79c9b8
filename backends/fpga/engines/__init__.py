"""The engines of the datapath, one kind per file, with their arithmetic, timing and folding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from n2uqc.frontend.diagnostics import CompileError, Problem
from n2uqc.passes.program import (
    Concat,
    Conv,
    MaxPool,
    Op,
    Program,
    Rearrange,
    SumPool,
    Thresholds,
)

from . import rescale
from .channelwise import Depthwise, pool_engine
from .concat import Joiner
from .engine import SMALLEST, Engine, Fold
from .matrix_vector import MatrixVector
from .rearrange import Rearranger
from .stream import Converter, Fork, Repeater, Sink, Source
from .threshold import ThresholdUnit
from .token_timing import Beat, Timing, WindowTiming

__all__ = [
    "Beat",
    "Converter",
    "Engine",
    "Fold",
    "Fork",
    "Repeater",
    "Sink",
    "Source",
    "Timing",
    "WindowTiming",
    "engine_of",
]


def _always(unit: type[Engine]) -> Callable[[Op, Program], type[Engine]]:
    return lambda op, program: unit


def _conv(op: Conv, program: Program) -> type[Engine]:
    shape = program.constants[op.weight].values.shape
    depthwise = op.groups > 1 and shape[0] == op.groups and shape[3] == 1
    return Depthwise if depthwise else MatrixVector


def _pool(op: MaxPool | SumPool, program: Program) -> type[Engine]:
    tensor_type = program.types[op.inputs[0]]
    return pool_engine(op, tensor_type.shape)


ENGINES: dict[type[Op], Callable[[Any, Program], type[Engine]]] = {
    Conv: _conv,
    MaxPool: _pool,
    SumPool: _pool,
    Thresholds: _always(ThresholdUnit),
    Concat: _always(Joiner),
    Rearrange: _always(Rearranger),
    **{kind: _always(unit) for kind, unit in rescale.UNITS.items()},
}
"""What chooses an operation's engine: a function of the operation, of the type it stands by."""


def engine_of(op: Op, program: Program, fold: Fold = SMALLEST) -> Engine:
    """Return the engine of an operation.

    Raises:
        CompileError: no engine exists for it; every lowered operation has one.
    """
    choose = ENGINES.get(type(op))
    if choose is None:
        raise CompileError(
            Problem(
                node=", ".join(op.origin) or op.output,
                op=op.mnemonic,
                found="an operation without an engine",
                supported=", ".join(sorted(kind.mnemonic for kind in ENGINES)),
            )
        )
    types = [program.int_type(name) for name in (*op.inputs, op.output)]
    return choose(op, program)(
        op=op, inputs=tuple(types[:-1]), output=types[-1], constants=program.constants, fold=fold
    )
