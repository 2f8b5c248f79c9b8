"""Passes, and the runner that verifies the program and measures the time of each pass."""

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
        name: name for ``--print-after``.
        apply: function from program and options to program.
        lowered: true if no real-valued operation may be left after it.
    """

    name: str
    apply: Callable[[Program, Options], Program]
    lowered: bool = False

    @property
    def summary(self) -> str:
        """The first line of the pass's docstring."""
        return (self.apply.__doc__ or "").strip().splitlines()[0]


def plain(function: Callable[[Program], Program]) -> Callable[[Program, Options], Program]:
    """Return a pass that does not use the options."""

    def apply(program: Program, options: Options) -> Program:
        return function(program)

    apply.__doc__ = function.__doc__
    return apply


Observer = Callable[[Pass, Program, float], None]
"""Called after each pass with the pass, its result and its seconds."""


def run_passes(
    program: Program, options: Options, passes: Iterable[Pass], observe: Observer | None = None
) -> Program:
    """Run passes in order, verifying the program after each.

    Raises:
        IllegalOp: a pass made an illegal program (a fault of the compiler).
        CompileError: a pass refuses the model; the message names its nodes.
    """
    judged: Judgments = {}
    for step in passes:
        start = time.perf_counter()
        program = step.apply(program, options)
        verify(program, lowered=step.lowered, judged=judged)
        if observe is not None:
            observe(step, program, time.perf_counter() - start)
    return program
