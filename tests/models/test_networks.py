"""Structure, names and costs of the networks."""

from __future__ import annotations

import pytest
import torch

from n2uqc.models.calibrate import initialize_from_float
from n2uqc.models.networks import ResidualNetwork, count_macs
from n2uqc.models.quantizers import LTQ, QuantizedConv2d
from n2uqc.models.randomize import randomize

IMAGE = torch.zeros(1, 1, 8, 8)


def test_block_names_follow_the_published_checkpoints() -> None:
    names = {n.rsplit(".", 1)[0] for n in ResidualNetwork(2).state_dict()}
    block = ["bias11", "prelu1", "bias12", "quan1", "conv1", "bn1"]
    block += ["bias21", "prelu2", "bias22", "quan2", "conv2", "bn2"]
    block += ["bias31", "prelu3", "bias32"]
    down = [f"layer2.0.downsample.{i}" for i in range(3)]
    blocks = [f"layer{i}.0.{name}" for i in (1, 2) for name in block]
    assert names == {"conv1", "bn1", "fc", *blocks, *down}


@pytest.mark.parametrize("downsample", ["quantized", "float"])
def test_quantizers_stand_everywhere_but_in_stem_head_and_float_skip(downsample: str) -> None:
    network = ResidualNetwork(3, downsample=downsample)  # type: ignore[arg-type]
    modules = dict(network.named_modules())
    quantized = 5 if downsample == "quantized" else 4
    assert sum(isinstance(m, QuantizedConv2d) for m in modules.values()) == quantized
    assert sum(isinstance(m, LTQ) for m in modules.values()) == quantized
    assert all(m.bits == 3 for m in modules.values() if isinstance(m, LTQ | QuantizedConv2d))
    assert type(network.conv1) is torch.nn.Conv2d


def test_macs_per_image() -> None:
    stem, head = 64 * 16 * 9, 32 * 10
    first = 2 * 64 * 16 * 16 * 9
    second = 16 * (32 * 16 * 9 + 32 * 32 * 9 + 32 * 16)
    assert count_macs(ResidualNetwork(2), IMAGE) == stem + first + second + head == 533_824


def test_resnet18_has_its_known_cost() -> None:
    network = ResidualNetwork(
        None, (64, 128, 256, 512), (2, 2, 2, 2), 3, 1000, stem_kernel=7, stem_stride=2, maxpool=True
    )
    assert count_macs(network, torch.zeros(1, 3, 224, 224)) == 1_814_073_344


def test_counting_leaves_the_mode_alone() -> None:
    network = ResidualNetwork(2).train()
    count_macs(network, IMAGE)
    assert network.training


@pytest.mark.parametrize("downsample", ["quantized", "float"])
def test_the_float_twin_starts_the_quantized_network(downsample: str) -> None:
    torch.manual_seed(0)
    twin = ResidualNetwork(None, downsample=downsample)  # type: ignore[arg-type]
    network = ResidualNetwork(2, downsample=downsample)  # type: ignore[arg-type]
    images = torch.rand(50, 1, 8, 8)
    initialize_from_float(network, twin, images)
    copied = network.state_dict()
    for name, value in twin.state_dict().items():
        assert torch.equal(value, copied[name]), name
    for name, module in network.named_modules():
        if isinstance(module, LTQ):
            assert module.scale1.item() != 1, name
            assert (module.scale1 * module.scale2).item() == pytest.approx(1, rel=1e-6)
    # The first quantizer's range: 2 / scale1 is the 98% quantile of its positive inputs.
    first = twin.get_submodule("layer1.0")
    twin.eval()
    x = torch.relu(twin.bn1(twin.conv1(images)))  # type: ignore[operator]
    seen = first.bias12(first.prelu1(first.bias11(x)))  # type: ignore[operator]
    above = (seen > 2 / network.get_submodule("layer1.0").quan1.scale1)[seen > 0]  # type: ignore
    assert float(above.float().mean()) == pytest.approx(0.02, abs=0.002)


def test_a_strange_twin_is_refused() -> None:
    network, images = ResidualNetwork(2), torch.rand(4, 1, 8, 8)
    with pytest.raises(ValueError, match=r"not the float twin.*layer2.1"):
        initialize_from_float(network, ResidualNetwork(None, blocks=(1, 2)), images)
    silent = ResidualNetwork(None)
    with torch.no_grad():
        silent.get_parameter("layer1.0.bias12.bias").fill_(-100)
    with pytest.raises(ValueError, match=r"layer1.0.quan1: .* nowhere positive"):
        initialize_from_float(network, silent, images)


def test_widths_and_blocks_must_match() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        ResidualNetwork(2, widths=(8, 16), blocks=(1,))


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_randomized_networks_hold_the_awkward_cases(bits: int) -> None:
    network, again = ResidualNetwork(bits), ResidualNetwork(bits)
    randomize(network, 7)
    randomize(again, 7)
    same = again.state_dict()
    assert all(torch.equal(value, same[name]) for name, value in network.state_dict().items())
    randomize(again, 8)
    assert not torch.equal(
        network.get_parameter("conv1.weight"), again.state_dict()["conv1.weight"]
    )

    modules = list(network.modules())
    gammas = [m.weight for m in modules if isinstance(m, torch.nn.BatchNorm2d)]
    assert all((g == 0).any() for g in gammas) and any((g < 0).any() for g in gammas)
    slopes = [m.weight for m in modules if isinstance(m, torch.nn.PReLU)]
    assert all((s == 0).any() and (s < 0).any() and (s > 1).any() for s in slopes)
    ladders = [m for m in modules if isinstance(m, LTQ)]
    assert all((m.a < 1e-3).any() for m in ladders)
    assert {bool(m.scale1 < 0) for m in ladders} == {True, False}
    assert all(m.clip_val != 2 for m in modules if isinstance(m, QuantizedConv2d))
