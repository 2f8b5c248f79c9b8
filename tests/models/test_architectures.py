"""The published architectures: names, shapes and costs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from n2uqc.models.architectures import Variant, architectures
from n2uqc.models.networks import count_macs
from n2uqc.models.pact import PACT
from n2uqc.models.quantizers import LTQ, QuantizedConv2d
from n2uqc.models.randomize import randomize, settle

BATCH_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
LADDER = ("start", "a", "scale1", "scale2", "two", "one", "zero", "minusone", "eps")
WEIGHTS = ("weight", "clip_val", "zero")

STAGES = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}
COSTS = {  # multiply-accumulates at 224x224; torchvision's figures for the ResNets
    "resnet18": 1_814_073_344,
    "resnet34": 3_663_761_408,
    "resnet50": 4_089_184_256,
    "mobilenetv2": 313_619_328,
}
SMALL = {"image": (32, 32), "width": 1 / 16, "classes": 7}


def of(name: str, parts: tuple[str, ...]) -> Iterator[str]:
    yield from (f"{name}.{part}" for part in parts)


def triple(block: str, index: int) -> Iterator[str]:
    yield f"{block}.bias{index}1.bias"
    yield f"{block}.prelu{index}.weight"
    yield f"{block}.bias{index}2.bias"


def convolutions(block: str, count: int) -> Iterator[str]:
    for i in range(1, count + 1):
        yield from triple(block, i)
        yield from of(f"{block}.quan{i}", LADDER)
        yield from of(f"{block}.conv{i}", WEIGHTS)
        yield from of(f"{block}.bn{i}", BATCH_NORM)


def resnet_keys(name: str, quantized: bool) -> Iterator[str]:
    """Keys of a published checkpoint, spelled out."""
    yield "conv1.weight"
    yield from of("bn1", BATCH_NORM)
    yield from of("fc", ("weight", "bias"))
    deep = name == "resnet50"
    for stage, blocks in enumerate(STAGES[name], 1):
        for index in range(blocks):
            block = f"layer{stage}.{index}"
            yield from convolutions(block, 3 if deep else 2)
            yield from triple(block, 0 if deep else 3)
            if index or (stage == 1 and not deep):
                continue
            if quantized:
                yield from of(f"{block}.downsample.0", LADDER)
                yield from of(f"{block}.downsample.1", WEIGHTS)
                yield from of(f"{block}.downsample.2", BATCH_NORM)
            else:
                yield f"{block}.downsample.0.weight"
                yield from of(f"{block}.downsample.1", BATCH_NORM)


def mobilenet_keys() -> Iterator[str]:
    yield "feature.0.conv1.weight"
    yield from of("feature.0.bn1", BATCH_NORM)
    for index in range(1, 18):
        yield from convolutions(f"feature.{index}", 3)
    yield "feature.18.quan1.clip_val"
    yield from of("feature.18.conv1", WEIGHTS)
    yield from of("feature.18.bn1", BATCH_NORM)
    yield from of("fc", ("weight", "bias"))


@pytest.mark.parametrize("quantized", [False, True])
@pytest.mark.parametrize("name", STAGES)
def test_names_of_the_resnets(name: str, quantized: bool) -> None:
    downsample = "quantized" if quantized else "float"
    network = architectures[name].build(Variant(2, downsample, **SMALL))  # type: ignore[arg-type]
    assert sorted(network.state_dict()) == sorted(resnet_keys(name, quantized))


def test_names_of_mobilenetv2() -> None:
    network = architectures["mobilenetv2"].build(Variant(4, **SMALL))  # type: ignore[arg-type]
    assert sorted(network.state_dict()) == sorted(mobilenet_keys())


@pytest.mark.parametrize(
    ("name", "bits", "shapes"),
    [
        ("resnet18", 3, {
            "conv1.weight": (64, 3, 7, 7), "layer1.0.bias11.bias": (1, 64, 1, 1),
            "layer2.0.prelu1.weight": (64,), "layer2.0.conv1.weight": (128, 64, 3, 3),
            "layer2.0.conv1.clip_val": (1,), "layer2.0.conv1.zero": (1,),
            "layer2.0.downsample.0.weight": (128, 64, 1, 1), "layer4.1.quan2.a": (7,),
            "layer4.1.quan2.start": (1,), "layer4.1.quan2.eps": (1,), "fc.weight": (1000, 512),
        }),
        ("resnet34", 2, {
            "layer3.5.conv2.weight": (256, 256, 3, 3), "layer3.5.quan2.a": (3,),
            "fc.weight": (1000, 512),
        }),
        ("resnet50", 4, {
            "layer1.0.conv1.weight": (64, 64, 1, 1), "layer1.0.conv3.weight": (256, 64, 1, 1),
            "layer1.0.downsample.0.weight": (256, 64, 1, 1),
            "layer1.1.conv1.weight": (64, 256, 1, 1), "layer2.0.conv2.weight": (128, 128, 3, 3),
            "layer4.2.quan3.a": (15,),
            "layer4.2.bias01.bias": (1, 2048, 1, 1), "layer4.2.prelu0.weight": (2048,),
            "fc.weight": (1000, 2048),
        }),
        ("mobilenetv2", 4, {
            "feature.0.conv1.weight": (32, 3, 3, 3), "feature.1.conv1.weight": (32, 32, 1, 1),
            "feature.1.conv2.weight": (32, 1, 3, 3), "feature.1.conv3.weight": (16, 32, 1, 1),
            "feature.2.conv1.weight": (96, 16, 1, 1), "feature.17.conv3.weight": (320, 960, 1, 1),
            "feature.17.quan3.a": (15,), "feature.18.quan1.clip_val": (1,),
            "feature.18.conv1.weight": (1280, 320, 1, 1), "fc.weight": (1000, 1280),
        }),
    ],
)  # fmt: skip
def test_shapes(name: str, bits: int, shapes: dict[str, tuple[int, ...]]) -> None:
    with torch.device("meta"):
        state = architectures[name].build(Variant(bits)).state_dict()
    assert {key: tuple(state[key].shape) for key in shapes} == shapes


@pytest.mark.parametrize("name", COSTS)
def test_costs(name: str) -> None:
    with torch.device("meta"):  # shapes alone
        network = architectures[name].build(Variant(None, "float"))
        assert count_macs(network, torch.zeros(1, 3, 224, 224)) == COSTS[name]


def test_strides_of_mobilenetv2() -> None:
    with torch.device("meta"):
        network = architectures["mobilenetv2"].build(Variant(4))
    features = network.get_submodule("feature").children()
    convs = [[m.stride[0] for m in f.modules() if isinstance(m, nn.Conv2d)] for f in features]
    assert [index for index, strides in enumerate(convs) if 2 in strides] == [0, 2, 4, 7, 14]
    assert convs[2] == [1, 2, 1]
    residual = [i for i in range(1, 18) if network.get_submodule(f"feature.{i}").residual]
    assert residual == [3, 5, 6, 8, 9, 10, 12, 13, 15, 16]


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("resnet18", 2), ("resnet34", 3), ("resnet50", 2), ("mobilenetv2", 4),
        ("resnet18", None), ("mobilenetv2", None),
    ],
)  # fmt: skip
def test_any_image_size_and_every_quantizer_of_the_chosen_bits(name: str, bits: int | None) -> None:
    torch.manual_seed(0)
    image = (40, 72)
    network = architectures[name].build(Variant(bits, image=image, width=1 / 16, classes=5))
    randomize(network, 3)
    x = torch.randn(4, 3, *image)
    settle(network, x, 4)
    with torch.no_grad():
        scores = network(x)
    assert scores.shape == (4, 5) and bool(torch.isfinite(scores).all())
    assert float((scores[0] - scores[1]).abs().max()) > 1e-3  # images do not all look alike
    quantizers = [m for m in network.modules() if isinstance(m, LTQ | PACT | QuantizedConv2d)]
    assert {m.bits for m in quantizers} == ({bits} if bits else set())


@pytest.mark.parametrize(
    ("image", "window"),
    [((224, 224), (7, 7)), ((256, 416), (7, 7)), ((193, 448), (7, 14)), ((32, 33), (1, 2))],
)
def test_mobilenetv2_pools_to_one_position(image: tuple[int, int], window: tuple[int, int]) -> None:
    network = architectures["mobilenetv2"].build(Variant(None, image=image, width=1 / 16))
    assert network.get_submodule("pool1").kernel_size == window
    with torch.no_grad():
        assert network.eval()(torch.zeros(1, 3, *image)).shape == (1, 1000)


def test_variants_that_do_not_exist() -> None:
    with pytest.raises(ValueError, match=r"mobilenetv2 has no downsampling"):
        architectures["mobilenetv2"].build(Variant(4, "quantized"))
    with pytest.raises(ValueError, match="at least 1"):
        architectures["resnet18"].build(Variant(2, image=(0, 8)))
    with pytest.raises(ValueError, match="bits=9"):
        architectures["resnet18"].build(Variant(9))
