"""Names and channels of tensors while a graph is imported."""

from __future__ import annotations

import pytest

from n2uqc.frontend.load import load_graph
from n2uqc.passes.importing import builder
from n2uqc.passes.importing.builder import Importer, NodeRefusal
from n2uqc.passes.program import RealType
from n2uqc.passes.program.ops.real import RealClip
from tests.frontend.networks import build


def test_channels_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a range and takes exact arithmetic."""
    monkeypatch.setattr(builder, "MOST_CHANNELS", 7)
    graph = load_graph(build("y = Relu (x)")).graph
    importer = Importer(graph)
    importer.types["t"] = RealType((2, 2, 3))
    node = next(iter(graph))
    for count in (1, 2):
        importer.emit(RealClip, node, "t", last=False, lo=None, hi=None)
        assert len(importer.ops) == count
    with pytest.raises(NodeRefusal, match="9 channels.*at most 7"):
        importer.emit(RealClip, node, "t", last=False, lo=None, hi=None)
    assert len({op.output for op in importer.ops}) == 2


def test_names_are_free_and_can_stand_in_text() -> None:
    importer = Importer(load_graph(build("y = Relu (x)")).graph)
    names = [
        importer.name(wish) for wish in ("a/b", "a:b", "a_b_1", "a b", "", "/", "é.x", "n" * 300)
    ]
    assert len(set(names)) == len(names)
    assert names[:2] == ["a_b", "a_b_1"]
    assert all(name.replace(".", "_").isidentifier() and len(name) < 110 for name in names)
