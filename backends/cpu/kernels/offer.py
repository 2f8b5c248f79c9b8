"""What a kernel offers to do for a group of operations."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from tvm import tirx

from n2uqc.passes.program import Program

from ..grouping import Group
from .body import Body, Vectors


class Priced(Protocol):
    """Anything that costs instructions and memory for weights."""

    @property
    def instructions(self) -> float: ...
    @property
    def size(self) -> int: ...


Candidate = TypeVar("Candidate", bound=Priced)


def cheapest(candidates: Iterable[Candidate], vectors: Vectors) -> Candidate | None:
    """Return the candidate with the least work, the first of equals; None if there is none."""
    return min(
        candidates,
        key=lambda candidate: vectors.work(candidate.instructions, candidate.size),
        default=None,
    )


@dataclass(frozen=True)
class Offer:
    """How a kernel would compute a group.

    Attributes:
        reason: why it can, and what was proven.
        build: writes the scheduled function over the body's operands and an output.
        instructions: estimate for the group's first operation, on this processor.
        size: bytes of weights in the library.
    """

    reason: str
    build: Callable[[Body], tirx.PrimFunc]
    instructions: float = 0.0
    size: int = 0


@dataclass(frozen=True)
class Kernel:
    """A way to compute groups.

    Attributes:
        name: for tables and symbols.
        offer: what it would do for a group on a processor, None if it cannot.
    """

    name: str
    offer: Callable[[Group, Program, Vectors], Offer | None]
