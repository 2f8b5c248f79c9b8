"""Reference of N2UQ blocks in numpy and float64, with parameters by name."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.float64]
Parameters = Mapping[str, Array]

BATCH_NORM_EPSILON = 1e-5


def thresholds(p: Parameters, name: str) -> Array:
    """T_i of an LTQ, ascending."""
    length = np.maximum(p[f"{name}.a"], p[f"{name}.eps"])
    found = [p[f"{name}.start"][0] + length[0] / 2]
    for before, here in pairwise(length):
        found.append(found[-1] + (before + here) / 2)
    return np.array(found)


def ltq(p: Parameters, name: str, x: Array) -> Array:
    """Return an activation quantizer: the count of thresholds below, times the output step."""
    below = p[f"{name}.scale1"] * x[..., None] > thresholds(p, name)
    return p[f"{name}.scale2"] * 2 / len(p[f"{name}.a"]) * below.sum(-1)


def pact(p: Parameters, name: str, x: Array, bits: int) -> Array:
    """Return the uniform quantizer over [0, clip_val]."""
    top = p[f"{name}.clip_val"]
    return np.rint(np.clip(x, 0, top) * (2**bits - 1) / top) * top / (2**bits - 1)


def quantized_weight(p: Parameters, name: str, bits: int) -> Array:
    """Return odd integers times a step for each output channel."""
    weight, clip, n = p[f"{name}.weight"], p[f"{name}.clip_val"], 2**bits - 1
    scale = n / 2 ** (bits - 1) * np.abs(weight).mean((1, 2, 3), keepdims=True)
    position = (np.clip(weight / scale, -clip / 2, clip / 2) + clip / 2) * n / clip
    return scale * clip * (2 * np.rint(position) - n) / (2 * n)


def conv(x: Array, weight: Array, stride: int, groups: int = 1) -> Array:
    """Convolution of (N, C, H, W), padded by half the kernel."""
    outputs, _, kernel, _ = weight.shape
    pad = kernel // 2
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = sliding_window_view(x, (kernel, kernel), (2, 3))[:, :, ::stride, ::stride]
    parts = zip(np.split(windows, groups, 1), np.split(weight, groups), strict=True)
    found = [np.einsum("nchwij,ocij->nohw", part, filters) for part, filters in parts]
    assert sum(part.shape[1] for part in found) == outputs
    return np.concatenate(found, 1)


def batch_norm(p: Parameters, name: str, x: Array) -> Array:
    """BatchNorm in evaluation mode."""
    gamma, beta, mean, variance = (
        p[f"{name}.{part}"].reshape(1, -1, 1, 1)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    return gamma * (x - mean) / np.sqrt(variance + BATCH_NORM_EPSILON) + beta


def triple(p: Parameters, x: Array, index: int) -> Array:
    """Bias, PReLU, bias."""
    x = x + p[f"bias{index}1.bias"]
    slope = p[f"prelu{index}.weight"].reshape(1, -1, 1, 1)
    return np.where(x > 0, x, slope * x) + p[f"bias{index}2.bias"]


def main_path(
    p: Parameters, x: Array, bits: int | None, strides: tuple[int, ...], groups: tuple[int, ...]
) -> Array:
    """Return the convolutions of a block one after the other, each with its triple, LTQ and BN."""
    for i, (stride, group) in enumerate(zip(strides, groups, strict=True), 1):
        x = triple(p, x, i)
        weight = p[f"conv{i}.weight"]
        if bits is not None:
            x, weight = ltq(p, f"quan{i}", x), quantized_weight(p, f"conv{i}", bits)
        x = batch_norm(p, f"bn{i}", conv(x, weight, stride, group))
    return x


def skip(p: Parameters, x: Array, bits: int | None, stride: int) -> Array:
    """Return the skip connection of a residual block: x, or a quantized or float downsample."""
    if "downsample.0.weight" in p:
        return batch_norm(p, "downsample.1", conv(x, p["downsample.0.weight"], stride))
    if "downsample.2.weight" in p:
        weight = p["downsample.1.weight"]
        if bits is not None:
            x = ltq(p, "downsample.0", x)
            weight = quantized_weight(p, "downsample.1", bits)
        return batch_norm(p, "downsample.2", conv(x, weight, stride))
    return x
