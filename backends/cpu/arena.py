"""Where tensors and kernels' scratch memory lie in the caller's workspace."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from n2uqc.passes.plan_memory import Life, lower_bound, pack
from n2uqc.passes.program import Program

from .grouping import Schedule

MayShare = Callable[[int, str], bool]
"""Whether a kernel, by its place in the order, may write its output over an input it reads."""


@dataclass(frozen=True)
class Arena:
    """A plan of the workspace.

    Attributes:
        offsets: of every tensor between kernels, in bytes.
        scratch: offset of each kernel's scratch memory; 0 for kernels without.
        in_place: for each kernel that writes over an input, that input.
        size: bytes of all.
        lower_bound: the most that is in use at one step: no plan of these kernels is smaller.
    """

    offsets: Mapping[str, int]
    scratch: tuple[int, ...]
    in_place: Mapping[int, str]
    size: int
    lower_bound: int


def plan_arena(
    program: Program, schedule: Schedule, scratch: Sequence[int], may_share: MayShare
) -> Arena:
    """Place what lives between kernels, and what each needs while it runs.

    A kernel is one step: fused tensors need no place, and what it reads lasts until its end.
    Scratch memory is alive during its kernel only, so it lies wherever the arena is free then.

    Args:
        program: what is computed.
        schedule: its kernels.
        scratch: bytes of scratch memory of each.
        may_share: asked only of an input that no later kernel reads.
    """
    lives = _lives(program, schedule)
    place: dict[str, str] = {name: name for name in lives}  # the tensor whose bytes it takes
    shared: dict[int, str] = {}
    for step, group in enumerate(schedule.groups):
        if group.output not in lives:
            continue
        inputs = [schedule.storage[name] for name in group.inputs]
        for name in inputs:
            if (
                name in lives
                and inputs.count(name) == 1
                and lives[name].last == step
                and lives[name].size == lives[group.output].size
                and may_share(step, name)
            ):
                place[group.output], shared[step] = place[name], name
                break
    joined: dict[str, Life] = {}
    for name, life in lives.items():
        first = joined.get(place[name], life).first
        joined[place[name]] = replace(life, first=first)
    needs = {
        f"scratch of {step}": Life(size, step, step) for step, size in enumerate(scratch) if size
    }
    everything = {**joined, **needs}
    plan = pack(everything)
    return Arena(
        {name: plan.offsets[home] for name, home in place.items()},
        tuple(plan.offsets.get(f"scratch of {step}", 0) for step in range(len(scratch))),
        shared,
        plan.size,
        lower_bound(everything.values()),
    )


def _lives(program: Program, schedule: Schedule) -> dict[str, Life]:
    """Lives by tensor; those in the caller's buffers are left out."""
    lives: dict[str, Life] = {}
    for step, group in enumerate(schedule.groups):
        for name in (schedule.storage[n] for n in group.inputs):
            if name in lives:
                lives[name] = replace(lives[name], last=step)
        if group.output != schedule.storage[program.output]:
            written = program.int_type(group.output)
            lives[group.output] = Life(written.size * written.container.itemsize, step, step)
    return lives
