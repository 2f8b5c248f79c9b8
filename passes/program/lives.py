"""How long tensors are needed, and whether a memory plan keeps them apart."""

from __future__ import annotations

from bisect import bisect, insort
from dataclasses import dataclass, replace
from heapq import heappop, heappush

from .operation import IllegalOp
from .program import Program
from .types import IntType

ALIGNMENT = 64  # bytes: a cache line, and the widest vector load of any target


@dataclass(frozen=True)
class Life:
    """Lifetime and size of memory.

    Attributes:
        size: bytes.
        first, last: steps, both included.
    """

    size: int
    first: int
    last: int

    def meets(self, other: Life) -> bool:
        """Return whether both are needed at some step."""
        return self.first <= other.last and other.first <= self.last

    @property
    def units(self) -> int:
        """The size in multiples of the alignment, rounded up."""
        return -(-self.size // ALIGNMENT)


def lifetimes(program: Program) -> dict[str, Life]:
    """Return the life of each intermediate tensor, with steps counted in operations.

    A tensor lives from the operation that writes it to the last one that reads it, both included.
    Inputs and outputs lie in the caller's buffers.
    """
    lives: dict[str, Life] = {}
    for step, op in enumerate(program.ops):
        for name in op.inputs:
            if name in lives:
                lives[name] = replace(lives[name], last=step)
        tensor_type = program.types[op.output]
        if op.output not in program.outputs and isinstance(tensor_type, IntType):
            lives[op.output] = Life(tensor_type.size * tensor_type.container.itemsize, step, step)
    return lives


def check_plan(program: Program) -> None:
    """Check that a program's plan gives each intermediate tensor bytes of its own while it lives.

    Raises:
        IllegalOp: naming the tensors.
    """
    if program.plan is None:
        return
    offsets, size = program.plan.offsets, program.plan.size
    lives = lifetimes(program)
    if offsets.keys() != lives.keys():
        wrong = sorted(offsets.keys() ^ lives.keys())[:5]
        raise IllegalOp(f"the memory plan does not fit the tensors: {', '.join(wrong)}")
    if not 0 <= size <= ALIGNMENT * sum(life.units for life in lives.values()):
        raise IllegalOp(f"the memory plan takes {size} bytes, more than all tensors together")
    taken: list[tuple[int, int, str]] = []  # offset, end, tensor: of those alive, disjoint
    ends: list[tuple[int, tuple[int, int, str]]] = []
    for name, life in lives.items():  # in order of their beginnings
        while ends and ends[0][0] < life.first:
            del taken[bisect(taken, heappop(ends)[1]) - 1]
        place = (offsets[name], offsets[name] + life.size, name)
        if place[0] < 0 or place[1] > size:
            raise IllegalOp(f"%{name} lies at {place[0]}..{place[1]} of a plan of {size} bytes")
        at = bisect(taken, place)
        for other in taken[max(at - 1, 0) : at + 1]:
            if other[0] < place[1] and place[0] < other[1]:
                raise IllegalOp(f"the memory plan lets %{name} and %{other[2]} overlap")
        insort(taken, place)
        heappush(ends, (life.last, place))
