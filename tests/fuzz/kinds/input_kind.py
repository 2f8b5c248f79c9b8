"""The base class of the kinds of input."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..workers import Limits, Say


@dataclass(frozen=True)
class Setup:
    """The settings of a campaign for its kinds.

    Attributes:
        folder: folder for files that all cases share.
        models: folder with the models of other tests; None for a short campaign.
    """

    folder: Path
    models: Path | None = None


@dataclass
class Kind:
    """A kind of input.

    Attributes:
        name: name in the table.
        full: cases of a complete campaign.
        share: share of the time of a campaign with a time limit.
        brief: cases of the campaign in the tests.
        batch: cases per worker process.
        units: inputs in one case, for the counts.
        limits: limits of a case.
    """

    name: str = ""
    full: int = 0
    share: float = 0.0
    brief: int = 0
    batch: int = 100
    units: int = 1
    suffix: str = ".bin"
    limits: Limits = field(default_factory=Limits)

    def prepare(self, setup: Setup) -> None:
        """Prepare what all cases need, before workers are forked."""

    def content(self, seed: int, case: int) -> bytes:
        """Return the input of a case; raise Skip if none can be drawn."""
        return self.draw(random.Random(f"{seed}/{self.name}/{case}"))

    def draw(self, source: random.Random) -> bytes:
        """Draw an input."""
        raise NotImplementedError

    def attempt(self, content: bytes, place: Path, say: Say) -> str:
        """Try an input in a worker; return a word for the table, or raise what ``judge`` judges."""
        raise NotImplementedError

    def smaller(self, content: bytes) -> Iterator[bytes]:
        """Yield simpler inputs that may fail in the same way, the simplest first."""
        size = len(content)
        step = size // 2
        while step:
            for start in range(0, size, step):
                yield content[:start] + content[start + step :]
            step //= 2
            if size // max(step, 1) > 64:
                return
