"""Freezing of oscillating weights against a plain simulation, weight by weight, in float64."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="quantizers are torch modules")

from n2uqc import load  # noqa: E402
from n2uqc.backends.cost.compare import compare  # noqa: E402
from n2uqc.models.dorefa import DoReFaWeight  # noqa: E402
from n2uqc.models.export import export_onnx, run_onnx  # noqa: E402
from n2uqc.models.freezing import Freezing  # noqa: E402
from n2uqc.models.lsq import LSQ, LSQWeight  # noqa: E402
from n2uqc.models.lsq_plus import LSQPlusWeight  # noqa: E402
from n2uqc.models.quantized import WeightQuantizedConv2d  # noqa: E402
from n2uqc.models.quantizers import N2UQWeight  # noqa: E402

from .test_rivals import started  # noqa: E402

M, THRESHOLD, STEPS = 0.1, 0.25, 60


def weights() -> np.ndarray:
    """Weights over time: some oscillate, some drift, some rest."""
    random = np.random.default_rng(0)
    base = random.uniform(-3, 3, (2, 3, 3, 3))
    swing = random.choice((0.0, 0.4, 1.2), base.shape)
    drift = random.choice((0.0, 0.05), base.shape)
    time = np.arange(STEPS).reshape(-1, 1, 1, 1, 1)
    return base + swing * (-1.0) ** (time // random.choice((1, 2, 7), base.shape)) + drift * time


def frozen_codes(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes that one weight has at each step, from those that it would have; and whether frozen."""
    used, kept, frequency, direction, before = [], None, 0.0, 0, codes[0]
    average = codes[0]
    for free in codes:
        code = free if kept is None else kept
        used.append(code)
        turned = code != before and np.sign(code - before) == -direction
        frequency = M * turned + (1 - M) * frequency
        direction = np.sign(code - before) if code != before else direction
        before = code
        if frequency > THRESHOLD:
            kept = np.rint(average)
        average = M * code + (1 - M) * average
    return np.array(used), kept is not None


def lsq_step(quantizer) -> float:
    quantizer.step.data.fill_(0.7)
    quantizer.started.fill_(True)
    return 0.7


@pytest.mark.parametrize("kind", [LSQWeight, LSQPlusWeight, N2UQWeight])
def test_weights_keep_the_code_that_they_had_most(kind) -> None:
    over_time, quantizer = weights(), kind(3).double()
    module = Freezing(quantizer, over_time.shape[1:], THRESHOLD, M).double()
    if kind is not N2UQWeight:
        lsq_step(quantizer)
    free, found = [], []
    for now in over_time:
        w = torch.tensor(now, requires_grad=True)
        frozen = module.frozen.clone()
        y = module(w)
        free.append(quantizer.codes(w).numpy())
        found.append(y.detach().numpy())
        y.sum().backward()
        assert not w.grad[frozen].any()
        assert torch.equal(w.grad[~frozen] != 0, straight(quantizer, now)[~frozen])
    rows = np.stack(free).reshape(STEPS, -1).T
    expected = [frozen_codes(row) for row in rows]
    kept = np.array([one for _, one in expected])
    assert 3 < kept.sum() < kept.size - 3
    np.testing.assert_array_equal(module.frozen.numpy().ravel(), kept)
    for t, (now, y) in enumerate(zip(over_time, found, strict=True)):
        codes = torch.tensor(np.array([used[t] for used, _ in expected]).reshape(now.shape))
        levels = quantizer.of_codes(codes, torch.tensor(now)).detach()
        np.testing.assert_allclose(y, levels, atol=1e-12)


def straight(quantizer, now):
    """Whether a gradient reaches each weight that is not frozen."""
    w = torch.tensor(now, requires_grad=True)
    quantizer(w).sum().backward()
    return w.grad != 0


@pytest.mark.parametrize("kind", [LSQWeight, LSQPlusWeight, N2UQWeight])
def test_levels_of_codes_are_the_quantizers(kind) -> None:
    quantizer = kind(3).double()
    w = torch.randn(3, 4, 5, dtype=torch.float64)
    y, codes = quantizer(w), quantizer.codes(w)
    torch.testing.assert_close(quantizer.of_codes(codes, w), y, rtol=0, atol=1e-12)
    assert torch.equal(codes, torch.round(codes)) and len(codes.unique()) > 4


def test_the_step_is_learned_on() -> None:
    module = Freezing(started(LSQWeight(2), step=0.5), (4,), 0.2).double()
    module.frozen.fill_(True)
    module.frozen_code.copy_(torch.tensor([-2.0, -1, 0, 1]))
    w = torch.randn(4, dtype=torch.float64, requires_grad=True)
    y = module.eval()(w)
    upstream = torch.tensor([1.0, 2, 3, 5])
    (y * upstream).sum().backward()
    np.testing.assert_allclose(y.detach(), [-1, -0.5, 0, 0.5])
    # Sum of upstream times code, with LSQ's scale: 4 weights, largest code 1.
    np.testing.assert_allclose(module.quantizer.step.grad, [(-2 - 2 + 5) / 2])


def test_a_restored_module_goes_on_as_it_was() -> None:
    over_time = torch.from_numpy(weights())
    shape = over_time.shape[1:]
    first, second = (Freezing(LSQWeight(3), shape, THRESHOLD, M).double() for _ in range(2))
    for now in over_time[:30]:
        first(now)
    second.load_state_dict(first.state_dict())
    for now in over_time[30:]:
        torch.testing.assert_close(first(now), second(now), rtol=0, atol=0)
    assert first.frozen.any()


def test_exports_are_low_bit(tmp_path: Path) -> None:
    torch.manual_seed(0)
    quantizer = Freezing(LSQWeight(2), (8, 8, 3, 3), 0.02)
    conv, nn = WeightQuantizedConv2d(8, 8, 3, quantizer), torch.nn
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), LSQ(2), conv, nn.BatchNorm2d(8),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3),
    )  # fmt: skip
    for _ in range(3):
        network(torch.randn(8, 3, 8, 8))
    quantizer.frozen[::2] = True
    quantizer.frozen_code.copy_(torch.randint(-2, 2, (8, 8, 3, 3)))
    path = tmp_path / "net.onnx"
    export_onnx(network, path, torch.randn(1, 3, 8, 8))
    x = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)
    program, want = load(path), run_onnx(path, x)
    with torch.no_grad():
        np.testing.assert_allclose(network.eval()(torch.from_numpy(x)), want, atol=1e-4)
    assert np.abs(program(x) - want).max() <= 1e-3 * want.std()
    assert compare(program).low_bit_macs == 4 * 4 * 9 * 8 * 8


@pytest.mark.parametrize(("threshold", "momentum"), [(0, 0.1), (1.5, 0.1), (0.1, 0), (0.1, 1)])
def test_shares_are_shares(threshold: float, momentum: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Freezing(LSQWeight(2), (2,), threshold, momentum)


def test_a_quantizer_without_codes_is_refused() -> None:
    with pytest.raises(ValueError, match="DoReFaWeight has no codes"):
        Freezing(DoReFaWeight(2), (2,), 0.1)
