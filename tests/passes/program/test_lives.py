"""Plans of memory: legal are those in which no two tensors share a byte while both are needed."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2uqc.passes.program import IllegalOp, MemoryPlan, Program
from n2uqc.passes.program.lives import ALIGNMENT, Life, check_plan, lifetimes

from ...properties.programs import Builder


def chain(length: int) -> Program:
    """Layers one after the other, the second of which is read again at the end."""
    b = Builder(0, 3, 2, 2, False)
    names = ["x"]
    for _ in range(length):
        names.append(b.thresholds(names[-1], 2))
    return b.finish(b.concat(names[2], names[-1]) if length > 3 else names[-1])


LONG = chain(5)


def test_lives_end_where_a_tensor_is_read_last() -> None:
    lives = lifetimes(LONG)
    assert [(life.first, life.last) for life in lives.values()] == [
        (0, 1), (1, 5), (2, 3), (3, 4), (4, 5),
    ]  # fmt: skip
    assert {life.size for life in lives.values()} == {3 * 3 * 2}
    assert [Life(n, 0, 0).units for n in (0, 1, 64, 65, 128)] == [0, 1, 1, 2, 2]


def test_a_program_without_intermediate_tensors_takes_no_memory() -> None:
    program = chain(1)
    assert not lifetimes(program)
    check_plan(replace(program, plan=MemoryPlan({}, 0)))
    check_plan(replace(program, plan=None))
    for size in (-1, 1):
        with pytest.raises(IllegalOp, match=f"takes {size} bytes"):
            check_plan(replace(program, plan=MemoryPlan({}, size)))


@given(st.lists(st.integers(-1, 110), min_size=5, max_size=5), st.integers(60, 5 * ALIGNMENT + 1))
def test_plans_by_all_pairs(offsets: list[int], size: int) -> None:
    lives = lifetimes(LONG)
    places = dict(zip(lives, offsets, strict=True))
    apart = all(
        places[a] + lives[a].size <= places[b] or places[b] + lives[b].size <= places[a]
        for a, b in combinations(lives, 2)
        if lives[a].meets(lives[b])
    )
    inside = all(0 <= places[n] and places[n] + life.size <= size for n, life in lives.items())
    planned = replace(LONG, plan=MemoryPlan(places, size))
    if apart and inside and size <= 5 * ALIGNMENT:
        check_plan(planned)
    else:
        with pytest.raises(IllegalOp):
            check_plan(planned)


@pytest.mark.parametrize("change", ["one too few", "one too many"])
def test_tensors_of_a_plan_are_those_of_the_program(change: str) -> None:
    offsets = {name: k * ALIGNMENT for k, name in enumerate(lifetimes(LONG))}
    wrong = next(iter(offsets)) if change == "one too few" else "more"
    offsets = {n: v for n, v in offsets.items() if n != wrong}
    if change == "one too many":
        offsets["more"] = 0
    with pytest.raises(IllegalOp, match=f"does not fit the tensors: {wrong}"):
        check_plan(replace(LONG, plan=MemoryPlan(offsets, 5 * ALIGNMENT)))
