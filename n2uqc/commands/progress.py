"""What a person sees on the terminal: progress on stderr, wide tables on stdout."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rich.console import Console

    Runner = Callable[[NDArray[Any]], NDArray[Any]]
    """Integers (N, H, W, C) in, integers (N, H, W, C) out."""

WIDTH = 160  # of tables that no terminal bounds
_PIECE = 32  # samples between two steps of a bar


def wide_console() -> Console:
    """Where tables are printed: as wide as the terminal, or wide enough where there is none."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)


@contextmanager
def progress(total: int, what: str) -> Iterator[Callable[[int], None]]:
    """A bar over `total` steps; yields the function that advances it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty(),
    ) as bar:
        task = bar.add_task(what, total=total)
        yield lambda steps: bar.advance(task, steps)


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner beside work whose length is not known."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield


def in_pieces(runner: Runner, x: NDArray[Any], what: str) -> NDArray[Any]:
    """Run a batch piece by piece under a progress bar."""
    import numpy as np

    pieces = []
    with progress(len(x), what) as advance:
        for start in range(0, max(len(x), 1), _PIECE):
            pieces.append(runner(x[start : start + _PIECE]))
            advance(len(pieces[-1]))
    return np.concatenate(pieces)
