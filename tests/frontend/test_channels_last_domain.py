"""Graphs that QONNX laid out channels last, against QONNX's own execution of them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import onnx
import pytest

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.reference import evaluate
from tests.frontend.networks import ops, refused
from tests.frontend.qonnx_models import qonnx_model, quant, quant_parameters, run_qonnx

BODY = (
    quant("a", "x", "qx", signed=0)
    + quant("w", "W", "qw", narrow=1)
    + """[conv] c = Conv <kernel_shape = [3, 2], strides = [1, 1], dilations = [1, 1], group = 2,
        pads = [1, 0, 1, 1]> (qx, qw)
    [bn] b = BatchNormalization <epsilon = 0.001> (c, gamma, beta, mean, var)
    [relu] r = Relu (b)
    [pool] y = MaxPool <kernel_shape = [2, 2], strides = [2, 2], pads = [0, 0, 0, 0]> (r)"""
)


def parameters(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    scales = np.float32(rng.uniform(0.05, 0.2, (8, 1, 1, 1)))
    rows = {name: rng.uniform(0.5, 1.5, 8) for name in ("gamma", "beta", "mean", "var")}
    weights = {"W": rng.standard_normal((8, 2, 3, 2))}
    return rows | weights | quant_parameters("w", scales, 0, 3) | quant_parameters("a", 0.25, 0, 3)


def channels_last(model: onnx.ModelProto) -> onnx.ModelProto:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.transformation.channels_last import ConvertToChannelsLastAndClean
        from qonnx.transformation.general import GiveUniqueNodeNames
        from qonnx.transformation.infer_shapes import InferShapes

        wrapped = ModelWrapper(model)
        for change in (InferShapes(), GiveUniqueNodeNames(), ConvertToChannelsLastAndClean()):
            wrapped = wrapped.transform(change)
        found: onnx.ModelProto = wrapped.model
        return found


@pytest.mark.parametrize("seed", [0, 1])
def test_the_network_is_that_before_the_layout_changed(seed: int) -> None:
    model = qonnx_model(BODY, parameters(seed), (1, 4, 8, 7), (1, 8, 4, 3))
    x = np.abs(np.random.default_rng(seed).standard_normal((1, 4, 8, 7))).astype(np.float32)
    want = run_qonnx(model, x)
    before = load_graph(model)
    moved = channels_last(model)
    assert {n.op_type for n in moved.graph.node if n.domain.endswith("channels_last")} == {
        "Conv", "BatchNormalization", "MaxPool",
    }  # fmt: skip
    graph = load_graph(moved)
    np.testing.assert_allclose(evaluate(graph, x), want, rtol=1e-5, atol=1e-5)
    assert sorted(ops(graph)) == sorted(ops(before))
    assert "Weight" in ops(graph)


def test_weights_that_others_read_are_turned_behind_their_quantizer() -> None:
    x = np.abs(np.random.default_rng(0).standard_normal((1, 4, 8, 7))).astype(np.float32)
    plain = qonnx_model(BODY, parameters(0), (1, 4, 8, 7), (1, 8, 4, 3))
    want = run_qonnx(plain, x)
    model = channels_last(plain)
    (conv,) = (n for n in model.graph.node if n.op_type == "Conv")
    copy = model.graph.node.add()
    copy.CopyFrom(next(n for n in model.graph.node if conv.input[1] in n.output))
    copy.input[0], copy.output[0], copy.name = conv.input[1], "other", "other"
    np.testing.assert_allclose(evaluate(load_graph(model), x), want, rtol=1e-5, atol=1e-5)


def test_other_operators_of_the_domain_are_refused() -> None:
    model = channels_last(qonnx_model(BODY, parameters(0), (1, 4, 8, 7), (1, 8, 4, 3)))
    next(n for n in model.graph.node if n.op_type == "MaxPool").op_type = "Resize"
    refused(model, "operator of the domain 'qonnx.custom_op.channels_last'")
