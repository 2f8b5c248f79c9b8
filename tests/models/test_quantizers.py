"""The quantizers against numpy definitions written from the paper, forward and backward."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from n2uqc import load
from n2uqc.models.export import export_onnx
from n2uqc.models.quantized import WeightQuantizedLinear
from n2uqc.models.quantizers import LTQ, N2UQWeight, QuantizedConv2d
from n2uqc.models.registry import weight_names, weight_quantizer

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Thresholds:
    """Parameters of an LTQ, all exact float32 values."""

    bits: int
    start: float
    a: tuple[float, ...]
    scale1: float
    scale2: float

    @property
    def interval(self) -> float:
        return 2.0 / (2**self.bits - 1)

    def module(self) -> LTQ:
        quantizer = LTQ(self.bits)
        with torch.no_grad():
            quantizer.a.copy_(torch.tensor(self.a))
            for name in ("start", "scale1", "scale2"):
                getattr(quantizer, name).fill_(getattr(self, name))
        return quantizer

    def thresholds(self) -> Floats:
        """T_i as float32 sums in the order the definition is written."""
        length = np.maximum(np.array(self.a, np.float32), np.float32(1e-3))
        found = [np.float32(self.start) + length[0] / np.float32(2)]
        for before, here in pairwise(length):
            found.append(found[-1] + (before + here) / np.float32(2))
        return np.array(found)

    def codes(self, x: Floats) -> NDArray[np.int64]:
        scaled = x * np.float32(self.scale1)
        return (scaled[..., None] > self.thresholds()).sum(-1)


def narrow(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, width=32).map(float)


@st.composite
def ltqs(draw: st.DrawFn) -> Thresholds:
    bits = draw(st.integers(2, 4))
    length = st.one_of(narrow(0.015625, 1.5), narrow(-0.5, 0.0009765625), st.just(0.0))
    count = 2**bits - 1
    return Thresholds(
        bits,
        draw(narrow(-1, 1)),
        tuple(draw(st.lists(length, min_size=count, max_size=count))),
        draw(narrow(0.25, 3)) * draw(st.sampled_from((1, -1))),
        draw(narrow(0.25, 3)) * draw(st.sampled_from((1, -1))),
    )


def inputs_of(seed: int, count: int = 300) -> Floats:
    return np.random.default_rng(seed).uniform(-12, 12, count).astype(np.float32)


@given(ltqs(), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_forward_is_the_count_of_thresholds_below(spec: Thresholds, seed: int) -> None:
    x = inputs_of(seed)
    with np.errstate(over="ignore"):
        at = (spec.thresholds() / np.float32(spec.scale1)).astype(np.float32)
    x = np.concatenate([x, at, np.nextafter(at, np.float32(9)), np.nextafter(at, np.float32(-9))])
    with torch.no_grad():
        y = spec.module()(torch.from_numpy(x)).numpy()
    expected = spec.scale2 * spec.interval * spec.codes(x)
    # The pair of ladders leaves float32 noise of values up to 2, times scale2.
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-6 * abs(spec.scale2))


@given(ltqs(), st.sampled_from((0.25, 0.5, 1.0, 2.0, -0.5, -1.0, -2.0)))
@settings(max_examples=60, deadline=None)
def test_a_tie_takes_the_lower_code(spec: Thresholds, scale: float) -> None:
    spec = Thresholds(spec.bits, spec.start, spec.a, scale, 1.0)
    thresholds = spec.thresholds()
    with torch.no_grad():  # a power of two: x * scale1 is the threshold exactly
        y = spec.module()(torch.from_numpy(thresholds / np.float32(scale))).numpy()
    codes = np.rint(y / spec.interval)
    np.testing.assert_array_equal(codes, [(t > thresholds).sum() for t in thresholds])


def test_thresholds_ascend_under_the_clamp() -> None:
    spec = Thresholds(2, 0.0, (-5.0, 0.0, 1e-4), 1.0, 1.0)
    np.testing.assert_allclose(spec.thresholds(), (0.0005, 0.0015, 0.0025), rtol=1e-5)
    x = torch.tensor([0.0004, 0.001, 0.002, 0.003])
    np.testing.assert_allclose(spec.module()(x).detach(), (0, 2 / 3, 4 / 3, 2), atol=1e-6)


def test_negative_scale1_reverses_the_order() -> None:
    spec = Thresholds(2, 0.0, (1.0, 1.0, 1.0), -1.0, 1.0)
    y = spec.module()(torch.tensor([-3.0, -2.0, -1.0, 0.0, 1.0])).detach()
    np.testing.assert_allclose(y, (2, 4 / 3, 2 / 3, 0, 0), atol=1e-6)


def ramp(u: Doubles, start: float, a: Doubles) -> Doubles:
    """The piecewise-linear function of the generalized straight-through estimator."""
    begins = start + np.concatenate([[0.0], np.cumsum(np.maximum(a, 1e-3))])
    return np.interp(u, begins, 2.0 / len(a) * np.arange(len(a) + 1))


@given(ltqs(), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_gradient_is_that_of_the_piecewise_linear_function(spec: Thresholds, seed: int) -> None:
    a = np.array(spec.a, np.float64)
    begins = spec.start + np.concatenate([[0.0], np.cumsum(np.maximum(a, 1e-3))])
    random = np.random.default_rng(seed)
    u = np.concatenate(
        [
            random.uniform(begins[0] - 1, begins[-1] + 1, 60),
            random.uniform(begins[:-1], begins[1:]),  # at least one in every segment
        ]
    )
    x = (u / spec.scale1).astype(np.float32)
    u = x.astype(np.float64) * spec.scale1
    # The function has no derivative at a knot, and float32 may take the other side near one.
    weight = random.standard_normal(u.shape)
    weight[np.abs(u[:, None] - begins).min(1) < 2e-5] = 0
    assume(np.count_nonzero(weight))

    module = spec.module()
    given_x = torch.tensor(x, requires_grad=True)
    (module(given_x) * torch.tensor(weight)).sum().backward()

    step = 1e-7

    def slope(values: Doubles) -> Doubles:
        return values / (2 * step)

    by_u = slope(ramp(u + step, spec.start, a) - ramp(u - step, spec.start, a)) * spec.scale2
    by_start = slope(ramp(u, spec.start + step, a) - ramp(u, spec.start - step, a)) * spec.scale2

    def check(found: torch.Tensor | None, terms: Doubles) -> None:
        assert found is not None
        allowed = 2e-3 * np.abs(terms).sum() + 1e-5
        np.testing.assert_allclose(found.numpy().sum(), terms.sum(), rtol=0, atol=allowed)

    assert given_x.grad is not None
    np.testing.assert_allclose(
        given_x.grad, weight * by_u * spec.scale1, rtol=2e-3, atol=1e-5 * abs(spec.scale1)
    )
    check(module.start.grad, weight * by_start)
    check(module.scale1.grad, weight * by_u * x)
    check(module.scale2.grad, weight * spec.interval * spec.codes(x))
    assert module.a.grad is not None
    for i, found in enumerate(module.a.grad):
        if a[i] <= 1e-3:
            assert found == 0  # held by the clamp
            continue
        moved = np.zeros(len(a))
        moved[i] = step
        by_a = slope(ramp(u, spec.start, a + moved) - ramp(u, spec.start, a - moved)) * spec.scale2
        check(found, weight * by_a)


def weight_codes(weights: Floats, clip: float, bits: int) -> tuple[NDArray[np.int64], Doubles]:
    """Odd integer codes and per-channel scales in double precision, from the definition."""
    n = 2**bits - 1
    scale = n / 2 ** (bits - 1) * np.abs(weights.astype(np.float64)).mean((1, 2, 3), keepdims=True)
    clipped = np.clip(weights / scale, -clip / 2, clip / 2)
    return (2 * np.rint((clipped + clip / 2) * n / clip) - n).astype(np.int64), scale


def a_convolution(seed: int, bits: int, clip: float) -> tuple[QuantizedConv2d, Floats]:
    random = np.random.default_rng(seed)
    conv = QuantizedConv2d(3, 5, 3, bits)
    spread = random.uniform(0.05, 2, (5, 1, 1, 1))
    weights = (random.standard_normal((5, 3, 3, 3)) * spread).astype(np.float32)
    with torch.no_grad():
        conv.weight.copy_(torch.from_numpy(weights))
        conv.clip_val.fill_(clip)
    return conv, weights


@given(st.integers(0, 2**32 - 1), st.integers(2, 4), narrow(0.5, 4))
@settings(max_examples=60, deadline=None)
def test_weights_are_odd_integers_times_a_channel_scale(seed: int, bits: int, clip: float) -> None:
    conv, weights = a_convolution(seed, bits, clip)
    codes, scale = weight_codes(weights, clip, bits)
    n = 2**bits - 1
    found = conv.quantized_weight().detach().numpy() / (scale * clip / (2 * n))
    assert np.abs(found - np.rint(found)).max() < 1e-3
    position = (np.clip(weights / scale, -clip / 2, clip / 2) + clip / 2) * n / clip
    sure = np.abs(position % 1 - 0.5) > 1e-5  # float32 may break a tie the other way
    np.testing.assert_array_equal(np.rint(found)[sure], codes[sure])
    assert (np.rint(found) % 2 == 1).all() and np.abs(np.rint(found)).max() <= n


@given(st.integers(0, 2**32 - 1), st.integers(2, 4), narrow(0.5, 4))
@settings(max_examples=40, deadline=None)
def test_weight_gradient_passes_straight_through(seed: int, bits: int, clip: float) -> None:
    conv, weights = a_convolution(seed, bits, clip)
    _, scale = weight_codes(weights, clip, bits)
    upstream = np.random.default_rng(seed + 1).standard_normal(weights.shape).astype(np.float32)
    (conv.quantized_weight() * torch.from_numpy(upstream)).sum().backward()
    assert conv.weight.grad is not None and conv.clip_val.grad is None
    np.testing.assert_allclose(conv.weight.grad, upstream / scale, rtol=1e-4)


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_a_zero_weight_is_a_tie_to_even(bits: int) -> None:
    conv = QuantizedConv2d(1, 1, 2, bits)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([[[[0.0, 1.0], [-1.0, 2.0]]]]))
    step = 2 / (2 * (2**bits - 1)) * (2**bits - 1) / 2 ** (bits - 1)  # clip 2, mean|W| 1
    np.testing.assert_allclose(conv.quantized_weight().detach()[0, 0, 0, 0], step, rtol=1e-5)


@pytest.mark.parametrize("bits", [1, 9])
def test_other_bit_widths_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match=f"bits={bits}"):
        LTQ(bits)
    with pytest.raises(ValueError, match=f"bits={bits}"):
        QuantizedConv2d(1, 1, 1, bits)


def test_parameter_names_are_those_of_the_published_checkpoints() -> None:
    helpers = {"two", "one", "zero", "minusone", "eps"}
    assert set(LTQ(2).state_dict()) == {"start", "a", "scale1", "scale2"} | helpers
    assert set(QuantizedConv2d(1, 1, 1, 2).state_dict()) == {"weight", "clip_val", "zero"}
    learned = {name for name, p in LTQ(2).named_parameters() if p.requires_grad}
    assert learned == {"start", "a", "scale1", "scale2"}


def test_equal_segments_stay_equal() -> None:
    module = LTQ(3, equal=True)
    assert set(module.state_dict()) == set(LTQ(3).state_dict())
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        torch.autograd.backward((module(torch.rand(200)) ** 2).sum())
        optimizer.step()
    x = torch.linspace(-4, 4, 80001)
    jumps = x[1:][module(x).detach().diff() != 0]
    assert len(jumps) == 7 and module.scale1 != 1 and module.start != 0
    distance = 2 / 7 / abs(module.scale1.item())
    np.testing.assert_allclose(jumps.diff(), distance, atol=3e-4)


@pytest.mark.parametrize("shape", [(4, 9), (4, 3, 5), (4, 3, 2, 2)])
def test_balanced_weights_of_any_layer(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    weights = random.standard_normal(shape).astype(np.float32)
    found = N2UQWeight(3)(torch.from_numpy(weights)).detach().numpy().reshape(4, -1)
    codes, scale = weight_codes(weights.reshape(4, -1, 1, 1), 2.0, 3)
    expected = (codes * scale * 2.0 / 14).reshape(4, -1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.filterwarnings("ignore::n2uqc.PrecisionWarning")  # of the channel that is a noise
@pytest.mark.parametrize("bits", [2, 4])
def test_a_channel_that_is_zero(bits: int, tmp_path: Path) -> None:
    """Pruned filters: what they give is 0 but for a noise; the other channels do not change."""
    torch.manual_seed(0)
    own, x = torch.nn.Linear(6, 4, bias=False), torch.relu(torch.randn(9, 6))
    quantizer = N2UQWeight(bits)
    layer = WeightQuantizedLinear(6, 4, quantizer)
    layer.weight.data.copy_(own.weight)
    whole = layer(x).detach()
    layer.weight.data[2] = 0
    y = layer(x)
    y.sum().backward()
    gradient = layer.weight.grad
    assert gradient is not None and 0 < gradient[2].abs().max() <= x.sum()
    alive = [0, 1, 3]
    torch.testing.assert_close(y[:, alive], whole[:, alive], rtol=0, atol=0)
    assert y[:, 2].abs().max() < 1e-10
    codes = quantizer.codes(layer.weight)
    assert (codes.abs() % 2 == 1).all()
    network = torch.nn.Sequential(LTQ(bits), layer, torch.nn.ReLU()).eval()
    export_onnx(network, tmp_path / "net.onnx", x[:1])
    np.testing.assert_allclose(
        load(tmp_path / "net.onnx")(x.numpy()), network(x).detach(), atol=1e-3
    )


@pytest.mark.parametrize("name", weight_names())
@pytest.mark.parametrize("weights", [torch.zeros(3, 4), torch.ones(3, 4)])
def test_equal_weights_are_numbers(name: str, weights: torch.Tensor) -> None:
    """Layers that were pruned whole, or begin with a constant, in any quantizer."""
    w = weights.clone().requires_grad_()
    quantizer = weight_quantizer(name, 3, 3).train()
    y = quantizer(w)
    (y * torch.arange(12.0).view(3, 4)).sum().backward()
    assert w.grad is not None and y.isfinite().all() and w.grad.isfinite().all()
