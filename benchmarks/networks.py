"""The measured integer programs: a layer, and ResNet-18 with fitted random parameters."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np

from n2uqc.passes.program import (
    Constant,
    ConstRef,
    Conv,
    Interface,
    IntType,
    Program,
    Thresholds,
    verify,
)

RESNET18_MACS = 1_814_073_344
"""Multiplications of ResNet-18 for a 224x224 image, including first and last layer."""


def conv_macs(size: int, channels: int) -> int:
    """Return the multiplications of a 3x3 convolution of a square map,
    with as many outputs as inputs.
    """
    return size * size * channels * channels * 9


def conv_program(bits: int, size: int, channels: int, seed: int = 0) -> Program:
    """Return a 3x3 convolution and the next layer's thresholds: codes in, codes out.

    Weights are normally distributed, quantized with the grid over three standard deviations. Each
    channel's thresholds divide the range of its accumulators into equal parts.

    Args:
        bits: bits of weights, input and output codes.
        size: height and width of the map.
        channels: input and output channels.
        seed: seed of weights and thresholds.
    """
    rng, top = np.random.default_rng(seed), (1 << bits) - 1
    drawn = rng.normal(0, 1, (channels, 3, 3, channels))
    weight = 2 * np.clip(np.round((drawn * top / 3 + top) / 2), 0, top).astype(np.int64) - top
    mean = weight.sum(axis=(1, 2, 3)) * top / 2
    spread = np.sqrt((weight.astype(float) ** 2).sum(axis=(1, 2, 3)) * (top * (top + 2) / 12))
    levels = np.linspace(-1.2, 1.2, top) + rng.normal(0, 0.05, (channels, top))
    bounds = np.sort(np.round(mean[:, None] + spread[:, None] * levels).astype(np.int64), axis=1)
    constants = {
        "w": Constant.odd(weight, bits),
        "t": Constant.narrow(bounds),
        "s": Constant.odd(np.ones_like(bounds), 1),
        "b": Constant.narrow(np.zeros(channels, np.int64)),
    }
    types: dict[str, Any] = {"x": IntType((size, size, channels), bits, False, 0, top, Fraction(1))}
    conv = Conv(output="acc", inputs=("x",), weight=ConstRef("w"), pads=(1, 1, 1, 1))
    types["acc"] = conv.infer(types, constants)
    table = Thresholds(
        output="y",
        inputs=("acc",),
        bounds=ConstRef("t"),
        signs=ConstRef("s"),
        base=ConstRef("b"),
        bits=bits,
    )
    types["y"] = table.infer(types, constants)
    shape = (channels, size, size)
    program = Program(
        f"conv{bits}",
        Interface.single("x", shape, "y", shape),
        ("x",),
        ("y",),
        types,
        (conv, table),
        constants,
    )
    verify(program)
    return program


def resnet18_file(
    bits: int,
    path: Path,
    seed: int = 0,
    downsample: Literal["float", "quantized"] = "float",
) -> Path:
    """Write an N2UQ ResNet-18 for 224x224 images and 1000 classes as ONNX.

    Args:
        bits: bits of weights and codes.
        path: the file to write.
        seed: seed of the parameters, which are then fitted to the activations.
        downsample: kind of the convolutions in the skip connections; N2UQ publishes both.
    """
    import torch

    from n2uqc.models.architectures import Variant, architectures
    from n2uqc.models.export import export_onnx
    from n2uqc.models.randomize import randomize, settle

    network = architectures["resnet18"].build(Variant(bits, downsample))
    randomize(network, seed)
    settle(network, torch.from_numpy(images(2, seed)), seed)
    export_onnx(network, path, torch.zeros(1, 3, 224, 224))
    return path


def resnet18_program(
    bits: int, precision: str, downsample: Literal["float", "quantized"] = "float"
) -> Program:
    """Return that network as an integer program, at ``exact``,
    ``balanced`` or ``small`` precision.
    """
    from n2uqc.passes import Options, load

    with tempfile.TemporaryDirectory() as folder:
        file = resnet18_file(bits, Path(folder, "resnet18.onnx"), downsample=downsample)
        return load(file, Options.preset(precision))


def images(count: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return random preprocessed images, float32 (N, 3, 224, 224)."""
    return np.random.default_rng(seed).normal(0, 1, (count, 3, 224, 224)).astype(np.float32)
