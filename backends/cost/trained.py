"""Networks trained apart: what each takes as it is, how accurate it is, which ones stand out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .compare import Comparison

COSTS = ("lut", "dsp", "bram18", "cycles")
"""What a network must not take more of to beat another one."""


@dataclass(frozen=True)
class Accuracy:
    """How often a network's greatest output is the label.

    Attributes:
        right, images: counts.
        executor: what ran the integer program.
    """

    right: int
    images: int
    executor: str

    @property
    def share(self) -> float:
        """Accuracy, 0 to 1."""
        return self.right / self.images


@dataclass(frozen=True)
class Effort:
    """What an image takes on a processor.

    Attributes:
        target, core: what it was compiled for; the core that cycles are estimated for.
        instructions: executed, counted under emulation.
        cycles: estimated without caches; None if there is no estimate.
        bytes: code and constants of the library.
    """

    target: str
    core: str
    instructions: int
    cycles: float | None
    bytes: int


@dataclass(frozen=True)
class Trained:
    """A network beside others.

    Attributes:
        comparison: its cost.
        accuracy: None without labeled data.
        effort: None without a processor.
    """

    comparison: Comparison
    accuracy: Accuracy | None = None
    effort: Effort | None = None


def beaten_by(networks: Sequence[Trained], index: int) -> int | None:
    """The network that beats another one, by its place; None if it is on the Pareto front.

    It is at least as accurate and takes no more of any of ``COSTS``, and is better in one of them.
    """
    mine = _key(networks[index])
    for k, other in enumerate(networks):
        theirs = _key(other)
        if theirs != mine and all(a <= b for a, b in zip(theirs, mine, strict=True)):
            return k
    return None


def _key(network: Trained) -> tuple[float, ...]:
    wrong = 0.0 if network.accuracy is None else 1 - network.accuracy.share
    own = network.comparison.own
    return (wrong, *(own[cost] for cost in COSTS))
