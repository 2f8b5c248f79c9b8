"""ONNX export as PyTorch writes it, its check against onnxruntime, and randomised parameters."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .quantizers import LTQ, SHORTEST, QuantizedConv2d

OPSET = 17


def export_onnx(network: nn.Module, path: str | os.PathLike[str], image: Tensor) -> None:
    """Write the network in evaluation mode with torch's TorchScript-based exporter.

    The file is the exporter's plain output, with a dynamic batch axis, input "input" and output
    "output". It appears whole or not at all.

    Args:
        network: Network to write; its training mode is left as found.
        path: File to write or replace.
        image: Any input of the right shape, (N, C, H, W).
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    training = network.training
    axes = {"input": {0: "batch"}, "output": {0: "batch"}}
    names = {"input_names": ["input"], "output_names": ["output"], "dynamic_axes": axes}
    network.eval()
    try:
        torch.onnx.export(network, (image,), partial, dynamo=False, opset_version=OPSET, **names)
        os.replace(partial, path)
    finally:
        network.train(training)
        partial.unlink(missing_ok=True)


def run_onnx(path: str | os.PathLike[str], images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Outputs of an exported network for images (N, C, H, W), by onnxruntime on one thread.

    Graph rewrites are switched off: fusing BatchNormalization into a convolution moves values by
    some 1e-6, which is enough to cross a threshold.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        os.fspath(path), options, providers=["CPUExecutionProvider"]
    )
    output: NDArray[np.float32] = session.run(["output"], {"input": images})[0]
    return output


def randomise(network: nn.Module, seed: int) -> None:
    """Give a network parameters that look trained, the awkward cases included, from a seed.

    Every BatchNorm gets some negative gammas and one gamma of 0; PReLU slopes are of either sign,
    one is 0 and one above 1; interval lengths include values under the 1e-3 clamp and below 0;
    `start` is of either sign; every second LTQ has a negative `scale1`; clip ranges differ from 2.

    Args:
        network: Network to change in place; any mix of the modules of this package.
        seed: Seed; equal seeds and structures give equal parameters.
    """
    random = np.random.default_rng(seed)

    def fill(parameter: Tensor, values: NDArray[np.floating]) -> None:
        with torch.no_grad():
            parameter.copy_(torch.tensor(values, dtype=parameter.dtype).reshape(parameter.shape))

    def signs(count: int, negative: float) -> NDArray[np.float64]:
        return np.where(random.random(count) < negative, -1.0, 1.0)

    flipped = bool(random.integers(2))
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            fan_in = module.weight[0].numel()
            channel = random.uniform(0.3, 3.0, (module.weight.shape[0], 1)) / np.sqrt(fan_in)
            fill(module.weight, channel * random.standard_normal((module.weight.shape[0], fan_in)))
            if module.bias is not None:
                fill(module.bias, random.normal(0, 0.5, module.bias.numel()))
        if isinstance(module, QuantizedConv2d):
            fill(module.clip_val, random.uniform(1.2, 3.0, 1))
        elif isinstance(module, nn.BatchNorm2d):
            count = module.num_features
            gamma = random.uniform(0.2, 1.5, count) * signs(count, 0.2)
            gamma[random.integers(count)] = 0.0
            fill(module.weight, gamma)
            fill(module.bias, random.normal(0.2, 0.5, count))
            assert module.running_mean is not None and module.running_var is not None
            fill(module.running_mean, random.normal(0, 0.5, count))
            fill(module.running_var, np.exp(random.normal(0, 0.7, count)))
        elif isinstance(module, nn.PReLU):
            slope = random.normal(0.1, 0.3, module.num_parameters)
            special = random.permutation(module.num_parameters)
            for place, value in zip(special, (0.0, -0.4, 1.3), strict=False):
                slope[place] = value
            fill(module.weight, slope)
        elif isinstance(module, LTQ):
            length = random.uniform(0.1, 2.0, module.thresholds) * module.interval
            length[random.integers(module.thresholds)] = random.choice([SHORTEST / 3, -0.2, 0.0])
            fill(module.a, length)
            fill(module.start, random.normal(0, 0.3, 1))
            fill(module.scale1, random.uniform(0.4, 1.8, 1) * (-1.0 if flipped else 1.0))
            fill(module.scale2, random.uniform(0.3, 1.5, 1))
            flipped = not flipped
        elif getattr(module, "bias", None) is not None and module.bias.dim() == 4:
            fill(module.bias, random.normal(0, 0.3, module.bias.numel()))
