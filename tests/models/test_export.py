"""Exported files compute what torch computes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from n2uqc.models.export import export_onnx, run_onnx
from n2uqc.models.fit import predict
from n2uqc.models.networks import Downsample, ResidualNetwork
from n2uqc.models.quantizers import LTQ, QuantizedConv2d
from n2uqc.models.randomize import randomize

IMAGE = torch.zeros(2, 1, 8, 8)
rng = np.random.default_rng(0)
IMAGES = rng.random((64, 1, 8, 8)).astype(np.float32)


@pytest.mark.parametrize(
    ("bits", "downsample", "seed"),
    [
        (2, "quantized", 0),
        (2, "float", 1),
        (2, "quantized", 2),
        (3, "quantized", 3),
        (3, "float", 4),
        (4, "quantized", 5),
        (None, "float", 6),
    ],
)
def test_round_trip(bits: int | None, downsample: Downsample, seed: int, tmp_path: Path) -> None:
    network = ResidualNetwork(bits, downsample=downsample)
    randomize(network, seed)
    export_onnx(network, tmp_path / "network.onnx", IMAGE)
    scores = run_onnx(tmp_path / "network.onnx", IMAGES)
    close = np.isclose(scores, predict(network, IMAGES), rtol=1e-4, atol=1e-4).all(1)
    # Sums in another order carry a value across a threshold now and then.
    assert close.mean() >= (1 if bits is None else 0.9), close.mean()


@pytest.mark.parametrize("bits", [2, 3])
def test_one_quantizer_and_one_convolution_export_exactly(bits: int, tmp_path: Path) -> None:
    layer = torch.nn.Sequential(LTQ(bits), QuantizedConv2d(1, 4, 1, bits))
    randomize(layer, 3)
    export_onnx(layer, tmp_path / "layer.onnx", IMAGE)
    x = (rng.standard_normal((64, 1, 8, 8)) * 3).astype(np.float32)
    found = run_onnx(tmp_path / "layer.onnx", x)
    np.testing.assert_allclose(found, predict(layer, x), rtol=1e-5, atol=1e-5)
    assert len(np.unique(np.round(found[:, 0], 4))) == 2**bits


def test_quantizers_stand_in_the_file_node_by_node(tmp_path: Path) -> None:
    network = ResidualNetwork(2)
    export_onnx(network, tmp_path / "network.onnx", IMAGE)
    model = onnx.load(tmp_path / "network.onnx")
    assert {node.domain for node in model.graph.node} == {""}
    assert [o.version for o in model.opset_import] == [17]
    count = Counter(node.op_type for node in model.graph.node)
    quantizers = 5
    assert count["Round"] == count["Abs"] == quantizers and count["ReduceMean"] == 3 * quantizers
    ladders = (3 + 3 + 1) * quantizers  # forward, backward, top of the backward one
    assert count["Where"] == ladders + 2 * quantizers  # and the clip of the weights
    assert count["Greater"] + count["Less"] == ladders + 2 * quantizers
    assert count["BatchNormalization"] == quantizers and count["PRelu"] == 6


def test_the_batch_axis_is_dynamic_and_the_opset_chosen(tmp_path: Path) -> None:
    export_onnx(ResidualNetwork(2), tmp_path / "network.onnx", IMAGE, opset=13)
    assert onnx.load(tmp_path / "network.onnx").opset_import[0].version == 13
    for count in (1, 3):
        assert run_onnx(tmp_path / "network.onnx", IMAGES[:count]).shape == (count, 10)


class Breaks(torch.nn.Module):
    """Fails while it is traced."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise ArithmeticError("broken on purpose")


def test_a_failed_export_leaves_the_earlier_file(tmp_path: Path) -> None:
    file = tmp_path / "network.onnx"
    file.write_bytes(b"earlier")
    broken = Breaks().train()
    with pytest.raises(ArithmeticError, match="on purpose"):
        export_onnx(broken, file, IMAGE)
    assert file.read_bytes() == b"earlier" and list(tmp_path.iterdir()) == [file]
    assert broken.training


def test_the_mode_of_the_network_is_left_alone(tmp_path: Path) -> None:
    for training in (True, False):
        network = ResidualNetwork(2).train(training)
        export_onnx(network, tmp_path / "network.onnx", IMAGE)
        assert network.training is training
