"""What functions tell of long work: nothing here, bars and spinners on the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from n2uqc.passes.program.named import Batch

_PIECE = 32  # samples between two reports


class Progress:
    """A listener to long work; this one does nothing."""

    def working(self, what: str) -> AbstractContextManager[Callable[[str], None]]:
        """Begin work of unknown length; give what names its current step."""
        return _nothing()

    def counting(self, total: int, what: str) -> AbstractContextManager[Callable[[int], None]]:
        """Begin work of ``total`` steps; give what counts those that are done."""
        return _nothing()

    def reporting(
        self, total: int, what: str, done: int = 0
    ) -> AbstractContextManager[Callable[[str], None]]:
        """Begin work of ``total`` steps, of which some are done; give what counts one more and
        shows a word on how it goes.
        """
        return _nothing()


@contextmanager
def _nothing() -> Iterator[Callable[[Any], None]]:
    yield lambda _: None


SILENT = Progress()


def in_pieces(runner: Callable[[Any], Any], x: Batch, what: str, progress: Progress) -> Any:
    """Run a batch of integers, bare or by name, in pieces.

    Args:
        runner: from integers (N, H, W, C) to integers, by name if they are given so.
        x: the batch.
        what: what the listener is told.
        progress: the listener.
    """
    import numpy as np

    from n2uqc.passes.program.named import samples, some

    pieces: list[Any] = []
    with progress.counting(samples(x), what) as advance:
        for start in range(0, max(samples(x), 1), _PIECE):
            pieces.append(runner(some(x, slice(start, start + _PIECE))))
            advance(samples(pieces[-1]))
    if isinstance(pieces[0], dict):
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    return np.concatenate(pieces)
