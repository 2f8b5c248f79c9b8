"""LCQ against its formulas, forward and backward, in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="rivals are torch modules")

from n2uqc.models.lcq import LCQ, PIECES, LCQWeight  # noqa: E402

from .test_rivals import drawn, pull, started  # noqa: E402

SEEDS = st.integers(0, 2**32 - 1)
few = settings(max_examples=15, deadline=None)
KNOTS = np.arange(PIECES + 1) / PIECES


def companded(v, heights, n):
    """Value and its derivative to the heights of the pieces, of numbers in [0, 1), one by one."""
    sums = np.concatenate([[0.0], np.cumsum(heights)])
    value, slopes = np.zeros(v.shape), np.zeros((*v.shape, PIECES))
    for at in np.ndindex(v.shape):
        q = np.rint(np.interp(v[at], KNOTS, sums) * n) / n
        value[at] = np.interp(q, sums, KNOTS)
        # f is the heights before piece p and a part of its own; g is divided by that of piece j.
        p = int(v[at] * PIECES)
        j = min(np.searchsorted(sums, q, "right") - 1, PIECES - 1)
        steep = 1 / (PIECES * heights[j])
        slopes[at][:p] += steep
        slopes[at][p] += steep * (v[at] * PIECES - p)
        slopes[at][:j] -= steep
        slopes[at][j] -= (q - sums[j]) / (PIECES * heights[j] ** 2)
    return value, slopes


def by_theta(theta, by_heights):
    heights = np.exp(theta) / np.exp(theta).sum()
    return heights * by_heights - heights * (heights * by_heights).sum()


def some(kind, bits: int, seed: int, clip: float):
    module = started(kind(bits), clip_val=clip)
    theta = np.random.default_rng(seed).normal(size=PIECES)
    if module.theta.requires_grad:
        module.theta.data.copy_(torch.from_numpy(theta))
    theta = module.theta.detach().numpy()
    return module, module.clip_val.item(), theta, np.exp(theta) / np.exp(theta).sum()


@given(SEEDS, st.integers(2, 5), st.floats(0.5, 5))
@few
def test_activations(seed: int, bits: int, clip: float) -> None:
    module, c, theta, heights = some(LCQ, bits, seed, clip)
    x, upstream = drawn(seed)
    y, by_x = pull(module, x, upstream)
    inside, above = (x > 0) & (x < c), x >= c
    value, slopes = companded(np.where(inside, x / c, 0), heights, 2**bits - 1)
    np.testing.assert_allclose(y, c * np.where(above, 1, value * inside), atol=1e-12)
    np.testing.assert_allclose(by_x, upstream * inside, atol=1e-15)
    by_clip = np.where(above, 1, (value - x / c) * inside)
    np.testing.assert_allclose(module.clip_val.grad, [(upstream * by_clip).sum()], atol=1e-10)
    by_heights = c * np.einsum("ij,ijk->k", upstream * inside, slopes)
    np.testing.assert_allclose(module.theta.grad, by_theta(theta, by_heights), atol=1e-9)


@given(SEEDS, st.integers(2, 5), st.floats(0.5, 3))
@few
def test_weights(seed: int, bits: int, clip: float) -> None:
    module, c, theta, heights = some(LCQWeight, bits, seed, clip)
    w, upstream = drawn(seed)
    y, by_w = pull(module, w, upstream)
    deviation = w.std(ddof=1)
    v = (w - w.mean()) / deviation
    inside = np.abs(v) < c
    value, slopes = companded(np.where(inside, np.abs(v) / c, 0), heights, 2 ** (bits - 1) - 1)
    level = c * np.sign(v) * np.where(inside, value, 1)
    np.testing.assert_allclose(y, deviation * level, atol=1e-10)
    by_v = upstream * deviation * inside
    by_deviation = (upstream * level).sum() - (by_v * v).sum() / deviation
    expected = (by_v - by_v.mean()) / deviation + by_deviation * v / (v.size - 1)
    np.testing.assert_allclose(by_w, expected, atol=1e-10)
    by_clip = deviation * np.sign(v) * np.where(inside, value - np.abs(v) / c, 1)
    np.testing.assert_allclose(module.clip_val.grad, [(upstream * by_clip).sum()], atol=1e-9)
    if bits == 2:
        assert module.theta.grad is None and set(np.round(level / c, 9).flat) <= {-1, 0, 1}
        return
    of_size = upstream * deviation * c * np.sign(v) * inside
    by_heights = np.einsum("ij,ijk->k", of_size, slopes)
    np.testing.assert_allclose(module.theta.grad, by_theta(theta, by_heights), atol=1e-8)


@pytest.mark.parametrize("bits", [2, 3])
def test_the_first_levels_are_even(bits: int) -> None:
    x = torch.tensor([[1.0, -3.0], [2.0, 0.0]])
    module = LCQ(bits)
    module.eval()(x)
    module.train()(torch.zeros(2, 2))
    assert module.clip_val.item() == 1 and not module.started
    y = module(x)
    n = 2**bits - 1
    clip = 3 * np.sqrt(n)  # mean 1.5
    np.testing.assert_allclose(module.clip_val.item(), clip, rtol=1e-6)
    expected = np.rint(np.clip(x.numpy() / clip, 0, 1) * n) * clip / n
    np.testing.assert_allclose(y.detach(), expected, rtol=1e-6)
    weight = LCQWeight(bits)
    weight(torch.tensor([0.0, 4.0]))  # both a mean of 2 and a deviation of sqrt(8)
    clip = 2 * np.sqrt(0.5) * np.sqrt(2 ** (bits - 1) - 1)
    np.testing.assert_allclose(weight.clip_val.item(), clip, rtol=1e-6)


def test_levels_stay_in_order_where_a_piece_hardly_rises() -> None:
    module = started(LCQ(4), clip_val=1.0).float()
    module.theta.data.copy_(torch.tensor([-60.0, 20.0] * (PIECES // 2)))
    y = module(torch.linspace(0, 1, 4001)).detach().numpy()
    assert (np.diff(y) >= 0).all() and y[-1] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("kind", [LCQ, LCQWeight])
@pytest.mark.parametrize("bits", [1, 9])
def test_other_widths_are_refused(kind, bits: int) -> None:
    with pytest.raises(ValueError, match=f"bits={bits}"):
        kind(bits)
