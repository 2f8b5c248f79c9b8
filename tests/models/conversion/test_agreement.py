"""Figures of agreement, recomputed by numpy, and running statistics that follow a change."""

from __future__ import annotations

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="conversion needs torch")
from torch import nn  # noqa: E402

from n2uqc.models.conversion.agreement import (  # noqa: E402
    agreement,
    is_scores,
    teaching_loss,
)
from n2uqc.models.conversion.statistics import correct_statistics  # noqa: E402

from .networks import made  # noqa: E402


@pytest.mark.parametrize("shape", [(7, 3), (7, 3, 2, 2)])
def test_agreement_in_numpy(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    want = torch.randn(shape)
    got = want + 0.7 * torch.randn(shape)
    found = agreement(zip(want.split(3), got.split(3), strict=True), scores=True)
    a, b = want.numpy().astype(float), got.numpy().astype(float)
    np.testing.assert_allclose(found.error, np.sqrt(((a - b) ** 2).mean()) / a.std(), rtol=1e-9)
    assert found.same == (a.argmax(1) == b.argmax(1)).mean() and found.samples == 7
    assert agreement([(want, got)], scores=False).same is None


def test_outputs_that_are_always_the_same() -> None:
    one = torch.ones(4, 2)
    assert agreement([(one, one)], scores=False).error == 0
    assert agreement([(one, 2 * one)], scores=False).error == float("inf")


def test_what_outputs_are() -> None:
    assert is_scores("auto", (8, 10)) and not is_scores("auto", (8, 1))
    assert not is_scores("auto", (8, 3, 4, 4)) and is_scores("scores", (8, 3, 4, 4))
    assert not is_scores("values", (8, 10))


def test_losses() -> None:
    torch.manual_seed(0)
    x, given = torch.randn(50, 4), torch.randn(50, 4)
    loss = teaching_loss(lambda x: 3 * x, False, [3 * x])
    want = ((given - 3 * x) ** 2).mean() / (3 * x).var(correction=0)
    torch.testing.assert_close(loss(x, given, torch.zeros(50)), want)
    scores = teaching_loss(lambda x: x, True, [x])
    want = -(torch.softmax(x, 1) * torch.log_softmax(given, 1)).sum(1).mean()
    torch.testing.assert_close(scores(x, given, torch.zeros(50)), want)


def test_statistics_of_the_same_network_stay() -> None:
    network, x = made("residual", 40)
    twin = copy.deepcopy(network)
    correct_statistics(twin, network, x.split(20))
    for name, value in network.state_dict().items():
        torch.testing.assert_close(twin.state_dict()[name], value, rtol=1e-5, atol=1e-6)


def test_statistics_follow_a_change() -> None:
    """A layer whose outputs are stretched and moved is taken back by its BatchNorm."""
    network, x = made("residual", 40)
    twin = copy.deepcopy(network)
    with torch.no_grad():
        convolution = twin.get_submodule("a.0")
        assert isinstance(convolution, nn.Conv2d)
        convolution.weight *= 1.5
    correct_statistics(twin, network, x.split(20))
    with torch.no_grad():
        torch.testing.assert_close(twin(x), network(x), rtol=1e-2, atol=1e-2)
    assert not twin.training and not any(m.training for m in twin.modules())
