"""Placement of tensors and of kernels' scratch memory in the caller's workspace."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from n2uqc.passes.plan_memory import Life, lower_bound, pack
from n2uqc.passes.program import Program

from .grouping import Schedule

MayShare = Callable[[int, str], bool]
"""Whether a kernel, given by its index, may write its output over an input, given by its name."""


@dataclass(frozen=True)
class Arena:
    """A plan of the workspace.

    Attributes:
        offsets: offset of every tensor between kernels, in bytes.
        scratch: offset of each kernel's scratch memory; 0 for kernels without.
        in_place: for each kernel that writes over an input, the name of that input.
        size: bytes of the workspace.
        lower_bound: the most bytes in use at one step; no plan of these kernels is smaller.
    """

    offsets: Mapping[str, int]
    scratch: tuple[int, ...]
    in_place: Mapping[int, str]
    size: int
    lower_bound: int


def plan_arena(
    program: Program, schedule: Schedule, scratch: Sequence[int], may_share: MayShare
) -> Arena:
    """Place the tensors between kernels, and the scratch memory of each kernel.

    Each kernel is one step. Tensors inside a kernel need no memory, and its inputs live until its
    end. Scratch memory lives only during its kernel, so it is placed where the workspace is free at
    that step.

    Args:
        program: the program.
        schedule: its kernels.
        scratch: bytes of scratch memory of each kernel.
        may_share: asked only of an input that no later kernel reads.
    """
    lives = _lives(program, schedule)
    place: dict[str, str] = {name: name for name in lives}  # whose bytes each uses
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
    """Return lifetimes by tensor, without the tensors in the caller's buffers."""
    lives: dict[str, Life] = {}
    outputs = {schedule.storage[name] for name in program.outputs}
    for step, group in enumerate(schedule.groups):
        for name in (schedule.storage[n] for n in group.inputs):
            if name in lives:
                lives[name] = replace(lives[name], last=step)
        if group.output not in outputs:
            written = program.int_type(group.output)
            lives[group.output] = Life(written.size * written.container.itemsize, step, step)
    return lives
