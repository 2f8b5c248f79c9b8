"""An ONNX graph that grows node by node, with the shapes of its tensors."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

F32 = np.float32
Shape = tuple[int, ...]


class Network:
    """Grows a graph node by node; shapes are of one sample, channels first."""

    def __init__(self, source: random.Random) -> None:
        self.source = source
        self.rng = np.random.default_rng(source.getrandbits(64))
        self.nodes: list[onnx.NodeProto] = []
        self.arrays: list[onnx.TensorProto] = []
        self.shape: dict[str, Shape] = {}
        self.domains = {""}

    def array(self, value: object, kind: type = F32) -> str:
        name = f"w{len(self.arrays)}"
        self.arrays.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def node(self, op: str, inputs: Sequence[str], shape: Shape, **attributes: object) -> str:
        out = f"v{len(self.nodes)}"
        domain = str(attributes.pop("domain", ""))
        self.domains.add(domain)
        self.nodes.append(
            helper.make_node(
                op, inputs, [out], f"{op}_{len(self.nodes)}", None, domain, **attributes
            )
        )
        self.shape[out] = shape
        return out

    def same(self, op: str, x: str, *parameters: object, **attributes: object) -> str:
        """Return an elementwise operator; numbers become parameters."""
        names = [p if isinstance(p, str) else self.array(p) for p in parameters]
        return self.node(op, [x, *names], self.shape[x], **attributes)

    def uniform(self, low: float, high: float, size: object = None) -> np.ndarray:
        return np.asarray(self.rng.uniform(low, high, size), F32)

    def per_channel(self, x: str, low: float, high: float) -> np.ndarray:
        """Return one number per channel or one for all, shaped to broadcast."""
        shape = self.shape[x]
        if self.source.random() < 0.4:
            return self.uniform(low, high)
        return self.uniform(low, high, (shape[0], *(1,) * (len(shape) - 1)))

    def model(self, x: str, output: str, face: Shape) -> onnx.ModelProto:
        batch = self.source.choice(("N", 1))
        out = self.shape[output]
        graph = helper.make_graph(
            self.nodes,
            "random",
            [helper.make_tensor_value_info(x, TensorProto.FLOAT, [batch, *face])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, [batch, *out])],
            self.arrays,
        )
        opsets = [helper.make_opsetid(d, 1 if d else 17) for d in sorted(self.domains)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)
