"""Reduced look-alikes of the networks in the zoos of QONNX and FINN, against QONNX's execution.

TFC (bipolar or 2 bits), CNV and MobileNet-v1 as Brevitas exports them, and TFC after FINN's
streamlining, whose quantizers are MultiThreshold of either domain.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.reference import evaluate
from n2uqc.passes import compile_graph
from n2uqc.passes.program.interpreter import run_real
from tests.frontend.qonnx_models import qonnx_model, quant, quant_parameters, run_qonnx

pytest.importorskip("qonnx")


class Network:
    """Nodes and parameters of a network that grows layer by layer; `at` is its last tensor."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.rng = np.random.default_rng(7)
        self.shape, self.body, self.at, self.count = shape, "", "x", 0
        self.parameters: dict[str, Any] = {}

    def put(self, op: str, *names: str, attributes: str = "") -> None:
        self.count += 1
        y = f"t{self.count}"
        inputs = ", ".join((self.at, *names))
        self.body += f"[n{self.count}] {y} = {op} {attributes} ({inputs})\n"
        self.at = y

    def give(self, value: Any) -> str:
        name = f"p{len(self.parameters)}"
        self.parameters[name] = np.asarray(value, np.float32)
        return name

    def quantize(self, bits: int, scale: Any, signed: int = 1, narrow: int = 0) -> None:
        self.count += 1
        name = f"q{self.count}"
        if bits == 1:
            self.put("q.BipolarQuant", self.give(scale))
            return
        self.body += quant(name, self.at, f"{name}_y", signed=signed, narrow=narrow)
        self.parameters |= quant_parameters(name, scale, 0, bits)
        self.at = f"{name}_y"

    def weight(self, shape: tuple[int, ...], bits: int) -> str:
        """Quantized weights, one scale a filter; a matrix is [O,I], turned as torch writes it."""
        value = self.rng.normal(0, 0.3, shape)
        at, self.at = self.at, self.give(value)
        scale = np.abs(value).max(axis=tuple(range(1, len(shape))), keepdims=True) / 2 ** (bits - 1)
        self.quantize(bits, 0.25 if bits == 1 else scale, narrow=1)
        if len(shape) == 2:
            self.put("Transpose", attributes="<perm = [1, 0]>")
        name, self.at = self.at, at
        return name

    def norm(self, channels: int) -> None:
        self.put(
            "BatchNormalization", self.give(self.rng.uniform(0.5, 1.5, channels)),
            *(self.give(self.rng.normal(0, 0.3, channels)) for _ in range(2)),
            self.give(self.rng.uniform(0.5, 1.5, channels)),
        )  # fmt: skip

    def model(self, outputs: int) -> Any:
        self.body += f"y = Identity ({self.at})\n"
        return qonnx_model(self.body, self.parameters, self.shape, (self.shape[0], outputs))


def tfc(bits: int) -> Any:
    """Pixels 0..1 as -1..1, three layers of 8 with BatchNorm, a scale and bias at the end."""
    net = Network((3, 1, 5, 5))
    net.put("Mul", net.give(2.0))
    net.put("Sub", net.give([1.0]))
    net.put("Flatten")
    net.quantize(bits, 1.0)
    inputs = 25
    for _ in range(3):
        net.put("MatMul", net.weight((8, inputs), bits))
        net.norm(8)
        net.quantize(bits, 1.0 if bits == 1 else 0.5)
        inputs = 8
    net.put("MatMul", net.weight((4, 8), bits))
    net.put("Mul", net.give(0.31))
    net.put("Add", net.give(-0.2))
    return net.model(4)


def cnv(bits: int) -> Any:
    """8-bit input, unpadded 3x3 convolutions, pools, a flattening, two matrices."""
    net = Network((2, 3, 12, 12))
    net.put("Mul", net.give(2.0))
    net.put("Sub", net.give([1.0]))
    net.quantize(8, 1 / 128)
    inputs = 3
    for pooled in (False, True, False):
        net.put("Conv", net.weight((4, inputs, 3, 3), bits), attributes="<kernel_shape = [3, 3]>")
        net.norm(4)
        net.quantize(bits, 1.0 if bits == 1 else 0.6)
        if pooled:
            net.put("MaxPool", attributes="<kernel_shape = [2, 2], strides = [2, 2]>")
        inputs = 4
    net.put("Flatten")
    net.put("MatMul", net.weight((8, 16), bits))
    net.norm(8)
    net.quantize(bits, 1.0 if bits == 1 else 0.6)
    net.put("MatMul", net.weight((5, 8), bits))
    return net.model(5)


def mobilenet() -> Any:
    """4 bits: an 8-bit first layer, depthwise and pointwise pairs, a truncated mean, a head."""
    net = Network((2, 3, 12, 12))
    window = "<kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]>"
    net.put("Conv", net.weight((4, 3, 3, 3), 8), attributes=window)
    net.norm(4)
    net.put("Relu")
    net.quantize(4, 0.15, signed=0)
    for outputs, stride in ((6, 1), (8, 2)):
        channels = 4 if outputs == 6 else 6
        net.put(
            "Conv", net.weight((channels, 1, 3, 3), 4),
            attributes=f"<kernel_shape = [3, 3], strides = [{stride}, {stride}], "
            f"pads = [1, 1, 1, 1], group = {channels}>",
        )  # fmt: skip
        net.norm(channels)
        net.put("Relu")
        net.quantize(4, 0.1, signed=0)
        net.put(
            "Conv", net.weight((outputs, channels, 1, 1), 4), attributes="<kernel_shape = [1, 1]>"
        )
        net.norm(outputs)
        net.put("Relu")
        net.quantize(4, 0.1, signed=0)
    net.put("AveragePool", attributes="<kernel_shape = [3, 3]>")
    net.quantize(4, 0.1, signed=0)
    net.put("Flatten")
    net.put("MatMul", net.weight((5, 8), 4))
    net.put("Add", net.give(net.rng.normal(size=5)))
    return net.model(5)


def streamlined() -> Any:
    """FINN's TFC: integer weights without scales, MultiThreshold with out_scale and out_bias."""
    net = Network((3, 25))
    inputs = 25
    for _ in range(3):
        thresholds = np.sort(net.rng.integers(-8, 9, (inputs if inputs == 25 else 8, 1)), axis=1)
        attributes = '<out_scale = 2.0, out_bias = -1.0, out_dtype = "BIPOLAR">'
        net.put("q.MultiThreshold", net.give(thresholds), attributes=attributes)
        net.put("MatMul", net.give(net.rng.choice([-1.0, 1.0], (inputs, 8))))
        inputs = 8
    net.put("Mul", net.give(0.31))
    return net.model(8)


ZOO: dict[str, Any] = {
    "TFC-w1a1": lambda: tfc(1), "TFC-w2a2": lambda: tfc(2), "CNV-w1a1": lambda: cnv(1),
    "CNV-w2a2": lambda: cnv(2), "MobileNet-v1-w4a4": mobilenet, "TFC-w1a1 streamlined": streamlined,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(ZOO))
def test_same_as_qonnx(name: str) -> None:
    model = ZOO[name]()
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    x = np.random.default_rng(1).uniform(0, 1, shape).astype(np.float32)
    want = run_qonnx(model, x)
    graph = load_graph(model)
    got = evaluate(graph, x)
    np.testing.assert_allclose(got, want, atol=1e-4)
    np.testing.assert_allclose(run_real(compile_graph(graph), x), want, atol=1e-3)
    counted = Counter(node.op_type for node in graph.graph)
    layers = counted["Conv"] + counted["Gemm"]
    assert layers >= 3
    assert counted["Weight"] >= layers - (name.startswith("Mobile"))
