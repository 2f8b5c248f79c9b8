"""Networks of each rival's quantizers, exported, compiled, and held against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="rivals are torch modules")

from n2uqc import load  # noqa: E402
from n2uqc.backends.cost.compare import compare  # noqa: E402
from n2uqc.models.apot import APoT, APoTWeight  # noqa: E402
from n2uqc.models.dorefa import DoReFa, DoReFaWeight  # noqa: E402
from n2uqc.models.export import export_onnx, run_onnx  # noqa: E402
from n2uqc.models.lcq import LCQ, LCQWeight  # noqa: E402
from n2uqc.models.lq_nets import LQNets, LQNetsWeight  # noqa: E402
from n2uqc.models.lsq import LSQ, LSQWeight  # noqa: E402
from n2uqc.models.lsq_plus import LSQPlus, LSQPlusWeight  # noqa: E402
from n2uqc.models.nulsq import NuLSQ, NuLSQWeight  # noqa: E402
from n2uqc.models.quantized import WeightQuantizedConv2d, WeightQuantizedLinear  # noqa: E402

nn = torch.nn
CHANNELS, SIZE = 8, 6
ACTIVATIONS = {
    "lsq": LSQ, "lsq+": LSQPlus, "nulsq": NuLSQ, "lcq": LCQ, "lq-nets": LQNets, "dorefa": DoReFa,
    "apot": lambda bits: APoT(bits, 2.3),
}  # fmt: skip
WEIGHTS = {
    "lsq": LSQWeight, "lsq+": LSQPlusWeight, "nulsq": NuLSQWeight, "lcq": LCQWeight,
    "lq-nets": LQNetsWeight, "dorefa": DoReFaWeight, "apot": APoTWeight,
}  # fmt: skip
CASES = [(name, name, bits) for name in ACTIVATIONS for bits in (2, 4)]
CASES += [("lsq", "apot", 3), ("apot", "dorefa", 3)]


def network(activation: str, weight: str, bits: int):
    """A real stem, a quantized convolution, a quantized product, a real head."""

    def part(layer, *sizes):
        by_channel = (sizes[1],) if weight == "lq-nets" else ()
        return ACTIVATIONS[activation](bits), layer(*sizes, WEIGHTS[weight](bits, *by_channel))

    stem = nn.Conv2d(3, CHANNELS, 3, padding=1), nn.BatchNorm2d(CHANNELS), nn.ReLU()
    first = *part(WeightQuantizedConv2d, CHANNELS, CHANNELS, 3), nn.BatchNorm2d(CHANNELS)
    pool = nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten()
    second = *part(WeightQuantizedLinear, CHANNELS, 12), nn.BatchNorm1d(12), nn.ReLU()
    return nn.Sequential(*stem, *first, *pool, *second, nn.Linear(12, 5))


@pytest.mark.parametrize(("activation", "weight", "bits"), CASES)
def test_exports_are_low_bit(activation: str, weight: str, bits: int, tmp_path: Path) -> None:
    torch.manual_seed(bits)
    trained = network(activation, weight, bits)
    for _ in range(3):  # first batch, and statistics of the BatchNorms
        trained(torch.randn(16, 3, SIZE, SIZE))
    with torch.no_grad():  # uneven levels, as training leaves them
        for name, learned in trained.named_parameters():
            if name.endswith("theta") and learned.requires_grad:
                learned.normal_(0, 0.5)
            elif name.endswith((".step", ".up", ".down")):
                learned.mul_(0.7 + 0.6 * torch.rand(learned.shape))
    path = tmp_path / "net.onnx"
    export_onnx(trained, path, torch.randn(1, 3, SIZE, SIZE))
    x = np.random.default_rng(0).standard_normal((1, 3, SIZE, SIZE)).astype(np.float32)
    want = run_onnx(path, x)
    with torch.no_grad():
        np.testing.assert_allclose(trained.eval()(torch.from_numpy(x)), want, atol=1e-4)
    program = load(path)
    assert np.abs(program(x) - want).max() <= 1e-3 * max(want.std(), 0.1)
    behind = (SIZE - 2) ** 2 * 9 * CHANNELS**2 + CHANNELS * 12
    assert compare(program).low_bit_macs == behind
