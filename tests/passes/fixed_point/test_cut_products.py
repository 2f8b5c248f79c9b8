"""Convolutions whose input is cut in two: the two parts are that input, whoever else cuts it."""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.passes import compile_graph
from n2uqc.passes.checks.draw import drawn
from n2uqc.passes.fixed_point import convolution, expected_flips
from n2uqc.passes.program import Conv, Program
from n2uqc.passes.program.interpreter import steps

from ...properties.builder import NetworkBuilder


def parts(program: Program, layer: str) -> tuple[str, str]:
    """What the two products of a layer read."""
    made = {op.output: op for op in program.ops}
    sums = [made[made[name].inputs[0]] for name in made[layer].inputs]
    assert all(isinstance(op, Conv) for op in sums)
    return sums[0].inputs[0], sums[1].inputs[0]


def test_two_layers_cut_one_tensor_at_different_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expected_flips, "FLIPS", 2.0**-30)  # as if there were millions of codes
    monkeypatch.setattr(convolution, "CUT_FLIPS", 2.0**-40)
    b = NetworkBuilder(3, 2, 6)
    shared = b.prelu(b.conv("x", 8, bits=None))
    # Weights of one number leave the input more room than sums of 200.
    narrow, wide = (
        b.conv(shared, 4, bits=None, kernel=1, groups=4),
        b.conv(shared, 4, bits=None, kernel=5),
    )
    graph = b.model(b.conv(b.quantize(b.add(narrow, wide), 2), 3, bits=2))
    program = compile_graph(graph)
    values = dict(steps(program, drawn(program, 6, 0)))
    cuts = set()
    for layer in ("Conv_3", "Conv_4"):
        upper, rest = parts(program, layer)
        unit = program.int_type(upper).scale / program.int_type("PRelu_2").scale
        cuts.add(unit)
        assert (values[upper] * int(unit) + values[rest] == values["PRelu_2"]).all()
        assert np.abs(values[rest]).max() > 0
    assert len(cuts) == 2
