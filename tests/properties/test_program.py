"""Properties of programs themselves: ranges hold, text and file round-trip without loss."""

from __future__ import annotations

from hypothesis import given, settings

from n2uqc.passes.plan_memory import lifetimes, lower_bound
from n2uqc.passes.program import dump, load, parse, run, save, verify

from .programs import programs


@settings(max_examples=150, deadline=None)
@given(programs())
def test_text_and_ranges(case) -> None:
    program, x = case
    text = dump(program)
    again = parse(text)
    verify(again)
    assert dump(again) == text
    assert (run(again, x) == run(program, x)).all()  # steps() checks every proven range


def test_file_round_trip(tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("store") / "p.n2uq"

    @settings(max_examples=60, deadline=None)
    @given(programs())
    def check(case) -> None:
        program, _ = case
        save(program, path)
        first = path.read_bytes()
        assert dump(load(path)) == dump(program)
        save(load(path), path)
        assert path.read_bytes() == first

    check()


@settings(max_examples=100, deadline=None)
@given(programs())
def test_memory_plan(case) -> None:
    program, _ = case
    lives = lifetimes(program)
    offsets = program.plan.offsets
    for a, (size_a, first_a, last_a) in lives.items():
        assert 0 <= offsets[a] and offsets[a] + size_a <= program.plan.size
        for b, (size_b, first_b, last_b) in lives.items():
            if a < b and first_a <= last_b and first_b <= last_a:
                assert offsets[a] + size_a <= offsets[b] or offsets[b] + size_b <= offsets[a]
    assert program.plan.size >= lower_bound(program)
