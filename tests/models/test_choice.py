"""Networks whose quantizers are chosen by name, activations and weights apart, bits by layer."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="quantizers are torch modules")

from n2uqc import load  # noqa: E402
from n2uqc.backends.cost.compare import compare  # noqa: E402
from n2uqc.models.choice import choose_quantizers  # noqa: E402
from n2uqc.models.export import export_onnx, run_onnx  # noqa: E402
from n2uqc.models.freezing import Freezing  # noqa: E402
from n2uqc.models.lsq import LSQ  # noqa: E402
from n2uqc.models.networks import ResidualNetwork, count_macs  # noqa: E402
from n2uqc.models.nulsq import NuLSQ  # noqa: E402
from n2uqc.models.quantized import WeightQuantizedConv2d  # noqa: E402
from n2uqc.models.quantizers import LTQ, QuantizedConv2d  # noqa: E402
from n2uqc.models.randomize import randomize  # noqa: E402
from n2uqc.models.registry import activation_names, weight_names  # noqa: E402

IMAGES = torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def quantizers(network):
    """Modules by name that quantize, those inside others left out."""
    kinds = (LTQ, QuantizedConv2d, WeightQuantizedConv2d, LSQ, NuLSQ)
    found = {name: m for name, m in network.named_modules() if isinstance(m, kinds)}
    return {name: m for name, m in found.items() if "quantizer" not in name}


ACTIVATIONS, WEIGHTS = activation_names(), weight_names()
PAIRS = [*zip(ACTIVATIONS, cycle(WEIGHTS)), *zip(cycle(("nulsq", "apot")), WEIGHTS)]


@pytest.mark.parametrize(("activations", "weights"), PAIRS)
def test_any_pair_learns(activations: str, weights: str) -> None:
    torch.manual_seed(0)
    network = ResidualNetwork(2)
    before = {name: p for name, p in network.named_parameters() if name.endswith("conv1.weight")}
    choose_quantizers(network, activations, weights)
    network(IMAGES).logsumexp(1).sum().backward()
    now = dict(network.named_parameters())
    for name, weight in before.items():
        assert now[name] is weight
        if name != "conv1.weight":  # the stem
            assert weight.grad is not None and weight.grad.any() and weight.grad.isfinite().all()
    found = {type(m) for m in network.modules()}
    assert (LTQ in found) == activations.startswith("n2uq")
    assert (QuantizedConv2d in found) == (weights == "n2uq")


def test_bits_by_layer_reach_the_program(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = ResidualNetwork(2)
    bits = {"*.conv*": 3, "layer1.0.conv2": 4, "layer1.0.quan2": 3}
    choose_quantizers(network, "lsq", "nulsq", bits)
    expected = {
        "layer1.0.quan1": 2, "layer1.0.conv1": 3, "layer1.0.quan2": 3, "layer1.0.conv2": 4,
        "layer2.0.quan1": 2, "layer2.0.conv1": 3, "layer2.0.quan2": 2, "layer2.0.conv2": 3,
        "layer2.0.downsample.0": 2, "layer2.0.downsample.1": 2,
    }  # fmt: skip
    found = {n: getattr(m, "quantizer", m).bits for n, m in quantizers(network).items()}
    assert found == expected
    for _ in range(3):
        network(IMAGES)
    path = tmp_path / "net.onnx"
    export_onnx(network, path, IMAGES[:1])
    program, x = load(path), IMAGES.numpy()
    close = np.isclose(program(x), want := run_onnx(path, x), atol=1e-2 * want.std()).all(1)
    assert close.mean() >= 0.8  # float32 sums in another order carry a value across a threshold
    assert compare(program).low_bit_macs == count_macs(network, IMAGES[:1]) - 8 * 8 * 16 * 9 - 320


def test_what_stays_the_same_is_left_alone() -> None:
    network = ResidualNetwork(2)
    before = quantizers(network)
    choose_quantizers(network)
    assert all(module is before[name] for name, module in quantizers(network).items())
    choose_quantizers(network, bits={"*.conv1": 3})
    for name, module in quantizers(network).items():
        assert (module is before[name]) == (not name.endswith(".conv1")), name


def test_other_thresholds_cover_the_same_range() -> None:
    network = ResidualNetwork(2)
    randomize(network, 0)
    before = {n: m for n, m in network.named_modules() if isinstance(m, LTQ)}
    choose_quantizers(network, "n2uq-equal", bits={"*.quan1": 4})
    for name, old in before.items():
        new = network.get_submodule(name)
        length = torch.clamp(old.a.detach(), min=1e-3)
        ends = torch.stack([old.start[0], old.start[0] + length.sum()]) / old.scale1
        inside = ends + (ends.flip(0) - ends) / (2.1 * new.thresholds)
        half = ends + (ends.flip(0) - ends) / (1.9 * new.thresholds)
        top = 2 * old.scale2.detach()
        step = top / new.thresholds
        torch.testing.assert_close(new(inside).detach(), torch.cat([0 * top, top]))
        torch.testing.assert_close(new(half).detach(), torch.cat([step, top - step]))
        assert new.bits == (4 if name.endswith("quan1") else 2) and not new.a.requires_grad


def test_weights_may_freeze() -> None:
    network = ResidualNetwork(2).eval()
    choose_quantizers(network, weights="lsq", freeze=0.02)
    frozen = [m for m in network.modules() if isinstance(m, Freezing)]
    assert len(frozen) == 5
    assert {m.threshold for m in frozen} == {0.02} and not any(m.training for m in frozen)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"activations": "lsqq"}, "activations 'lsqq': choose from n2uq, n2uq-equal, lsq,"),
        ({"weights": "pact"}, "weights 'pact': choose from n2uq, lsq,"),
        ({"bits": {"layer9*": 3}}, r"bits of 'layer9\*': no quantizer has such a name"),
        ({"weights": "apot", "bits": {"*.conv2": 6}}, "bits=6: APoT of weights"),
        ({"weights": "nulsq", "freeze": 0.1}, "NuLSQWeight has no codes"),
    ],
)
def test_what_there_is_not_is_refused_and_nothing_changes(wanted, message: str) -> None:
    network = ResidualNetwork(2)
    before = quantizers(network)
    with pytest.raises(ValueError, match=message):
        choose_quantizers(network, **wanted)
    assert all(module is before[name] for name, module in quantizers(network).items())


def test_a_network_without_quantizers_is_refused() -> None:
    with pytest.raises(ValueError, match="ResidualNetwork has no N2UQ quantizers"):
        choose_quantizers(ResidualNetwork(None), "lsq")
