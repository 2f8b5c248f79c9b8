"""The workspace: nothing in use is overwritten, scratch memory lies in gaps, sums work in place."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.backends.cpu.arena import plan_arena
from n2uqc.backends.cpu.grouping import schedule
from n2uqc.passes.program import Add, Clamp, Constant, Conv, Program, run
from tests.properties.programs import Builder, programs

from .host import Host


@settings(max_examples=150, deadline=None)
@given(programs(), st.data())
def test_nothing_in_use_is_overwritten(case, data: st.DataObject) -> None:
    program, _ = case
    plan = schedule(program)
    scratch = [data.draw(st.sampled_from([0, 0, 64, 1000, 5000])) for _ in plan.groups]
    sharing = data.draw(st.booleans())
    arena = plan_arena(program, plan, scratch, lambda step, name: sharing)
    names = list(arena.offsets)
    kinds = {n: program.types[n] for n in names}
    sizes = {n: kinds[n].size * kinds[n].container.itemsize for n in names}
    last = dict.fromkeys(names, 0)
    for step, group in enumerate(plan.groups):
        last |= {plan.storage[n]: step for n in group.inputs if plan.storage[n] in sizes}
    used: dict[str, tuple[int, int]] = {}
    for step, group in enumerate(plan.groups):
        for name in (plan.storage[n] for n in group.inputs):
            if name in sizes:
                assert used[name] == (arena.offsets[name], arena.offsets[name] + sizes[name])
        places = dict(used)
        if group.output in sizes:
            start = arena.offsets[group.output]
            if step in arena.in_place:
                assert last[arena.in_place[step]] == step
                assert used.pop(arena.in_place[step]) == (start, start + sizes[group.output])
                places.pop(arena.in_place[step])
            used[group.output] = (start, start + sizes[group.output])
            places[group.output] = used[group.output]
        if scratch[step]:
            places["scratch"] = (arena.scratch[step], arena.scratch[step] + scratch[step])
        ranges = sorted(places.values())
        assert all(a[1] <= b[0] for a, b in zip(ranges, ranges[1:], strict=False))
        assert all(end <= arena.size for _, end in ranges)
        for name in [n for n in used if last[n] <= step]:
            del used[name]
    assert arena.lower_bound <= arena.size <= 1.1 * arena.lower_bound + 64


def conv(b: Builder, x: str, out: int) -> str:
    """3x3 that keeps the map's size."""
    values = 2 * b.rng.integers(0, 4, (out, 3, 3, b.types[x].shape[2])) - 3
    return b.add(Conv, x, weight=b.const(Constant.odd(values, 2)), pads=(1, 1, 1, 1))


def residual(channels: int, size: int = 9) -> Program:
    """A sum over the skip stream, which is read by nothing behind it."""
    b = Builder(channels, size, 8, 2, False)
    skip = conv(b, "x", channels)
    inner = conv(b, b.thresholds(skip, 2), channels)
    for name in (skip, inner):
        b.types[name] = replace(b.types[name], scale=Fraction(1))
    total = b.add(Add, skip, inner)
    total = b.add(Clamp, total, lo=-400, hi=500)
    codes = [b.thresholds(total, 2), b.thresholds(total, 2)]
    for name in codes:
        b.types[name] = replace(b.types[name], scale=Fraction(1))
    return b.finish(b.add(Add, *codes))


def streams(channels: int) -> Program:
    """Sums that stand alone, because both inputs are read by others too."""
    b = Builder(channels, 7, 4, 2, False)
    left, right = (b.thresholds(conv(b, "x", channels), 2) for _ in range(2))
    for name in (left, right):
        b.types[name] = replace(b.types[name], scale=Fraction(1))
    total = b.add(Add, left, right)
    b.types[total] = replace(b.types[total], scale=Fraction(1))
    again = b.add(Add, total, right)
    return b.finish(b.conv(again, 3, bits=2))


def check(program: Program, folder: Path) -> int:
    kind = program.types[program.input]
    x = np.random.default_rng(0).integers(kind.lo, kind.hi + 1, (4, *kind.shape))
    host = Host(program, folder)
    np.testing.assert_array_equal(host(x), run(program, x))
    return len(host.model.arena.in_place)


def test_sums_work_in_place(tmp_path: Path) -> None:
    shared = sum(check(streams(channels), tmp_path) for channels in (3, 16, 21, 64))
    assert shared >= 4


def test_a_convolution_adds_into_the_skip_stream(tmp_path: Path) -> None:
    shared = sum(check(residual(channels), tmp_path) for channels in (8, 16, 32, 37))
    assert shared >= 1
