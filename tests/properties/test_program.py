"""Properties of programs themselves: ranges hold, text and file round-trip without loss."""

from __future__ import annotations

from hypothesis import given, settings

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
