"""Random networks: what they are made of, and that ONNX takes them."""

from __future__ import annotations

from collections import Counter

import onnx

from .network import random_network

COUNT = 500
OFTEN = (
    "Conv Gemm MatMul Concat Round Clip Quant BatchNormalization Sigmoid Exp Tanh Softplus Erf Abs "
    "HardSigmoid Elu ReduceMean Resize ConvTranspose Transpose Reshape Slice Pad Softmax ArgMax "
    "TopK QLinearConv QLinearMatMul MatMulInteger Greater Where Sign MaxPool AveragePool"
).split()
SELDOM = (
    "Split Gather Tile Expand SpaceToDepth DepthToSpace Max Min Sub Pow Sqrt Log Mish HardSwish "
    "Celu Selu Softsign ReduceMax Squeeze Unsqueeze ConvInteger QLinearMul LogSoftmax "
    "InstanceNormalization"
).split()


def test_what_networks_are_made_of() -> None:
    found: Counter[str] = Counter()
    for seed in range(COUNT):
        model = random_network(seed)
        if seed % 10 == 0:
            onnx.checker.check_model(model)
        found.update({node.op_type for node in model.graph.node})
        found["inputs"] += len(model.graph.input) > 1
        found["outputs"] += len(model.graph.output) > 1
    few = {op: found[op] for op in (*OFTEN, "inputs", "outputs") if found[op] < COUNT // 100}
    none = [op for op in SELDOM if not found[op]]
    assert not few and not none
