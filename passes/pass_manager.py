"""A pass, and the runner that verifies, times and dumps between passes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .options import Options
from .program import Program
from .program.verify import Judgments, verify


@dataclass(frozen=True)
class Pass:
    """One step of the pipeline.

    Attributes:
        name: as ``--print-after`` takes it.
        apply: program and options to program.
        lowered: true if nothing real-valued may be left behind it.
    """

    name: str
    apply: Callable[[Program, Options], Program]
    lowered: bool = False

    @property
    def summary(self) -> str:
        """The first line of the pass's docstring."""
        return (self.apply.__doc__ or "").strip().splitlines()[0]


def plain(function: Callable[[Program], Program]) -> Callable[[Program, Options], Program]:
    """A pass that looks at no option."""

    def apply(program: Program, options: Options) -> Program:
        return function(program)

    apply.__doc__ = function.__doc__
    return apply


Observer = Callable[[Pass, Program, float], None]
"""Called after each pass with its result and its seconds."""


def run_passes(
    program: Program, options: Options, passes: Iterable[Pass], observe: Observer | None = None
) -> Program:
    """Run passes in order, verifying the program after each.

    Raises:
        IllegalOp: a pass made an illegal program (a fault of the compiler).
        CompileError: a pass refuses the model, naming its nodes.
    """
    judged: Judgments = {}
    for step in passes:
        start = time.perf_counter()
        program = step.apply(program, options)
        verify(program, lowered=step.lowered, judged=judged)
        if observe is not None:
            observe(step, program, time.perf_counter() - start)
    return program
