"""LQ-Nets against its formulas: nearest level, gradients, and the least squares of the basis."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="rivals are torch modules")

from n2uqc.models.lq_nets import LQNets, LQNetsWeight  # noqa: E402

from .test_rivals import drawn, pull  # noqa: E402

SEEDS = st.integers(0, 2**32 - 1)
few = settings(max_examples=15, deadline=None)


def nearest(x, basis, low: int):
    """Levels nearest to x, their codes, and the highest level."""
    codes = np.array(list(product((low, 1), repeat=len(basis))))
    levels = codes @ basis
    at = np.abs(x[..., None] - levels).argmin(-1)
    return levels[at], codes[at], levels.max()


def moved(x, codes, basis):
    """A tenth of the way to the least squares, which pulls a little to the old basis."""
    rows = np.concatenate([codes.reshape(-1, len(basis)), 1e-2 * np.eye(len(basis))])
    best = np.linalg.lstsq(rows, np.concatenate([x.ravel(), 1e-2 * basis]), rcond=None)[0]
    return 0.9 * basis + 0.1 * best


@given(SEEDS, st.integers(2, 4))
@few
def test_activations(seed: int, bits: int) -> None:
    module = LQNets(bits).double()
    basis = np.random.default_rng(seed).uniform(-0.3, 3, bits)  # one may have turned negative
    module.basis.copy_(torch.from_numpy(basis))
    x, upstream = drawn(seed)
    y, by_x = pull(module, x, upstream)
    level, codes, top = nearest(x, basis, 0)
    np.testing.assert_allclose(y, level, atol=1e-12)
    np.testing.assert_array_equal(by_x, upstream * (x < top))
    np.testing.assert_allclose(module.basis, moved(x, codes, basis), atol=1e-10)
    assert "basis" in module.state_dict() and not list(module.parameters())


@given(SEEDS, st.integers(2, 4))
@few
def test_weights_have_a_basis_per_channel(seed: int, bits: int) -> None:
    module = LQNetsWeight(bits, 3).double()
    basis = np.random.default_rng(seed).uniform(-0.3, 3, (3, bits))
    module.basis.copy_(torch.from_numpy(basis))
    module.started.fill_(True)
    w, upstream = drawn(seed, (3, 2, 5, 4))
    y, by_w = pull(module, w, upstream)
    np.testing.assert_array_equal(by_w, upstream)
    for channel in range(3):
        level, codes, _ = nearest(w[channel], basis[channel], -1)
        np.testing.assert_allclose(y[channel], level, atol=1e-12)
        expected = moved(w[channel], codes, basis[channel])
        np.testing.assert_allclose(module.basis[channel], expected, atol=1e-10)


def test_first_bases() -> None:
    np.testing.assert_allclose(LQNets(3).basis, 0.6745 * 2 / 7 * np.array([1, 2, 4]), rtol=1e-6)
    module = LQNetsWeight(2, 2)
    module(torch.ones(2, 3))  # weights that do not differ
    assert not module.started
    module.basis.zero_()
    module.eval()(torch.tensor([[1.0, 3.0], [3.0, 1.0]]))
    assert not module.started and not module.basis.any()
    module.train()(torch.tensor([[1.0, 3.0], [3.0, 1.0]]))  # of deviation 1
    np.testing.assert_allclose(module.basis, moved_first(0.6745 / 2 * np.array([1, 2])), rtol=1e-5)


def moved_first(basis):
    """Both channels have the weights 1 and 3, whose level is the highest, basis sum 1.01."""
    x, codes = np.array([1.0, 3.0]), np.ones((2, 2))
    return np.stack([moved(x, codes, basis)] * 2)


@pytest.mark.parametrize("weights", [False, True])
def test_the_basis_comes_near_the_best_levels(weights: bool) -> None:
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 20000)))
    module = (LQNetsWeight(2, 1) if weights else LQNets(2)).double()
    x = x if weights else x.relu()
    for _ in range(150):
        y = module(x)
    before = module.basis.clone()
    torch.testing.assert_close(module.eval()(x), y, rtol=0, atol=1e-3)
    torch.testing.assert_close(module.basis, before, rtol=0, atol=0)
    error = ((y - x) ** 2).mean()
    # Four levels of least error of a normal number leave 0.1175 (Max, 1960).
    assert error == pytest.approx(0.1175, abs=0.004) if weights else error < 0.06


@pytest.mark.parametrize("kind", [LQNets, lambda bits: LQNetsWeight(bits, 2)])
@pytest.mark.parametrize("bits", [1, 9])
def test_other_widths_are_refused(kind, bits: int) -> None:
    with pytest.raises(ValueError, match=f"bits={bits}"):
        kind(bits)
