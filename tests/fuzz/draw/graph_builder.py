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
        self.inputs: list[str] = []
        self.pixels: set[str] = set()
        self.opset = source.choice((17, 17, 18, 20))

    def input(self, name: str, shape: Shape, *, pixels: bool = False) -> str:
        """Add an input of float32, or of uint8 for raw pixels."""
        self.inputs.append(name)
        self.pixels |= {name} if pixels else set()
        self.shape[name] = shape
        return name

    def array(self, value: object, kind: type = F32) -> str:
        name = f"w{len(self.arrays)}"
        self.arrays.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def sizes(self, *values: int) -> str:
        """Return a parameter of int64, as axes, shapes and starts are."""
        return self.array(values, np.int64)

    def node(self, op: str, inputs: Sequence[str], shape: Shape, **attributes: object) -> str:
        (out,) = self.several(op, inputs, [shape], **attributes)
        return out

    def several(
        self, op: str, inputs: Sequence[str], shapes: Sequence[Shape], **attributes: object
    ) -> list[str]:
        """Add a node of several outputs; return their names."""
        first = f"v{len(self.nodes)}"
        outs = [first, *(f"{first}_{k}" for k in range(1, len(shapes)))]
        domain = str(attributes.pop("domain", ""))
        self.domains.add(domain)
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, outs, name, None, domain, **attributes))
        self.shape.update(zip(outs, shapes, strict=True))
        return outs

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

    def chance(self, share: float) -> bool:
        return self.source.random() < share

    def model(self, outputs: Sequence[str]) -> onnx.ModelProto:
        """Return the file; an ArgMax, or the places that TopK finds, are int64."""
        batch = self.source.choice(("N", 1))
        whole = {n.output[-1] for n in self.nodes if n.op_type in ("ArgMax", "TopK")}
        faces = [
            [
                helper.make_tensor_value_info(
                    name,
                    TensorProto.INT64
                    if name in whole
                    else TensorProto.UINT8
                    if name in self.pixels
                    else TensorProto.FLOAT,
                    [batch, *self.shape[name]],
                )
                for name in names
            ]
            for names in (self.inputs, outputs)
        ]
        graph = helper.make_graph(self.nodes, "random", *faces, self.arrays)
        opsets = [helper.make_opsetid(d, 1 if d else self.opset) for d in sorted(self.domains)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)
