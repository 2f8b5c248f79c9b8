"""Which operations share a kernel."""

from __future__ import annotations

from hypothesis import given, settings

from n2uqc.backends.cpu.grouping import schedule, with_own_outputs
from n2uqc.passes.program import Add, Flatten, MaxPool, Program
from tests.properties.programs import Builder, programs


def groups(program: Program) -> list[str]:
    return [group.mnemonics for group in schedule(with_own_outputs(program)).groups]


def test_a_table_follows_its_accumulators_in_registers() -> None:
    b = Builder(0, 5, 3, 2, False)
    program = b.finish(b.thresholds(b.conv("x", 4, bits=2), 2))
    assert groups(program) == ["conv_thresholds"]


def test_what_two_read_goes_to_memory() -> None:
    b = Builder(0, 5, 3, 2, False)
    acc = b.conv("x", 4, bits=2, kernel=1)
    left, right = b.thresholds(acc, 2), b.thresholds(acc, 2)
    program = b.finish(b.add(Add, left, right))
    assert groups(program) == ["conv", "thresholds", "thresholds", "add"]


def test_a_sum_joins_the_later_of_its_inputs() -> None:
    b = Builder(0, 5, 3, 2, False)
    left = b.conv("x", 4, bits=2, kernel=1)
    right = b.conv(b.thresholds(b.conv("x", 4, bits=2, kernel=1), 2), 4, bits=2, kernel=1)
    program = b.finish(b.add(Add, left, right))
    assert groups(program) == ["conv", "conv_thresholds", "conv_add"]
    assert schedule(program).groups[2].inputs[1] == left


def test_flattening_moves_nothing() -> None:
    b = Builder(0, 4, 3, 2, False)
    flat = b.add(Flatten, b.add(MaxPool, "x", kernel=(2, 2)))
    program = b.finish(b.conv(flat, 5, bits=2, kernel=1))
    assert groups(program) == ["maxpool", "conv"]


def test_a_table_of_a_flattened_map_does_not_join() -> None:
    """Its rows belong to other channels than those of the kernel before."""
    b = Builder(0, 4, 3, 2, False)
    program = b.finish(b.thresholds(b.add(Flatten, b.conv("x", 2, bits=2)), 2))
    assert groups(program) == ["conv", "thresholds"]


def test_the_output_is_written_even_if_it_is_the_input() -> None:
    b = Builder(0, 4, 3, 2, False)
    assert groups(b.finish(b.add(Flatten, "x"))) == ["clamp"]


@settings(max_examples=150, deadline=None)
@given(programs())
def test_every_operation_once_and_in_order(case) -> None:
    program, _ = case
    plan = schedule(program)
    covered = [op.output for group in plan.groups for op in group.ops]
    wanted = [op.output for op in program.ops if not op.in_place(program.types, program.constants)]
    assert sorted(name for name in covered if name in wanted) == sorted(wanted)
    born = {group.output: step for step, group in enumerate(plan.groups)}
    last = dict(born)
    for step, group in enumerate(plan.groups):
        for name in group.inputs:
            stored = plan.storage[name]
            assert stored == program.input or born[stored] < step
            last[stored] = step
