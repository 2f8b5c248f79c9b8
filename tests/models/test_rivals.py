"""LSQ, DoReFa and APoT against the formulas of their papers, forward and backward, in float64."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="rivals are torch modules")

from n2uqc.models.apot import APoT, APoTWeight, apot_levels  # noqa: E402
from n2uqc.models.dorefa import DoReFa, DoReFaWeight  # noqa: E402
from n2uqc.models.lsq import LSQ, LSQWeight  # noqa: E402
from n2uqc.models.quantized import WeightQuantizedConv2d, WeightQuantizedLinear  # noqa: E402

SEEDS = st.integers(0, 2**32 - 1)
few = settings(max_examples=15, deadline=None)


def pull(module, x, upstream):
    """Return the output and the gradient of x, of a module in float64."""
    given_x = torch.tensor(x, requires_grad=True)
    y = module(given_x)
    (y * torch.tensor(upstream)).sum().backward()
    return y.detach().numpy(), given_x.grad.numpy()


def drawn(seed: int, shape=(4, 60)):
    """Numbers in ±6 that meet no edge or tie, and upstream gradients."""
    random = np.random.default_rng(seed)
    return random.uniform(-6, 6, shape), random.standard_normal(shape)


def started(module, **values):
    for name, value in values.items():
        getattr(module, name).data.fill_(value)
    if hasattr(module, "started"):
        module.started.fill_(True)
    return module.double()


@given(SEEDS, st.integers(2, 5), st.floats(0.05, 3), st.sampled_from(("plain", "signed", "weight")))
@few
def test_lsq_is_equations_1_2_3_and_5(seed: int, bits: int, step: float, kind: str) -> None:
    qn, qp = (0, 2**bits - 1) if kind == "plain" else (2 ** (bits - 1), 2 ** (bits - 1) - 1)
    module = LSQWeight(bits) if kind == "weight" else LSQ(bits, kind == "signed")
    module = started(module, step=step)
    step = module.step.item()
    x, upstream = drawn(seed)
    y, by_x = pull(module, x, upstream)
    below, above = x / step <= -qn, x / step >= qp
    inside = ~below & ~above
    np.testing.assert_allclose(
        y, np.where(below, -qn, np.where(above, qp, np.rint(x / step))) * step
    )
    np.testing.assert_array_equal(by_x, upstream * inside)
    by_step = np.where(below, -qn, np.where(above, qp, np.rint(x / step) - x / step))
    scale = 1 / np.sqrt((x.size if kind == "weight" else x[0].size) * qp)
    np.testing.assert_allclose(module.step.grad, [(upstream * by_step).sum() * scale], atol=1e-12)


@pytest.mark.parametrize("module", [LSQ(3), LSQ(3, signed=True), LSQWeight(3)])
def test_lsq_starts_from_the_first_batch_of_training(module) -> None:
    x = torch.tensor([[1.0, -3.0], [2.0, 0.0]])
    module.eval()(x)
    module.train()(torch.zeros(2, 2))
    assert module.step.item() == 1 and not module.started
    module(x)
    np.testing.assert_allclose(module.step.item(), 2 * 1.5 / np.sqrt(module.high), rtol=1e-6)
    module(10 * x)
    np.testing.assert_allclose(module.step.item(), 2 * 1.5 / np.sqrt(module.high), rtol=1e-6)


@given(SEEDS, st.integers(2, 5))
@few
def test_dorefa_activations(seed: int, bits: int) -> None:
    x, upstream = drawn(seed)
    x = x / 4
    y, by_x = pull(DoReFa(bits), x, upstream)
    n = 2**bits - 1
    np.testing.assert_allclose(y, np.rint(n * np.clip(x, 0, 1)) / n, atol=1e-15)
    np.testing.assert_allclose(by_x, upstream * ((x > 0) & (x < 1)), rtol=1e-15)


@given(SEEDS, st.integers(2, 5))
@few
def test_dorefa_weights_are_equation_9(seed: int, bits: int) -> None:
    w, upstream = drawn(seed, (3, 5))
    w = w / 5
    y, by_w = pull(DoReFaWeight(bits), w, upstream)
    t, n = np.tanh(w), 2**bits - 1
    largest = np.abs(t).max()
    np.testing.assert_allclose(y, 2 * np.rint(n * (t / (2 * largest) + 0.5)) / n - 1, atol=1e-12)
    # d/dw of t / M: the quotient rule, M being |t| of the largest weight.
    slope = 1 - t**2
    expected = upstream * slope / largest
    at = np.unravel_index(np.abs(t).argmax(), t.shape)
    expected[at] -= (upstream * t).sum() / largest**2 * np.sign(t[at]) * slope[at]
    np.testing.assert_allclose(by_w, expected, atol=1e-12)


POWERS = {  # of the paper's examples, and of the published code for 1 and 3 bits
    1: ["0 1"],
    2: ["0 1 1/2 1/4"],
    3: ["0 1/2 1/4 1/16", "0 1/8"],
    4: ["0 1 1/4 1/16", "0 1/2 1/8 1/32"],
    6: ["0 1 1/8 1/64", "0 1/2 1/16 1/128", "0 1/4 1/32 1/256"],
}


def levels_of(bits: int):
    terms = [[eval(p) for p in term.split()] for term in POWERS[bits]]
    found = np.unique([sum(chosen) for chosen in product(*terms)])
    return found / found[-1]


@pytest.mark.parametrize("bits", POWERS)
def test_apot_levels(bits: int) -> None:
    found = apot_levels(bits).numpy()
    assert len(found) == 2**bits
    np.testing.assert_allclose(found, levels_of(bits), rtol=1e-6)


def nearest(x, levels):
    return levels[np.abs(x[..., None] - levels).argmin(-1)]


@given(SEEDS, st.sampled_from((2, 3, 4)), st.floats(0.5, 4))
@few
def test_apot_activations_clip_by_reparameterization(seed: int, bits: int, clip: float) -> None:
    module = started(APoT(bits), clip_val=clip)
    clip, levels = module.clip_val.item(), module.levels.numpy()
    x, upstream = drawn(seed)
    y, by_x = pull(module, x, upstream)
    level = nearest(np.clip(x / clip, 0, 1), levels)
    np.testing.assert_allclose(y, clip * level, atol=1e-12)
    np.testing.assert_allclose(by_x, upstream * ((x > 0) & (x < clip)), atol=1e-15)
    by_clip = np.where(x > clip, 1, np.where(x < 0, 0, level - x / clip))
    np.testing.assert_allclose(module.clip_val.grad, [(upstream * by_clip).sum()], atol=1e-10)


@given(SEEDS, st.sampled_from((2, 3, 4, 5)), st.floats(0.5, 2))
@few
def test_apot_weights_are_normalized(seed: int, bits: int, clip: float) -> None:
    module = started(APoTWeight(bits), clip_val=clip)
    clip, levels = module.clip_val.item(), apot_levels(bits - 1).double().numpy()
    w, upstream = drawn(seed)
    y, by_w = pull(module, w, upstream)
    deviation = w.std(ddof=1) + 1e-5
    v = (w - w.mean()) / deviation
    level = np.sign(v) * nearest(np.clip(np.abs(v) / clip, 0, 1), levels)
    np.testing.assert_allclose(y, clip * level, atol=1e-6)
    inside = np.abs(v) < clip
    np.testing.assert_allclose(by_w, upstream * inside / deviation, atol=1e-12)
    by_clip = np.where(inside, level - v / clip, np.sign(v))
    np.testing.assert_allclose(module.clip_val.grad, [(upstream * by_clip).sum()], atol=1e-5)


ANY = [LSQ, LSQWeight, DoReFa, DoReFaWeight, APoT, APoTWeight]


@given(SEEDS, st.sampled_from(ANY), st.sampled_from((2, 3, 4)))
@few
def test_few_levels_in_order(seed: int, kind, bits: int) -> None:
    x = np.sort(drawn(seed, (400,))[0])
    y = started(kind(bits))(torch.tensor(x)).detach().numpy()
    assert (np.diff(y) >= 0).all()
    assert 2 < len(np.unique(np.round(y, 9))) <= 2**bits


@given(SEEDS, st.sampled_from([LSQ, LSQWeight, DoReFa, APoT]), st.sampled_from((2, 3, 4)))
@few
def test_a_level_stays_what_it_is(seed: int, kind, bits: int) -> None:
    module = started(kind(bits))
    y = module(torch.tensor(drawn(seed, (400,))[0])).detach()
    np.testing.assert_allclose(module(y).detach(), y, atol=1e-12)


@pytest.mark.parametrize("kind", ANY)
@pytest.mark.parametrize("bits", [1, 9])
def test_other_widths_are_refused(kind, bits: int) -> None:
    with pytest.raises(ValueError, match=f"bits={bits}"):
        kind(bits)


def test_any_quantizer_of_weights_in_a_layer() -> None:
    x = torch.randn(2, 3, 5, 5, dtype=torch.float64)
    conv = WeightQuantizedConv2d(3, 6, 3, DoReFaWeight(3), 2, 1, 3).double()
    weight = DoReFaWeight(3)(conv.weight)
    torch.testing.assert_close(conv(x), torch.conv2d(x, weight, None, 2, 1, 1, 3))
    linear = WeightQuantizedLinear(5, 4, LSQWeight(3)).double()
    torch.testing.assert_close(linear(x), x @ linear.quantizer(linear.weight).T)
    assert "quantizer.step" in linear.state_dict()
