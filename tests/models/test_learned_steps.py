"""LSQ+ and nuLSQ against their formulas, forward and backward, in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="rivals are torch modules")

from n2uqc.models.lsq_plus import LSQPlus, LSQPlusWeight  # noqa: E402
from n2uqc.models.nulsq import NuLSQ, NuLSQWeight  # noqa: E402

from .test_rivals import drawn, pull, started  # noqa: E402

SEEDS = st.integers(0, 2**32 - 1)
few = settings(max_examples=15, deadline=None)


@given(SEEDS, st.integers(2, 5), st.floats(0.05, 2), st.floats(-2, 2))
@few
def test_lsq_plus(seed: int, bits: int, step: float, beta: float) -> None:
    module = started(LSQPlus(bits), step=step, beta=beta)
    step, beta, n = module.step.item(), module.beta.item(), 2**bits - 1
    x, upstream = drawn(seed)
    y, by_x = pull(module, x, upstream)
    ratio = (x - beta) / step
    below, above = ratio <= 0, ratio >= n
    inside = ~below & ~above
    code = np.where(below, 0, np.where(above, n, np.rint(ratio)))
    np.testing.assert_allclose(y, code * step + beta, atol=1e-12)
    np.testing.assert_array_equal(by_x, upstream * inside)
    by_step = upstream * np.where(inside, code - ratio, code)
    scale = 1 / np.sqrt(x[0].size * n)
    np.testing.assert_allclose(module.step.grad, [by_step.sum() * scale], atol=1e-12)
    np.testing.assert_allclose(module.beta.grad, [upstream[~inside].sum() * scale], atol=1e-12)


def test_lsq_plus_starts_with_less_error_than_the_range() -> None:
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((8, 200)))
    module = LSQPlus(2).double()
    module(torch.full((2, 3), 5.0, dtype=torch.float64))  # numbers that do not differ
    assert not module.started
    error = ((module(x) - x) ** 2).mean()
    full = started(LSQPlus(2), step=(x.max() - x.min()).item() / 3, beta=x.min().item())
    # The four evenly spaced levels of least error of a normal number leave 0.1188.
    assert error < 0.5 * ((full(x) - x) ** 2).mean() and error < 0.13


def test_lsq_plus_weights_start_from_mean_and_deviation() -> None:
    module = LSQPlusWeight(3)
    module(torch.tensor([-1.0, 0.0, 0.0, 5.0]))  # mean 1, deviation sqrt(5.5)
    np.testing.assert_allclose(module.step.item(), (1 + 3 * np.sqrt(5.5)) / 4, rtol=1e-6)


def uneven(x, steps, upstream):
    """Level and the derivative to each step, number by number."""
    y, by_steps = np.zeros_like(x), np.zeros(len(steps))
    for at in np.ndindex(x.shape):
        edge = 0.0
        for i, step in enumerate(steps):
            if x[at] <= edge:
                break
            part = min((x[at] - edge) / step, 1.0)
            y[at] += step * (part > 0.5)
            if part < 1:
                by_steps[i] += upstream[at] * (np.rint(part) - part)
            edge += step
        if x[at] > steps.sum():
            by_steps += upstream[at]
    return y, by_steps


@given(SEEDS, st.integers(2, 4))
@few
def test_nulsq_activations(seed: int, bits: int) -> None:
    module = started(NuLSQ(bits))
    steps = np.random.default_rng(seed).uniform(0.1, 6 / 2**bits, 2**bits - 1)
    module.step.data.copy_(torch.from_numpy(steps))
    x, upstream = drawn(seed, (4, 5, 4, 3))  # channels are axis 1
    y, by_x = pull(module, x, upstream)
    level, by_steps = uneven(x, steps, upstream)
    np.testing.assert_allclose(y, level, atol=1e-12)
    np.testing.assert_array_equal(by_x, upstream * ((x >= 0) & (x <= steps.sum())))
    scale = 1 / np.sqrt(x.shape[1] * len(steps))
    np.testing.assert_allclose(module.step.grad, by_steps * scale, atol=1e-10)


@pytest.mark.parametrize("module", [NuLSQ(2), NuLSQWeight(2)])
def test_a_step_below_the_least_keeps_levels_in_order_and_learns_nothing(module) -> None:
    module = started(module)
    first = next(module.parameters())
    first.data[0] = -5
    x = np.linspace(-4, 4, 101)[:, None]
    y, _ = pull(module, x, np.ones_like(x))
    assert (np.diff(y[:, 0]) >= 0).all() and first.grad[0] == 0


@given(SEEDS, st.integers(2, 4))
@few
def test_nulsq_weights(seed: int, bits: int) -> None:
    module = started(NuLSQWeight(bits))
    random = np.random.default_rng(seed)
    up, down = (random.uniform(0.1, 10 / 2**bits, 2 ** (bits - 1) - k) for k in (1, 0))
    module.up.data.copy_(torch.from_numpy(up))
    module.down.data.copy_(torch.from_numpy(down))
    x, upstream = drawn(seed)
    y, by_x = pull(module, x, upstream)
    above, by_up = uneven(x, up, upstream)
    below, by_down = uneven(-x, down, -upstream)
    np.testing.assert_allclose(y, above - below, atol=1e-12)
    np.testing.assert_array_equal(by_x, upstream * ((x >= -down.sum()) & (x <= up.sum())))
    np.testing.assert_allclose(module.up.grad, by_up * 2 / np.sqrt(x.size * len(up)), atol=1e-10)
    np.testing.assert_allclose(
        module.down.grad, by_down * 2 / np.sqrt(x.size * len(down)), atol=1e-10
    )


@pytest.mark.parametrize("kind", [NuLSQ, NuLSQWeight])
def test_nulsq_starts_as_lsq(kind) -> None:
    module = kind(3)
    module(torch.zeros(2, 2))
    assert not module.started
    module(torch.tensor([[1.0, -3.0], [2.0, 0.0]]))
    step = 2 * 1.5 / np.sqrt(7 if kind is NuLSQ else 3)
    for learned in module.parameters():
        np.testing.assert_allclose(learned.detach(), step, rtol=1e-6)


@pytest.mark.parametrize("kind", [LSQPlus, LSQPlusWeight, NuLSQ, NuLSQWeight])
@pytest.mark.parametrize("bits", [1, 9])
def test_other_widths_are_refused(kind, bits: int) -> None:
    with pytest.raises(ValueError, match=f"bits={bits}"):
        kind(bits)
