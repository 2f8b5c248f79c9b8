"""Random networks: ONNX Runtime on the file, exact arithmetic on what was imported, the program."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import onnx
import onnx_ir as ir

from n2uqc.passes import compile_graph
from tests.properties.networks import networks

from ..compare import compared
from ..draw.network import random_network
from ..drawing import drawn
from ..shrink import smaller_models
from ..workers import Say
from .input_kind import Kind
from .models import compiled


class Networks(Kind):
    """Networks in standard operators; one in five in canonical form, with tables of every kind."""

    def draw(self, source: random.Random) -> bytes:
        if source.random() < 0.8:
            return random_network(source.getrandbits(64)).SerializeToString()
        (model, _), *_ = drawn(networks(), source.getrandbits(32), 1)
        return ir.serde.serialize_model(model).SerializeToString()

    def attempt(self, content: bytes, place: Path, say: Say) -> str:
        model = onnx.ModelProto()
        model.ParseFromString(content)
        if not any(entry.domain == "n2uq" for entry in model.opset_import):
            return compiled(content, place, say)
        program = compile_graph(ir.serde.deserialize_model(model))
        return compared(content, ir.serde.deserialize_model(model), program, place, say)

    def smaller(self, content: bytes) -> Iterator[bytes]:
        return smaller_models(content)


NETWORKS = Networks("networks", full=2_100, share=0.18, brief=10, batch=50, suffix=".onnx")
