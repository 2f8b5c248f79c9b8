"""What every kind of input has."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..workers import Limits, Say


@dataclass(frozen=True)
class Setup:
    """What a campaign gives its kinds.

    Attributes:
        folder: for files that all cases share.
        models: folder of the models harvested from tests, None for a short campaign.
    """

    folder: Path
    models: Path | None = None


@dataclass
class Kind:
    """One kind of input.

    Attributes:
        name: in the table.
        full: cases of a complete campaign.
        share: of the time of a campaign by minutes.
        brief: cases of the one in the tests.
        batch: cases of one worker.
        units: inputs within one case, for the counts.
        limits: of a case.
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
        """Make what all cases need, before workers are forked."""

    def content(self, seed: int, case: int) -> bytes:
        """The input of a case; raises Skip where none can be drawn."""
        return self.draw(random.Random(f"{seed}/{self.name}/{case}"))

    def draw(self, source: random.Random) -> bytes:
        """An input."""
        raise NotImplementedError

    def attempt(self, content: bytes, place: Path, say: Say) -> str:
        """Try it in a worker: a word for the table, or an exception that ``judge`` looks at."""
        raise NotImplementedError

    def smaller(self, content: bytes) -> Iterator[bytes]:
        """Simpler inputs that may fail in the same way, those first that take away most."""
        size = len(content)
        step = size // 2
        while step:
            for start in range(0, size, step):
                yield content[:start] + content[start + step :]
            step //= 2
            if size // max(step, 1) > 64:
                return
