"""The summary: every layer appears, with what it becomes and why."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from n2uqc.api.inspect import Inspection
from n2uqc.frontend.load import load_graph
from n2uqc.frontend.summary import FIXED, INTEGER, TABLE, LayerSummary, Summary, summarize
from n2uqc.models.export import export_onnx
from n2uqc.models.networks import ResidualNetwork, count_macs
from n2uqc.models.randomize import randomize
from tests.frontend.networks import build, ladder, quantizer_parameters, rungs, weight_quantizer

IMAGE = torch.zeros(1, 3, 16, 16)


@pytest.fixture(scope="module")
def net() -> ResidualNetwork:
    network = ResidualNetwork(3, (6, 8), (1, 1), in_channels=3, downsample="float")
    randomize(network, 0)
    return network


@pytest.fixture(scope="module")
def summary(net: ResidualNetwork, tmp_path_factory: pytest.TempPathFactory) -> Summary:
    path = Path(tmp_path_factory.mktemp("summary")) / "net.onnx"
    export_onnx(net, path, IMAGE)
    return summarize(load_graph(path))


def layers(summary: Summary, op: str) -> list[LayerSummary]:
    return [layer for layer in summary.layers if layer.op == op]


def test_interface(summary: Summary) -> None:
    assert summary.inputs == {"input": ["batch", 3, 16, 16]}
    assert summary.outputs == {"output": ["batch", 10]}


def test_quantizers(summary: Summary, net: ResidualNetwork) -> None:
    assert len(summary.quantizers) == 4
    first = summary.quantizers[0]
    scale1, scale2 = net.layer1[0].quan1.scale1.item(), net.layer1[0].quan1.scale2.item()
    assert (first.kind, first.bits, first.rule) == ("threshold", 3, ">")
    assert first.input_scale == scale1
    assert first.step == pytest.approx(scale2 * 2 / 7)
    np.testing.assert_allclose(first.levels, scale2 * 2 / 7 * np.arange(8))
    assert len(first.thresholds) == 1 and first.thresholds[0] == sorted(first.thresholds[0])


def test_macs_are_those_of_the_network(summary: Summary, net: ResidualNetwork) -> None:
    assert sum(layer.macs for layer in summary.layers) == count_macs(net, IMAGE)


def test_quantized_layers(summary: Summary) -> None:
    quantized = [layer for layer in layers(summary, "Conv") if layer.weight_bits]
    assert len(quantized) == 4
    for layer in quantized:
        assert (layer.weight_bits, layer.activation_bits, layer.becomes) == (3, 3, INTEGER)
        assert sum(layer.codes.values()) == layer.weights
        assert set(layer.codes) <= set(range(-7, 8, 2))
        assert len(layer.weight_scale) == layer.output_shape[0]
        assert layer.kernel == [3, 3]


def test_what_stays_real_has_a_reason(summary: Summary) -> None:
    stem, downsample = (layer for layer in layers(summary, "Conv") if not layer.weight_bits)
    for layer in (stem, downsample, *layers(summary, "Gemm")):
        assert layer.becomes == FIXED and "float weights" in layer.why
    skips = [layer for layer in layers(summary, "Add") if "skip" in layer.why]
    assert len(skips) == 2 and all(layer.becomes == FIXED for layer in skips)
    assert all(layer.why for layer in summary.layers)


def test_what_only_thresholds_read_becomes_a_table(summary: Summary) -> None:
    """The first BatchNorm of each block ends in thresholds, the second in the skip connection."""
    norms = [layer.becomes for layer in layers(summary, "BatchNormalization")]
    assert norms == [TABLE, FIXED, TABLE, FIXED]


def test_every_node_is_listed(summary: Summary, net: ResidualNetwork, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    export_onnx(net, path, IMAGE)
    names = [str(n.name) for n in load_graph(path).graph if n.domain == ""]
    assert [layer.name for layer in summary.layers] == names


def test_json(summary: Summary) -> None:
    data = json.loads(json.dumps(summary.to_dict()))
    assert set(data) == {
        "input", "input_shape", "inputs", "output", "output_shape", "outputs", "quantizers",
        "layers", "notes",
    }  # fmt: skip
    assert data["quantizers"][0]["thresholds"] == summary.quantizers[0].thresholds


def printed(summary: Summary) -> str:
    return Inspection("net", summary).text()


def test_table(summary: Summary) -> None:
    text = printed(summary)
    for quantizer in summary.quantizers:
        assert quantizer.name in text
    for layer in summary.layers:
        assert layer.name in text or not layer.weights
    assert "multiply-accumulates" in text and "comparison table" in text


def test_weights_off_their_grid_are_a_note() -> None:
    weights = np.random.default_rng(0).standard_normal((3, 2, 3, 3))
    body = ladder(3) + "[conv] y = Conv (f, W)"
    parameters = rungs([0, 1, 2], [0, 1, 2, 3]) | {"W": weights}
    found = summarize(load_graph(build(body, parameters)))
    assert [note.node for note in found.notes] == ["conv"]
    (layer,) = found.layers
    assert layer.becomes == FIXED and "off every grid" in layer.why
    assert "off every grid" in printed(found)


def test_quantized_weights_on_a_real_input() -> None:
    weights = np.random.default_rng(0).standard_normal((3, 2, 3, 3)).astype(np.float32)
    body = weight_quantizer(2) + "y = Conv (x, q)"
    (layer,) = summarize(load_graph(build(body, quantizer_parameters(weights, 2)))).layers
    assert (layer.weight_bits, layer.activation_bits) == (2, None)
    assert (layer.becomes, layer.why) == (FIXED, "its input is real-valued")


def test_pooled_codes_are_codes() -> None:
    body = ladder(3) + "y = MaxPool <kernel_shape = [2, 2]> (f)"
    (layer,) = summarize(load_graph(build(body, rungs([0, 1, 2], [0, 1, 2, 3])))).layers
    assert (layer.becomes, layer.activation_bits, layer.macs) == (INTEGER, 2, 0)


def test_a_network_without_quantizers() -> None:
    found = summarize(load_graph(build("y = Relu (x)")))
    assert not found.quantizers and "no activation quantizer" in printed(found)


def test_markup_in_names_is_text() -> None:
    model = build("y = Conv (x, W)", {"W": np.ones((1, 2, 1, 1))})
    model.graph.node[0].name = "[red]stem[/red]"
    assert "[red]stem[/red]" in printed(summarize(load_graph(model)))
