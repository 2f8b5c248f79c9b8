"""Canonical ONNX graphs with random parameters, grown node by node."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, helper, numpy_helper

F32 = np.float32


class NetworkBuilder:
    """Grows a canonical ONNX graph (standard operators and the n2uq domain)."""

    def __init__(self, seed: int, channels: int, size: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.arrays: list[onnx.TensorProto] = []
        self.inputs = ["x"]
        self.shape: dict[str, tuple[int, ...]] = {"x": (channels, size, size)}
        self.count = 0

    def array(self, value: np.ndarray, kind: str = "w") -> str:
        name = f"{kind}{len(self.arrays)}"
        self.arrays.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, op: str, inputs: list[str], shape: tuple[int, ...], **attributes) -> str:
        self.count += 1
        out = f"v{self.count}"
        domain = "n2uq" if op in ("Codebook", "Threshold", "Weight") else ""
        self.nodes.append(
            helper.make_node(op, inputs, [out], f"{op}_{self.count}", domain=domain, **attributes)
        )
        self.shape[out] = shape
        return out

    def row(self, channels: int, low: float, high: float) -> np.ndarray:
        return self.rng.uniform(low, high, channels).astype(F32)

    def bias(self, x: str) -> str:
        c = self.shape[x][0]
        value = self.row(c, -0.6, 0.6).reshape(1, c, *(1,) * (len(self.shape[x]) - 1))
        return self.node("Add", [x, self.array(value)], self.shape[x])

    def prelu(self, x: str) -> str:
        c = self.shape[x][0]
        slope = self.row(c, -0.5, 1.2)
        slope[self.rng.random(c) < 0.15] = 0
        return self.node("PRelu", [x, self.array(slope.reshape(c, 1, 1))], self.shape[x])

    def batchnorm(self, x: str, spread: float = 1.0) -> str:
        c = self.shape[x][0]
        gamma = self.row(c, 0.2, 1.5) * self.rng.choice([-1, 1, 1], c).astype(F32)
        gamma[self.rng.random(c) < 0.1] = 0
        rows = [
            gamma,
            self.row(c, -1, 1),
            self.row(c, -spread, spread) / F32(2),
            self.row(c, 0.1, 1.5) * F32(spread**2),
        ]
        return self.node(
            "BatchNormalization", [x, *map(self.array, rows)], self.shape[x], epsilon=1e-5
        )

    def sign(self) -> int:
        """Return the sign of a quantizer's step."""
        return int(self.rng.choice([1, 1, 1, -1]))

    def quantize(self, x: str, bits: int) -> str:
        n = 2**bits - 1
        gaps = np.maximum(self.row(n, -0.1, 1.6) * F32(2 / n), F32(1e-3))
        if self.rng.random() < 0.3:  # decimal thresholds make ties likely
            gaps = np.round(gaps, 1) + F32(0.1)
        table = (F32(self.rng.uniform(-1, 0.4)) + np.cumsum(gaps)).astype(F32)[None]
        scale = F32(self.rng.choice([1.0, 1.3, 0.7, -1.1]))
        step = float(F32(self.rng.uniform(0.5, 1.5) * self.sign()))
        return self.node(
            "Threshold",
            [x, self.array(table), self.array(np.array(scale)), self.array(np.array(step))],
            self.shape[x],
            divisor=n,
            strict=int(self.rng.random() < 0.8),
            bits=bits,
        )

    def codebook(self, x: str, bits: int) -> str:
        """Return a quantizer with uneven levels, as LCQ or LQ-Nets train them."""
        n = 2**bits - 1
        table = np.sort(self.row(n, -1.0, 1.5))[None]
        levels = np.sort(self.rng.uniform(-0.2, 2.0, n + 1)).astype(np.float64)
        if self.rng.random() < 0.5:
            levels[0] = 0.0
        return self.node(
            "Codebook",
            [x, self.array(table), self.array(np.array(F32(1.0))), self.array(levels)],
            self.shape[x],
            strict=1,
            bits=bits,
        )

    def concat(self, a: str, b: str) -> str:
        (p, h, w), q = self.shape[a], self.shape[b][0]
        return self.node("Concat", [a, b], (p + q, h, w), axis=1)

    def conv(
        self,
        x: str,
        out: int,
        *,
        bits: int | None,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
    ) -> str:
        c, h, w = self.shape[x]
        pad = kernel // 2
        shape = (out, c // groups, kernel, kernel)
        if bits is None:
            weight = self.array(self.rng.normal(0, 0.3, shape).astype(F32))
        else:
            top = 2**bits - 1
            step = self.row(out, 0.1, 1.0).astype(np.float64)
        if bits is not None and self.rng.random() < 0.25:
            codes = self.rng.integers(0, top + 1, shape).astype(np.int8)
            book = self.row((self.rng.choice([1, out]), top + 1), -1, 1).astype(np.float64)
            weight = self.node(
                "Weight", [self.array(codes), self.array(step), self.array(book)], shape,
                divisor=1, bits=bits, odd=0,
            )  # fmt: skip
        elif bits is not None:
            codes = (2 * self.rng.integers(0, top + 1, shape) - top).astype(np.int8)
            weight = self.node(
                "Weight", [self.array(codes), self.array(step)], shape, divisor=2 * top, bits=bits
            )
        size = tuple((s + 2 * pad - kernel) // stride + 1 for s in (h, w))
        return self.node(
            "Conv",
            [x, weight],
            (out, *size),
            strides=[stride] * 2,
            group=groups,
            pads=[pad] * 4,
            kernel_shape=[kernel] * 2,
        )

    def halved(self, x: str) -> str:
        """Return a mean over windows of stride 2 that reach over the edge,
        as downsampling paths have.
        """
        c, h, w = self.shape[x]
        size = ((h + 1) // 2, (w + 1) // 2)
        kernel, pads = [3, 3], [1, 1, 1, 1]
        if self.rng.random() < 0.5:  # ceil_mode
            kernel, pads = [2, 2], [0, 0, h % 2, w % 2]
        return self.node(
            "AveragePool",
            [x],
            (c, *size),
            kernel_shape=kernel,
            strides=[2, 2],
            pads=pads,
            count_include_pad=int(self.rng.random() < 0.2),
        )

    def clip(self, x: str) -> str:
        """Any clamp, its bounds inside, above or below all that x can reach, or a single one."""
        low, high = np.sort(self.rng.choice([-1e4, -40, -2.5, -0.3, 0, 0.7, 6, 1e4], 2, False))
        bounds = [self.array(np.array(F32(v))) for v in (low, high)]
        kind = self.rng.integers(5)
        if kind == 0:
            return self.node("Relu", [x], self.shape[x])
        if kind == 1:
            bounds = ["", bounds[1]]
        elif kind == 2:
            bounds = bounds[:1]
        return self.node("Clip", [x, *bounds], self.shape[x])

    def moved(self, x: str, far: float) -> str:
        """Return channels of other sizes and places: up to ``far``,
        all of them on one side of 0.
        """
        c = self.shape[x][0]
        shape = (1, c, 1, 1) if len(self.shape[x]) > 1 else (1,)
        for op in ("Mul", "Add"):
            size = far ** self.rng.uniform(-1, 1, shape) * self.rng.choice([-1, 1])
            x = self.node(op, [x, self.array(size.astype(F32))], self.shape[x])
        return x

    def add(self, a: str, b: str) -> str:
        return self.node("Add", [a, b], self.shape[a])

    def input(self, name: str, channels: int, size: int) -> str:
        """Add an input beside ``x``."""
        self.inputs.append(name)
        self.shape[name] = (channels, size, size)
        return name

    def model(self, *outputs: str) -> ir.Model:
        graph = helper.make_graph(
            self.nodes,
            "random",
            *(
                [
                    helper.make_tensor_value_info(v, TensorProto.FLOAT, ["N", *self.shape[v]])
                    for v in values
                ]
                for values in (self.inputs, outputs)
            ),
            self.arrays,
            value_info=[
                helper.make_tensor_value_info(v, TensorProto.FLOAT, ["N", *self.shape[v]])
                for n in self.nodes
                if n.op_type == "Reshape"
                for v in (n.input[0], n.output[0])
            ],
        )
        proto = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("n2uq", 1)]
        )
        return ir.serde.deserialize_model(proto)
