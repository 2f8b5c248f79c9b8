"""Images of any number through an executor: read, quantized and run in pieces, some at a time.

With a memory-mapped array, a batch takes no more memory than its pieces in flight and its outputs.
"""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from math import prod
from typing import Any

import numpy as np

from n2uqc.passes.program import Program, SaturationWarning, quantize_inputs
from n2uqc.passes.program.named import Batch, Named, by_name, samples, some
from n2uqc.passes.program.types import IntArray

from .progress import Progress

_PIECE_VALUES = 2**22  # of all inputs together
_MOST_SAMPLES = 1024  # so that a bar moves


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_pieces(
    runner: Callable[[Any], Any],
    program: Program,
    x: Batch,
    what: str,
    progress: Progress,
    *,
    workers: int = 1,
) -> Iterator[tuple[slice, Mapping[str, IntArray]]]:
    """Yield the outputs of the pieces of a batch, in order, with their place in it.

    Args:
        runner: from the program's input integers by name to its output integers by name; it is
            called from several threads if there are several workers.
        program: the program.
        x: images as the network takes them, real, or pixels where it was compiled for them.
        what: what the listener is told.
        progress: the listener.
        workers: pieces that run at the same time.

    Yields:
        the samples, and int64 (N, H, W, C) by the names of outputs; one piece of no samples where
        there are none.

    Raises:
        InputError: the images do not fit the program.
    """
    given = by_name(program.interface.inputs, x)
    count, saturation = samples(given), _Saturation()
    values = sum(prod(port.shape) for port in program.interface.inputs)
    size = min(max(1, _PIECE_VALUES // max(1, values)), _MOST_SAMPLES)
    running: deque[tuple[slice, Future[Named]]] = deque()
    with progress.counting(count, what) as advance, ThreadPoolExecutor(workers) as pool:

        def finished() -> tuple[slice, Named]:
            part, future = running.popleft()
            result = future.result()
            advance(part.stop - part.start)
            return part, result

        try:
            for start in range(0, max(count, 1), size):
                part = slice(start, min(start + size, count))
                integers = saturation.quantized(program, some(given, part), start)
                running.append((part, pool.submit(runner, integers)))
                if len(running) > workers:
                    yield finished()
            while running:
                yield finished()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    saturation.warn(given)


def run_all_pieces(
    runner: Callable[[Any], Any],
    program: Program,
    x: Batch,
    what: str,
    progress: Progress,
    *,
    workers: int = 1,
) -> dict[str, IntArray]:
    """Return the outputs of a batch by name, int64 (N, H, W, C); see ``run_pieces``."""
    pieces = [y for _, y in run_pieces(runner, program, x, what, progress, workers=workers)]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


class _Saturation:
    """What the pieces of a batch say of values outside an input's range, told once."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[int, tuple[float, float]]] = {}

    def quantized(self, program: Program, x: Batch, first: int) -> Named:
        """Return a piece's integers, and remember what is clamped of it."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            integers = quantize_inputs(program, x, first=first)
        for each in caught:
            said = each.message
            if isinstance(said, SaturationWarning):
                before, _ = self.found.get(said.port, (0, ()))
                self.found[said.port] = before + said.outside, said.ends
            else:
                warnings.warn_explicit(said, each.category, each.filename, each.lineno)
        return integers

    def warn(self, given: Named) -> None:
        """Warn of all that was clamped."""
        for port, (outside, ends) in self.found.items():
            said = SaturationWarning(port, outside, given[port].size, ends)
            warnings.warn(said, stacklevel=4)
