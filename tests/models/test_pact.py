"""PACT against its definition, forward and backward."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from n2uqc.models.pact import PACT

from . import reference


def inputs_of(seed: int, clip: float) -> torch.Tensor:
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.uniform(-1, 2 * clip, 200))


@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.floats(0.125, 9))
@settings(max_examples=40, deadline=None)
def test_forward(seed: int, bits: int, clip: float) -> None:
    module = PACT(bits, clip).double()
    x = inputs_of(seed, clip)
    p = {"pact.clip_val": module.clip_val.detach().numpy()}
    expected = reference.pact(p, "pact", x.numpy(), bits)
    np.testing.assert_allclose(module(x).detach(), expected, rtol=0, atol=1e-12)
    assert len(np.unique(expected)) <= 2**bits and expected.max() == p["pact.clip_val"]


@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.floats(0.125, 9))
@settings(max_examples=40, deadline=None)
def test_gradient(seed: int, bits: int, clip: float) -> None:
    module = PACT(bits, clip).double()
    top = module.clip_val.item()
    x = inputs_of(seed, clip)
    assume(float((x - top).abs().min()) > 1e-9)
    x.requires_grad_()
    upstream = torch.from_numpy(np.random.default_rng(seed + 1).standard_normal(len(x)))
    (module(x) * upstream).sum().backward()
    inside = ((x > 0) & (x < top)).double()
    assert x.grad is not None and module.clip_val.grad is not None
    torch.testing.assert_close(x.grad, inside * upstream)
    torch.testing.assert_close(module.clip_val.grad, ((x > top) * upstream).sum().reshape(1))


def test_a_tie_goes_to_the_even_level() -> None:
    y = PACT(2, 3.0)(torch.tensor([-1.0, 0.5, 1.5, 2.5, 2.75, 4.0]))
    assert y.tolist() == [0, 0, 2, 2, 3, 3]


@pytest.mark.parametrize("bits", [1, 9])
def test_other_widths_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match=f"bits={bits}"):
        PACT(bits)
