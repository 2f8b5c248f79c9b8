"""Float networks that ONNX Runtime's static quantizer wrote, in both of its formats."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.reference import evaluate
from n2uqc.frontend.summary import INTEGER, summarize
from n2uqc.passes import compile_graph
from n2uqc.passes.program.interpreter import run_real
from tests.frontend.networks import Array, run_onnx

quantization = pytest.importorskip("onnxruntime.quantization")
SHAPE = (4, 3, 18, 18)


def network(opset: int) -> onnx.ModelProto:
    """A float network with a skip, a join, poolings and two layers of features.

    Means are of an odd number of codes: of an even number, ties would be common, which float32
    decides by chance.
    """
    rng = np.random.default_rng(0)
    nodes: list[onnx.NodeProto] = []
    parameters: dict[str, Array] = {}

    def add(op: str, inputs: str, y: str, *shapes: tuple[int, ...], **attributes: object) -> None:
        names = [f"{y}.p{k}" for k in range(len(shapes))]
        for name, shape in zip(names, shapes, strict=True):
            spread = 0.8 / np.sqrt(np.prod(shape[1:]) if len(shape) > 1 else 9)
            parameters[name] = rng.normal(0, spread, shape).astype(np.float32)
        nodes.append(
            helper.make_node(op, [*inputs.split(), *names], [y], y + "_node", **attributes)
        )

    add("Conv", "x", "c1", (8, 3, 3, 3), (8,), pads=[1, 1, 1, 1])
    add("Relu", "c1", "r1")
    add("MaxPool", "r1", "m1", kernel_shape=[2, 2], strides=[2, 2])
    add("Conv", "m1", "c2", (8, 1, 3, 3), (8,), pads=[1, 1, 1, 1], group=8)
    add("LeakyRelu", "c2", "l2", alpha=0.1)
    add("Add", "l2 m1", "a2")
    add("Conv", "a2", "c3", (4, 8, 1, 1))
    add("Relu", "c3", "r3")
    add("Concat", "r3 a2", "join", axis=1)
    add("AveragePool", "join", "p", kernel_shape=[3, 3], strides=[3, 3])
    add("GlobalAveragePool", "p", "g")
    add("Flatten", "g", "f")
    add("Gemm", "f", "f1", (10, 12), (10,), transB=1)
    add("Relu", "f1", "r5")
    add("MatMul", "r5", "y", (10, 5))
    graph = helper.make_graph(
        nodes,
        "float",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *SHAPE[1:]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5])],
        [numpy_helper.from_array(array, name) for name, array in parameters.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 10
    return model


def images(seed: int) -> Array:
    return np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)


class Calibration(quantization.CalibrationDataReader):  # type: ignore[misc]
    def __init__(self) -> None:
        self.batches = iter([{"x": images(seed)} for seed in (1, 2)])

    def get_next(self) -> dict[str, Array] | None:
        return next(self.batches, None)


@pytest.mark.parametrize(
    ("form", "activations", "weights", "channels", "opset"),
    [
        ("QOperator", "QUInt8", "QInt8", True, 17), ("QDQ", "QUInt8", "QInt8", True, 17),
        ("QOperator", "QInt8", "QInt8", False, 13), ("QDQ", "QInt8", "QInt8", False, 13),
        ("QOperator", "QUInt8", "QUInt8", False, 21), ("QDQ", "QUInt8", "QUInt8", False, 21),
        ("QDQ", "QInt8", "QInt4", False, 21), ("QDQ", "QInt8", "QUInt4", False, 17),
    ],
)  # fmt: skip
def test_static_quantizer(
    form: str, activations: str, weights: str, channels: bool, opset: int, tmp_path: Path
) -> None:
    onnx.save(network(opset), tmp_path / "float.onnx")
    logging.disable(logging.WARNING)
    quantization.quantize_static(
        tmp_path / "float.onnx", tmp_path / "q.onnx", Calibration(), per_channel=channels,
        quant_format=quantization.QuantFormat[form], reduce_range=weights == "QInt8" and channels,
        activation_type=quantization.QuantType[activations],
        weight_type=quantization.QuantType[weights],
    )  # fmt: skip
    logging.disable(logging.NOTSET)
    model = onnx.load(tmp_path / "q.onnx")
    x = images(9)
    graph = load_graph(model)
    want, got = run_onnx(model, x), evaluate(graph, x)
    # ONNX Runtime rounds ratios of scales, or sums, to float32: a code of a million differs, and
    # with it a few of those after it.
    step = np.abs(np.diff(np.unique(np.round(want, 6)))).min()
    assert np.abs(got - want).max() < 1.1 * step
    assert (np.abs(got - want) > step / 2).mean() <= 0.15
    np.testing.assert_allclose(run_real(compile_graph(graph), x), got, atol=1e-4)
    layers = [layer for layer in summarize(graph).layers if layer.weights]
    assert len(layers) == 5
    assert {layer.becomes for layer in layers} == {INTEGER}
