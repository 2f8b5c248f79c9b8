"""Real PyTorch exports: the canonical graph computes what onnxruntime computes on the file.

Thresholds and weight codes are compared with those the torch modules hold, bit for bit.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import is_op, read_threshold, read_weight
from n2uqc.frontend.recognize.pattern import NOTE
from n2uqc.frontend.reference import evaluate, evaluate_values
from n2uqc.models.export import export_onnx
from n2uqc.models.networks import ResidualNetwork
from n2uqc.models.quantizers import LTQ, QuantizedConv2d, levels_above_zero
from n2uqc.models.randomize import randomize
from tests.frontend.networks import Array, ops, run_onnx

SIZE = 16


def network(bits: int, downsample: str, seed: int) -> ResidualNetwork:
    torch.manual_seed(seed)
    net = ResidualNetwork(
        bits, (6, 8), (1, 1), in_channels=3, stem_kernel=7, stem_stride=2, maxpool=True,
        downsample=downsample,  # type: ignore[arg-type]
    )  # fmt: skip
    randomize(net, seed)
    return net.eval()


def export(net: nn.Module, path: Path, opset: int = 17) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # opset 21 is one more than this exporter admits to
        export_onnx(net, path, torch.zeros(1, 3, SIZE, SIZE), opset)
    return path


def images(count: int, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, 3, SIZE, SIZE)).astype(np.float32)


def activation_thresholds(module: LTQ) -> Array:
    """The float32 numbers in the order the module adds them."""
    length = torch.where(module.a > module.eps, module.a, module.eps)
    total, found = module.start, []
    for i in range(module.thresholds):
        half = length[i] / 2
        total = total + (half if i == 0 else length[i - 1] / 2 + half)
        found.append(total)
    return torch.stack(found).detach().numpy().reshape(1, -1)


def weight_codes(module: QuantizedConv2d) -> Tensor:
    """2k - n with k as the module rounds it."""
    w, steps = module.weight, levels_above_zero(module.bits)
    mean = w.abs().mean(3, keepdim=True).mean(2, keepdim=True).mean(1, keepdim=True)
    clipped = w / (steps / 2 ** (module.bits - 1) * mean)
    edge = module.clip_val / 2
    clipped = torch.where(clipped < edge, clipped, edge)
    clipped = torch.where(clipped > -edge, clipped, -edge)
    k = torch.round((clipped + edge) * (steps / module.clip_val))
    return (2 * k - steps).detach().to(torch.int8)


@pytest.mark.parametrize(
    ("bits", "opset", "downsample"),
    [
        (2, 13, "quantized"),
        (3, 15, "float"),
        (4, 17, "quantized"),
        (2, 18, "float"),
        (3, 20, "quantized"),
        (4, 21, "float"),
    ],
)
def test_published_structure(tmp_path: Path, bits: int, opset: int, downsample: str) -> None:
    net = network(bits, downsample, seed=bits * 100 + opset)
    path = export(net, tmp_path / "net.onnx", opset)
    graph = load_graph(path)
    _check_parameters(net, graph)
    x = images(2, seed=opset)
    want = run_onnx(onnx.load(path), x)
    scale = float(np.abs(want).max())
    np.testing.assert_allclose(evaluate(graph, x) / scale, want / scale, atol=1e-5)
    assert graph.graph.inputs[0].shape == ir.Shape(["batch", 3, SIZE, SIZE])
    assert graph.graph.outputs[0].shape == ir.Shape(["batch", 10])
    assert graph.graph.outputs[0].name == "output"


def _check_parameters(net: ResidualNetwork, graph: ir.Model) -> None:
    """Modules and nodes both come in the order of execution."""
    quantizers = [module for module in net.modules() if isinstance(module, LTQ)]
    thresholds = [node for node in graph.graph if is_op(node, "Threshold")]
    for module, node in zip(quantizers, thresholds, strict=True):
        params = read_threshold(node)
        np.testing.assert_array_equal(params.thresholds, activation_thresholds(module))
        assert params.input_scale == module.scale1.item()
        assert params.step == 2 * module.scale2.item()
        assert (params.divisor, params.bits) == (module.thresholds, module.bits)
        assert params.strict
    convolutions = [module for module in net.modules() if isinstance(module, QuantizedConv2d)]
    weights = [node for node in graph.graph if is_op(node, "Weight")]
    for convolution, node in zip(convolutions, weights, strict=True):
        held = read_weight(node)
        np.testing.assert_array_equal(held.codes, weight_codes(convolution).numpy())
        bits = convolution.bits
        assert (held.divisor, held.bits) == (2 * levels_above_zero(bits), bits)


def test_codes_of_every_quantizer_agree_given_equal_inputs(tmp_path: Path) -> None:
    """Each quantizer's output, on the input onnxruntime gave it."""
    net = network(3, "quantized", seed=5)
    path = export(net, tmp_path / "net.onnx")
    graph = load_graph(path)
    thresholds = [n for n in graph.graph if is_op(n, "Threshold")]
    names = [str(v.name) for n in thresholds for v in (n.inputs[0], n.outputs[0]) if v is not None]
    model = onnx.load(path)
    del model.graph.output[:]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    x = images(4, seed=1)
    values = dict(zip(names, _run_all(model, x), strict=True))
    for node in thresholds:
        assert node.inputs[0] is not None
        params = read_threshold(node)
        given, output = values[str(node.inputs[0].name)], values[str(node.outputs[0].name)]
        scaled = given.astype(np.float64)[..., None] * float(params.input_scale)
        codes = (scaled > params.thresholds[0].astype(np.float64)).sum(axis=-1)
        step = params.step / params.divisor
        np.testing.assert_array_equal(np.rint(output / step), codes)
        np.testing.assert_allclose(output, codes * step, atol=1e-6 * abs(params.step) + 1e-6)


def _run_all(model: onnx.ModelProto, x: Array) -> list[Array]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    found: list[Array] = session.run(None, {"input": x})
    return found


def test_static_batch(tmp_path: Path) -> None:
    net = network(2, "quantized", seed=3)
    path = tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net, (torch.zeros(4, 3, SIZE, SIZE),), path, dynamo=False, opset_version=17
        )
    graph = load_graph(path)
    assert graph.graph.inputs[0].shape == ir.Shape([4, 3, SIZE, SIZE])
    x = images(4, seed=0)
    np.testing.assert_allclose(
        evaluate(graph, x), run_onnx(onnx.load(path), x), rtol=1e-5, atol=1e-5
    )


def test_file_bytes_and_proto_give_the_same_graph(tmp_path: Path) -> None:
    path = export(network(2, "float", seed=9), tmp_path / "net.onnx")
    texts = [
        ir.to_proto(load_graph(source)).SerializeToString(deterministic=True)
        for source in (path, path.read_bytes(), onnx.load(path))
    ]
    assert texts[0] == texts[1] == texts[2]


def test_canonical_graph_survives_saving(tmp_path: Path) -> None:
    graph = load_graph(export(network(2, "quantized", seed=4), tmp_path / "net.onnx"))
    ir.save(graph, tmp_path / "canonical.onnx")
    again = ir.load(tmp_path / "canonical.onnx")
    x = images(1, seed=0)
    np.testing.assert_array_equal(evaluate(again, x), evaluate(graph, x))
    onnx.checker.check_model(str(tmp_path / "canonical.onnx"))


def test_quantized_values_can_be_read_by_name(tmp_path: Path) -> None:
    graph = load_graph(export(network(2, "quantized", seed=4), tmp_path / "net.onnx"))
    names = [str(n.outputs[0].name) for n in graph.graph if is_op(n, "Threshold")]
    for name, values in evaluate_values(graph, images(1, seed=0), names).items():
        assert len(np.unique(values)) <= 4, name


def test_progress_is_told(tmp_path: Path) -> None:
    stages: list[str] = []
    load_graph(export(network(2, "float", seed=4), tmp_path / "net.onnx"), stages.append)
    assert stages[0] == "reading" and stages[-1] == "verifying"
    assert "recognizing threshold ladder" in stages


def test_file_optimized_by_onnxruntime(tmp_path: Path) -> None:
    """Its basic level folds weights and BatchNorms, gammas of 0 included: grid recovery."""
    net = network(3, "quantized", seed=7)
    path = export(net, tmp_path / "net.onnx")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(str(path), options)
    _check_folded(path, tmp_path / "optimized.onnx")


@pytest.mark.slow
def test_dynamo_export(tmp_path: Path) -> None:
    net = network(2, "quantized", seed=8)
    path = export(net, tmp_path / "net.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net, (torch.zeros(2, 3, SIZE, SIZE),), tmp_path / "dynamo.onnx", dynamo=True,
            input_names=["input"], dynamic_shapes=({0: torch.export.Dim("batch")},),
        )  # fmt: skip
    _check_folded(path, tmp_path / "dynamo.onnx")


def _check_folded(raw: Path, folded: Path) -> None:
    """Every quantizer of the raw export is found again, and the network computes the same."""
    want, got = load_graph(raw), load_graph(folded)
    assert ops(got).count("Weight") == ops(want).count("Weight")
    thresholds = [
        sorted(read_threshold(n).thresholds.tolist() for n in g.graph if is_op(n, "Threshold"))
        for g in (want, got)
    ]
    assert thresholds[0] == thresholds[1]
    assert not [n for n in got.graph if NOTE in n.metadata_props]
    x = images(2, seed=3)
    np.testing.assert_allclose(evaluate(got, x), evaluate(want, x), rtol=1e-4, atol=1e-4)


class Published(nn.Module):
    """Other ways of writing the same: expand_as, average pool over the map, view."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.randn(1, 3, 1, 1))
        self.quantizer = LTQ(2)
        self.conv = QuantizedConv2d(3, 5, 3, 2, padding=1, groups=1)
        self.fc = nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.bias.expand_as(x)
        x = self.conv(self.quantizer(x))
        x = nn.functional.avg_pool2d(x, SIZE)
        return self.fc(x.view(x.size(0), -1))


@pytest.mark.parametrize("dynamic", [False, True])
def test_expanded_bias_and_view(tmp_path: Path, dynamic: bool) -> None:
    torch.manual_seed(0)
    path = tmp_path / "net.onnx"
    axes = {"input": {0: "n"}} if dynamic else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Published().eval(), (torch.zeros(2, 3, SIZE, SIZE),), path, dynamo=False,
            opset_version=16, input_names=["input"], dynamic_axes=axes,
        )  # fmt: skip
    graph = load_graph(path)
    assert ops(graph) == [
        "Add", "Threshold", "Weight", "Conv", "GlobalAveragePool", "Flatten", "Gemm",
    ]  # fmt: skip
    x = images(2, seed=0)
    np.testing.assert_allclose(
        evaluate(graph, x), run_onnx(onnx.load(path), x), rtol=1e-5, atol=1e-5
    )
