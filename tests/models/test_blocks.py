"""Blocks against their definition in numpy, in float64, where no code flips by rounding."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from n2uqc.models.blocks import BasicBlock, Bottleneck, Downsample, InvertedResidual
from n2uqc.models.randomize import randomize, settle

from . import reference

SETTINGS = [(2, "quantized"), (3, "float"), (4, "quantized"), (None, "float"), (None, "quantized")]
SHAPES = [(8, 1), (8, 2), (5, 1)]  # input channels of a block of 8 outputs, stride


def prepared(block: nn.Module, inputs: int) -> tuple[nn.Module, torch.Tensor, reference.Parameters]:
    """A randomized block in float64, an input of odd height, the parameters by name."""
    randomize(block, 5)
    x = torch.from_numpy(np.random.default_rng(6).standard_normal((2, inputs, 7, 6)))
    settle(block, x.float(), 7)
    block.double()
    return block, x, {name: value.numpy() for name, value in block.state_dict().items()}


def check(block: nn.Module, x: torch.Tensor, expected: reference.Array) -> None:
    with torch.no_grad():
        found = block(x).numpy()
    assert np.ptp(expected, 0).max() > 0.1  # the two images do not look alike
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("inputs", "stride"), SHAPES)
@pytest.mark.parametrize(("bits", "downsample"), SETTINGS)
def test_basic_block(inputs: int, stride: int, bits: int | None, downsample: Downsample) -> None:
    block, x, p = prepared(BasicBlock(inputs, 8, stride, bits, downsample), inputs)
    y = reference.main_path(p, x.numpy(), bits, (stride, 1), (1, 1))
    check(block, x, reference.triple(p, y + reference.skip(p, x.numpy(), bits, stride), 3))


@pytest.mark.parametrize(("inputs", "stride"), SHAPES)
@pytest.mark.parametrize(("bits", "downsample"), SETTINGS)
def test_bottleneck(inputs: int, stride: int, bits: int | None, downsample: Downsample) -> None:
    block, x, p = prepared(Bottleneck(inputs, 2, stride, bits, downsample), inputs)
    y = reference.main_path(p, x.numpy(), bits, (1, stride, 1), (1, 1, 1))
    check(block, x, reference.triple(p, y + reference.skip(p, x.numpy(), bits, stride), 0))


@pytest.mark.parametrize(("inputs", "stride"), SHAPES)
@pytest.mark.parametrize("bits", [3, 4, None])
def test_inverted_residual(inputs: int, stride: int, bits: int | None) -> None:
    block, x, p = prepared(InvertedResidual(inputs, 12, 8, stride, bits), inputs)
    y = reference.main_path(p, x.numpy(), bits, (1, stride, 1), (1, 12, 1))
    check(block, x, y + x.numpy() if (inputs, stride) == (8, 1) else y)


def test_the_skip_is_plain_where_the_shape_stays() -> None:
    assert BasicBlock(8, 8, 1, 2, "quantized").downsample is None
    assert Bottleneck(32, 8, 1, 2, "quantized").downsample is None
    assert Bottleneck(8, 8, 1, 2, "float").downsample is not None
