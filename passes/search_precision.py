"""The search for the smallest fixed-point widths that keep
codes and classes on calibration images.
"""

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
from .program.named import samples

FLIP_RATE = 1e-3
"""Default share of codes that may differ from exact arithmetic."""

_LADDER = (8, 10, 12, 14, 16, 20, 24, 28, 32)


@dataclass(frozen=True)
class WidthChoice:
    """The chosen width of one tensor.

    Attributes:
        tensor: name of a fixed-point tensor, or of an unquantized convolution's weights.
        bits: the chosen width.
        most: the width at the precision ``exact``.
        flip_rate: flip rate of the network if only this width is reduced.
    """

    tensor: str
    bits: int
    most: int
    flip_rate: float


@dataclass(frozen=True)
class PrecisionResult:
    """The result of a search: options, the chosen widths,
    and the deviations of the whole network.
    """

    options: Options
    choices: tuple[WidthChoice, ...]
    flip_rate: float
    top1: int
    samples: int


def search_precision(
    graph: ir.Model,
    options: Options,
    *,
    flip_rate: float = FLIP_RATE,
    progress: Callable[[str], None] | None = None,
) -> PrecisionResult:
    """Reduce each width separately, then widen all until the whole network is good enough.

    It is good enough if at most the given share of codes differs from exact arithmetic and every
    image keeps its top-1 class.

    Args:
        graph: canonical graph.
        options: options with calibration images; their widths are the largest considered.
        flip_rate: share of codes that may differ from exact arithmetic.
        progress: called with a description of each step.

    Raises:
        CompileError: there are no calibration images, or the rate is outside 0..1.
    """
    if options.calibration is None:
        raise CompileError("--precision auto needs calibration images: --calib X.npz")
    if not 0 <= flip_rate <= 1:
        raise CompileError(f"--flip-rate is {flip_rate}; it takes 0..1")
    images = options.calibration
    real = reference(graph, options)

    def cost(bits: dict[str, int]) -> Deviation:
        return deviation(real, compile_graph(graph, replace(options, widths=bits)), images)

    def good(result: Deviation) -> bool:
        return result.flip_rate <= flip_rate and result.top1 == samples(images)

    before: dict[str, Program] = {}
    compile_graph(
        graph, options, observe=lambda step, program, _: before.update({step.name: program})
    )
    most = widths(before["hoist-bias"], options)
    choices: list[WidthChoice] = []
    for name, limit in most.items():
        ladder = _ladder(limit)
        low, high, reached = 0, len(ladder) - 1, 0.0
        while low < high:  # the flip rate falls with the width, apart from noise
            middle = (low + high) // 2
            result = cost({name: ladder[middle]})
            if good(result):
                high, reached = middle, result.flip_rate
            else:
                low = middle + 1
        choices.append(WidthChoice(name, ladder[high], limit, reached))
        if progress is not None:
            progress(f"{name}: {ladder[high]} of {limit} bits")
    bits = {c.tensor: c.bits for c in choices}
    whole = cost(bits)
    while not good(whole) and any(bits[n] < most[n] for n in bits):
        bits = {n: next((b for b in _ladder(most[n]) if b > bits[n]), most[n]) for n in bits}
        if progress is not None:
            progress(f"together {whole.flip_rate:.2e}: all one step wider")
        whole = cost(bits)
    final = tuple(replace(c, bits=bits[c.tensor]) for c in choices)
    chosen = replace(options, widths=bits)
    return PrecisionResult(chosen, final, whole.flip_rate, whole.top1, samples(images))


def _ladder(limit: int) -> tuple[int, ...]:
    return (*(b for b in _LADDER if b < limit), limit)
