"""Find the smallest fixed-point widths that keep codes and decisions on calibration images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import onnx_ir as ir

from n2uqc.frontend.diagnostics import CompileError

from .checks.evaluate import Deviation, deviation, reference
from .fixed_point.elementwise import widths
from .options import Options
from .pipeline import compile_graph
from .program import Program

FLIP_RATE = 1e-3
"""Share of codes that may differ from exact arithmetic, by default."""

_LADDER = (8, 10, 12, 14, 16, 20, 24, 28, 32)


@dataclass(frozen=True)
class Choice:
    """One row of the table of choices.

    Attributes:
        tensor: name of a fixed-point tensor, or of an unquantized convolution's weights.
        bits: the width chosen.
        most: the width it has at the precision ``exact``.
        flip_rate: of the network with this width alone narrowed.
    """

    tensor: str
    bits: int
    most: int
    flip_rate: float


@dataclass(frozen=True)
class Search:
    """The result: options to compile with, the table, and what the whole of it costs."""

    options: Options
    choices: tuple[Choice, ...]
    flip_rate: float
    top1: int
    samples: int


def search_precision(
    graph: ir.Model,
    options: Options,
    *,
    flip_rate: float = FLIP_RATE,
    progress: Callable[[str], None] | None = None,
) -> Search:
    """Narrow each width by itself, then widen all together until the whole is good.

    Good is: no more codes than the rate differ from exact arithmetic, and every image keeps its
    top-1.

    Args:
        graph: canonical graph.
        options: with calibration images; its widths are the widest considered.
        flip_rate: share of codes that may differ from exact arithmetic.
        progress: called with a line about each step.

    Raises:
        CompileError: no calibration images, or a rate outside 0..1.
    """
    if options.calibration is None:
        raise CompileError("--precision auto needs calibration images: --calib X.npz")
    if not 0 <= flip_rate <= 1:
        raise CompileError(f"--flip-rate is {flip_rate}; it takes 0..1")
    images = options.calibration
    real = reference(graph, options)

    def cost(found: dict[str, int]) -> Deviation:
        return deviation(real, compile_graph(graph, replace(options, widths=found)), images)

    def good(result: Deviation) -> bool:
        return result.flip_rate <= flip_rate and result.top1 == len(images)

    before: dict[str, Program] = {}
    compile_graph(
        graph, options, observe=lambda step, program, _: before.update({step.name: program})
    )
    most = widths(before["hoist-bias"], options)
    choices: list[Choice] = []
    for name, limit in most.items():
        ladder = _ladder(limit)
        low, high, reached = 0, len(ladder) - 1, 0.0
        while low < high:  # the flip rate falls with the width, up to noise
            middle = (low + high) // 2
            result = cost({name: ladder[middle]})
            if good(result):
                high, reached = middle, result.flip_rate
            else:
                low = middle + 1
        choices.append(Choice(name, ladder[high], limit, reached))
        if progress is not None:
            progress(f"{name}: {ladder[high]} of {limit} bits")
    found = {c.tensor: c.bits for c in choices}
    whole = cost(found)
    while not good(whole) and any(found[n] < most[n] for n in found):
        found = {n: next((b for b in _ladder(most[n]) if b > found[n]), most[n]) for n in found}
        if progress is not None:
            progress(f"together {whole.flip_rate:.2e}: all one step wider")
        whole = cost(found)
    final = tuple(replace(c, bits=found[c.tensor]) for c in choices)
    chosen = replace(options, widths=found)
    return Search(chosen, final, whole.flip_rate, whole.top1, len(images))


def _ladder(limit: int) -> tuple[int, ...]:
    return (*(b for b in _LADDER if b < limit), limit)
