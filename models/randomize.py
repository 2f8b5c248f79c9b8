"""Random parameters that resemble trained ones, including difficult cases,
for tests and measurements.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .blocks import LearnableBias
from .pact import PACT
from .quantizers import LTQ, SHORTEST, QuantizedConv2d

Values = NDArray[np.float64]


def randomize(network: nn.Module, seed: int) -> None:
    """Draw every trained parameter and running statistic of a network from a seed.

    In every BatchNorm about a fifth of the gammas is negative and one is 0; PReLU slopes are of
    either sign, among them 0, -0.4 and 1.3; every LTQ has one interval length below the 1e-3 clamp
    (positive, 0 or negative) and `start` of either sign; `scale1` is negative in every second LTQ;
    clip ranges and levels differ from 2.

    Args:
        network: Network to change in place, of this package's modules and torch's Conv2d, Linear,
            BatchNorm2d, PReLU; parameters of other modules stay as they are.
        seed: Equal seeds and structures give equal parameters.
    """
    random = np.random.default_rng(seed)
    reverse = bool(random.integers(2))
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            _draw_weights(module, random)
        elif isinstance(module, nn.BatchNorm2d):
            _draw_batch_norm(module, random)
        elif isinstance(module, nn.PReLU):
            slope = random.normal(0.1, 0.3, module.num_parameters)
            special = random.permutation(module.num_parameters)[:3]
            slope[special] = (0.0, -0.4, 1.3)[: len(special)]
            _fill(module.weight, slope)
        elif isinstance(module, LearnableBias):
            _fill(module.bias, random.normal(0.0, 0.3, module.bias.numel()))
        elif isinstance(module, LTQ):
            _draw_thresholds(module, reverse, random)
            reverse = not reverse
        elif isinstance(module, PACT):
            _fill(module.clip_val, random.uniform(0.8, 4.0, 1))


def settle(network: nn.Module, images: Tensor, seed: int) -> None:
    """Fit statistics and ranges of a randomized network to its activations, as training would.

    Deep networks of random parameters tend to give the same codes for every image. This sets, layer
    by layer, the running statistics of each BatchNorm to those of its input with random deviations,
    and `scale1` of each LTQ (except its sign) and the clipping level of each PACT so that most of
    the input is within the thresholds.

    Args:
        network: Network that `randomize` has drawn; changed in place, left in evaluation mode.
        images: float32 (N, C, H, W).
        seed: Seed of the deviations.
    """
    random = np.random.default_rng(seed)

    def fit(module: nn.Module, inputs: tuple[Tensor]) -> None:
        (x,) = inputs
        if isinstance(module, nn.BatchNorm2d):
            variance, mean = torch.var_mean(x.double(), (0, 2, 3), correction=0)
            count = module.num_features
            assert module.running_mean is not None and module.running_var is not None
            deviation = np.sqrt(variance.numpy() + 1e-6)
            _fill(module.running_mean, mean.numpy() + deviation * random.normal(0.0, 0.3, count))
            _fill(module.running_var, deviation**2 * np.exp(random.normal(0.0, 0.4, count)))
        elif isinstance(module, LTQ):
            sign = float(torch.sign(module.scale1))
            last = float(module.start + module.a.clamp(min=SHORTEST).sum())
            factor = random.uniform(0.7, 1.3, 1) * max(last, 0.5)
            _fill(module.scale1, sign * factor / _upper(sign * x))
        elif isinstance(module, PACT):
            _fill(module.clip_val, _upper(x) * random.uniform(0.7, 1.3, 1))

    hooks = [module.register_forward_pre_hook(fit) for module in network.modules()]
    try:
        with torch.no_grad():
            network.eval()(images)
    finally:
        for hook in hooks:
            hook.remove()


def _upper(x: Tensor) -> float:
    """Return the 95% quantile of the positive values of x; 1 if there is none."""
    positive = x[x > 0].numpy()
    return float(np.quantile(positive, 0.95)) if positive.size else 1.0


def _draw_weights(module: nn.Conv2d | nn.Linear, random: np.random.Generator) -> None:
    outputs, fan_in = module.weight.shape[0], module.weight[0].numel()
    spread = random.uniform(0.3, 3.0, (outputs, 1)) / np.sqrt(fan_in)
    _fill(module.weight, spread * random.standard_normal((outputs, fan_in)))
    if module.bias is not None:
        _fill(module.bias, random.normal(0.0, 0.5, outputs))
    if isinstance(module, QuantizedConv2d):
        _fill(module.clip_val, random.uniform(1.2, 3.0, 1))


def _draw_batch_norm(module: nn.BatchNorm2d, random: np.random.Generator) -> None:
    count = module.num_features
    gamma = random.uniform(0.2, 1.5, count) * np.where(random.random(count) < 0.2, -1.0, 1.0)
    gamma[random.integers(count)] = 0.0
    _fill(module.weight, gamma)
    _fill(module.bias, random.normal(0.2, 0.5, count))
    assert module.running_mean is not None and module.running_var is not None
    _fill(module.running_mean, random.normal(0.0, 0.5, count))
    _fill(module.running_var, np.exp(random.normal(0.0, 0.7, count)))


def _draw_thresholds(module: LTQ, reverse: bool, random: np.random.Generator) -> None:
    length = random.uniform(0.1, 2.0, module.thresholds) * module.interval
    length[random.integers(module.thresholds)] = random.choice([SHORTEST / 3, 0.0, -0.2])
    if module.a.requires_grad:
        _fill(module.a, length)
    _fill(module.start, random.normal(0.0, 0.3, 1))
    _fill(module.scale1, random.uniform(0.4, 1.8, 1) * (-1.0 if reverse else 1.0))
    _fill(module.scale2, random.uniform(0.3, 1.5, 1))


def _fill(parameter: Tensor, values: Values) -> None:
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(values).reshape(parameter.shape))
