"""Offsets of codes move behind pools and Flatten, exactly, padding included."""

from __future__ import annotations

import pytest

from tests.frontend.networks import build, check_same, ladder, ops, rungs

PARAMETERS = rungs([-0.5, 0.1, 0.9], [-1, 0, 1, 2])


@pytest.mark.parametrize(
    ("behind", "want"),
    [
        ("y = MaxPool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (f)", ["MaxPool", "Add"]),
        ("m = MaxPool <kernel_shape = [2, 2]> (f) y = Flatten (m)", ["MaxPool", "Flatten", "Add"]),
        ("y = Relu (f)", ["Add", "Relu"]),
        ("m = MaxPool <kernel_shape = [1, 1]> (f) y = Add (m, f)", ["Add", "MaxPool", "Add"]),
    ],
)
def test_offset_moves(behind: str, want: list[str]) -> None:
    graph = check_same(build(ladder(3) + behind, PARAMETERS))
    assert ops(graph) == ["Threshold", *want]
    assert graph.graph.outputs[0].name == "y"
