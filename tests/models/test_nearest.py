"""Levels that begin near a float network's values, for every quantizer of the registry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="quantizers are torch modules")

from n2uqc.models.nearest import Placed, near_activation, near_weight, nearest_levels  # noqa: E402
from n2uqc.models.quantizers import LTQ  # noqa: E402
from n2uqc.models.registry import activation_names, weight_names, weight_quantizer  # noqa: E402


def values(kind: str, count: int = 4000) -> torch.Tensor:
    drawn = torch.randn(count, generator=torch.Generator().manual_seed(0))
    kinds = {
        "both": 3 * drawn - 1,
        "above": torch.relu(drawn),
        "silu": torch.nn.functional.silu(2 * drawn),
        "below": -drawn.abs(),
    }
    return kinds[kind]


def square_error(x: np.ndarray[Any, Any], step: float, zero: int, above: int) -> float:
    codes = np.clip(np.rint(x / step), -zero, above - zero)
    return float(((codes * step - x) ** 2).mean())


@pytest.mark.parametrize("kind", ["both", "above", "silu", "below"])
@pytest.mark.parametrize("above", [3, 15, 255])
def test_no_other_levels_are_much_nearer(kind: str, above: int) -> None:
    """A search of steps and zero points of its own, finer than the one that it makes."""
    x = values(kind).numpy().astype(np.float64)
    step, zero = nearest_levels(values(kind), above)
    spread = max(x.max(), 0) - min(x.min(), 0)
    zeros = range(above + 1) if above < 20 else range(0, above + 1, 5)
    least = min(
        square_error(x, part * spread / above, z, above)
        for part in np.linspace(0.1, 1, 19)
        for z in zeros
    )
    assert square_error(x, step, zero, above) <= 1.15 * least
    assert 0 <= zero <= above and (zero == 0 if kind == "above" else True)


def test_zeros_have_levels_too() -> None:
    assert nearest_levels(torch.zeros(5), 3) == (1.0, 0)


@pytest.mark.parametrize("kind", ["both", "above", "below"])
@pytest.mark.parametrize("name", activation_names())
def test_activations_are_near(name: str, kind: str) -> None:
    x = values(kind)
    module = near_activation(name, 6, x).eval()
    with torch.no_grad():
        y = module(x.unsqueeze(1)).squeeze(1)
    most = 0.25 if name == "apot" else 0.06  # its levels lie close near the lowest
    assert ((y - x) ** 2).mean().sqrt() < most * x.std()
    assert len(torch.round(y * 1e4).unique()) <= 64


@pytest.mark.parametrize("bits", [2, 5])
@pytest.mark.parametrize("name", weight_names())
def test_weights_are_near(name: str, bits: int) -> None:
    """Also where the quantizer by itself gives numbers of another scale."""
    w = 0.03 * torch.randn(8, 40, generator=torch.Generator().manual_seed(1))
    module = near_weight(name, weight_quantizer(name, bits, 8).train(), w)
    with torch.no_grad():
        module(w)
        y = module.eval()(w)
    error = float(((y - w) ** 2).mean().sqrt() / w.std())
    uneven = name in ("apot", "lq-nets", "lcq")
    assert error < {2: 0.65, 5: 0.25 if uneven else 0.07}[bits], error


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("below", [0, 1, 3])
def test_levels_below_zero(bits: int, below: int) -> None:
    """y is a multiple of the step, and float32 holds it exactly once settled."""
    quantizer, n = LTQ(bits, below=below), 2**bits - 1
    quantizer.begin(0.3)
    quantizer.settle()
    step = 2 * quantizer.scale2.item() / n
    x = torch.linspace(-3, 100, 999)
    y = quantizer(x).detach().double()
    codes = np.clip(np.rint(x.numpy() / step), -below, n - below)
    sure = np.abs(x.numpy() / step - np.floor(x.numpy() / step) - 0.5) > 2e-2
    np.testing.assert_allclose(y[sure], (codes * step)[sure], atol=1e-5)
    if below:
        part, _ = np.frexp(step)
        assert abs(step / 0.3 - 1) < 2**-15 and part * 2**16 == round(part * 2**16)


def test_a_moved_quantizer_passes_gradients() -> None:
    module = near_activation("pact", 4, values("both"))
    assert isinstance(module, Placed)
    x = torch.tensor([-0.5, 0.4], requires_grad=True)
    module(x).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [1, 1]
