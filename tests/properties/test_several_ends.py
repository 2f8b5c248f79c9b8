"""Programs of several inputs and outputs: the specification, text and file, every executor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from n2uqc.backends.fpga import simulate
from n2uqc.frontend.diagnostics import CompileError
from n2uqc.passes.program import (
    IllegalOp,
    InputError,
    Interface,
    Program,
    dump,
    load,
    parse,
    run,
    save,
    trace,
    verify,
)

from ..backends.cpu.host import Host
from .programs import Builder, programs_of_several_ends
from .spec import Machine


@settings(max_examples=25, deadline=None)
@given(programs_of_several_ends())
def test_interpreter_text_and_datapath(case) -> None:
    """Held against SPEC.md in plain Python integers."""
    program, given = case
    verify(program)
    assert dump(parse(dump(program))) == dump(program)
    values, want = trace(program, given), run(program, given)
    first = Machine(program).run(*(x[0] for x in given.values()))
    for port, name in zip(program.interface.outputs, program.outputs, strict=True):
        np.testing.assert_array_equal(want[port.name], values[name])
        assert all(values[name][0][p] == v for p, v in first[name].items()), name
    np.testing.assert_equal(dict(simulate(program, given).outputs), want)


def test_libraries(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("several")

    @settings(max_examples=6, deadline=None)
    @given(programs_of_several_ends())
    def check(case) -> None:
        program, given = case
        np.testing.assert_equal(Host(program, folder)(given), run(program, given))

    check()


def _two() -> Program:
    """One input, and two outputs of which one is read further."""
    b = Builder(3, 4, 3, 8, True)
    first = b.thresholds(b.conv("x", 4, bits=3), 2)
    program = b.finish(b.conv(first, 5, bits=2))
    (port,) = program.interface.outputs
    height, width, channels = program.types[first].shape
    ports = (replace(port, name="codes", shape=(channels, height, width)), port)
    face = Interface(program.interface.inputs, ports)
    return replace(program, interface=face, outputs=(first, program.output), plan=None)


def test_file_round_trip(tmp_path: Path) -> None:
    save(_two(), tmp_path / "p.n2uq")
    assert dump(load(tmp_path / "p.n2uq")) == dump(_two())


def test_bare_arrays_are_refused_by_name() -> None:
    x = np.zeros((1, 4, 4, 3), np.int64)
    with pytest.raises(CompileError, match="2 outputs, 'codes', 'y'"):
        run(_two(), x)
    with pytest.raises(InputError, match="missing: 'x'"):
        run(_two(), {"z": x})
    with pytest.raises(InputError, match="no input: 'z'"):
        run(_two(), {"x": x, "z": x})


def test_ends_and_interface_must_agree() -> None:
    two = _two()
    with pytest.raises(IllegalOp, match="1 outputs where the interface has 2"):
        verify(replace(two, outputs=two.outputs[:1]))
    (_, last) = two.interface.outputs
    with pytest.raises(IllegalOp, match="two outputs of the interface have one name"):
        verify(replace(two, interface=Interface(two.interface.inputs, (last, last))))


def test_lines_of_format_1_are_read() -> None:
    """Programs of before had one input and one output, and all options at the end of the line."""
    b = Builder(3, 4, 3, 8, True)
    program = b.finish(b.conv("x", 4, bits=3))
    text = dump(program)
    line = text.splitlines()[1]
    assert line.startswith('interface "x" [3,4,4] -> "y" [4')
    old = line.replace("[3,4,4] ->", "[4,4,3] ->") + " input_channels_last output_channels_last"
    face = parse(text.replace(line, old)).interface
    assert face.input.channels_last and face.output.channels_last and not face.input.pixels
