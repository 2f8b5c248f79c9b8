"""Damaged ONNX files: they are refused with one error, or compile to what ONNX Runtime computes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.summary import summarize
from n2uqc.passes import load
from n2uqc.passes.pipeline import graph_of

from .. import corpus
from ..compare import compared
from ..judge import Skip
from ..mutate.data import damaged
from ..mutate.model import damaged_model
from ..shrink import smaller_models
from ..workers import Say
from .input_kind import Kind, Setup

_ZOO = 0.004  # their share: a second or two each


def compiled(content: bytes, place: Path, say: Say) -> str:
    """Compile a file and check the result."""
    path = place / "model.onnx"
    path.write_bytes(content)
    program = load(path)
    graph = graph_of(path, program)
    summarize(graph)
    return compared(content, load_graph(path), program, place, say)


class Models(Kind):
    """Files with damaged bytes."""

    def prepare(self, setup: Setup) -> None:
        self.models = corpus.models(setup.models)

    def pick(self, source: random.Random) -> bytes:
        if source.random() < _ZOO:
            return source.choice(corpus.zoo())
        return source.choice(self.models)

    def draw(self, source: random.Random) -> bytes:
        content = self.pick(source)
        new = damaged(content, source, source.choice(self.models))
        if new == content:
            raise Skip
        return new

    def attempt(self, content: bytes, place: Path, say: Say) -> str:
        return compiled(content, place, say)

    def smaller(self, content: bytes) -> Iterator[bytes]:
        yield from smaller_models(content)
        yield from super().smaller(content)


class Graphs(Models):
    """Files that are sound, with a damaged graph in them."""

    def draw(self, source: random.Random) -> bytes:
        model = corpus.parsed(self.pick(source))
        damaged_model(model, source, corpus.parsed(source.choice(self.models)))
        try:
            return model.SerializeToString()
        except ValueError:  # above protobuf's limit
            raise Skip from None


MODELS = Models("model bytes", full=15_000, share=0.06, brief=25, suffix=".onnx")
GRAPHS = Graphs("model graphs", full=15_000, share=0.28, brief=25, suffix=".onnx")
