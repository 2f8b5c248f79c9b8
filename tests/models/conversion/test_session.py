"""Whole conversions of networks as users write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="conversion needs torch")
pytest.importorskip("onnxruntime", reason="an exported network is run")

from n2uqc import Options, load  # noqa: E402
from n2uqc.models.conversion.agreement import agreement  # noqa: E402
from n2uqc.models.conversion.layers import layer_kinds, separate_layers  # noqa: E402
from n2uqc.models.conversion.session import Converted, convert  # noqa: E402
from n2uqc.models.conversion.settings import ConversionSettings  # noqa: E402
from n2uqc.models.conversion.trace import traced  # noqa: E402
from n2uqc.models.export import run_onnx  # noqa: E402
from n2uqc.models.registry import activation_names, weight_names  # noqa: E402
from n2uqc.models.training.low_bit import count_low_bit, low_bit_twin  # noqa: E402
from n2uqc.models.training.read_recipe import settings_of  # noqa: E402
from n2uqc.models.training.recipe import RecipeError  # noqa: E402

from .networks import NETWORKS, made  # noqa: E402


def chosen(tuning: int = 0, **quantizers: Any) -> ConversionSettings:
    table = {"quantizers": quantizers, "tuning": tuning, "schedule": {"batch": 16, "rate": 2e-3}}
    return settings_of(ConversionSettings, table, "convert", Path())


def converted(
    network: torch.nn.Module, x: torch.Tensor, path: Path, tuning: int = 0, **quantizers: Any
) -> Converted:
    settings, cpu = chosen(tuning, **quantizers), torch.device("cpu")
    return convert(settings, network, x.numpy(), path, cpu, lambda _: None, lambda _: None)


@pytest.mark.parametrize("name", NETWORKS)
def test_with_many_bits_it_is_the_float_network(name: str) -> None:
    """Negative inputs, shared modules, functions, curved activations: nothing is lost but steps."""
    network, x = made(name)
    graph = traced(chosen(bits=8), network, x)
    separate_layers(graph)
    twin = low_bit_twin(chosen(bits=8), graph, x, near=True, ends=[]).eval()
    with torch.no_grad():
        found = agreement([(network(x), twin(x))], scores=False)
    assert found.error < 0.02, found
    assert count_low_bit(twin) == len(layer_kinds(graph)) > 2


@pytest.mark.parametrize("name", NETWORKS)
def test_the_program_is_the_network(name: str, tmp_path: Path) -> None:
    network, x = made(name)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    done = converted(network, x, tmp_path / "net.onnx", bits=3)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    outputs = load(tmp_path / "net.onnx", Options(input_range=(-5, 5)))(x.numpy())
    want = run_onnx(tmp_path / "net.onnx", x.numpy())
    near = np.isclose(outputs, want, atol=2e-2 * want.std()).reshape(len(want), -1).all(1)
    assert near.mean() >= 0.9  # float32 sums in another order carry a value across a threshold
    assert all(each.activation_bits in (3, None) for each in done.layers)


@pytest.mark.parametrize("name", ["inverted", "mlp"])
def test_fine_tuning_comes_nearer(name: str, tmp_path: Path) -> None:
    """Scores and values; twice the same is the same file."""
    network, x = made(name, 320)
    done = converted(network, x, tmp_path / "net.onnx", tuning=6, bits=2)
    assert done.after is not None and done.after.error < 0.9 * done.before.error
    assert len(done.records) == 6 and done.after.samples == 64
    assert done.scores == (name == "inverted")
    converted(network, x, tmp_path / "again.onnx", tuning=6, bits=2)
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "net.onnx").read_bytes()


PAIRS = [
    (activation, weight)
    for activation, weight in zip(activation_names(), [*weight_names(), "n2uq"], strict=False)
]


@pytest.mark.parametrize(("activation", "weight"), PAIRS)
def test_any_quantizers(activation: str, weight: str, tmp_path: Path) -> None:
    network, x = made("mlp")
    given = {"activation": activation, "weight": weight, "bits": {"activation": 3, "weight": 4}}
    done = converted(network, x, tmp_path / "net.onnx", **given)
    assert [each.weight_bits for each in done.layers] == [None, 4, 4, None]
    assert done.before.error < 0.8


def test_layers_and_reasons(tmp_path: Path) -> None:
    network, x = made("residual")
    done = converted(
        network, x, tmp_path / "a.onnx", bits=3, layers={"*": 2, "head": 4, "stem.0": 5}
    )
    assert [(e.name, e.activation_bits, e.why) for e in done.layers] == [
        ("stem.0", 5, ""), ("a.0", 2, ""), ("b.0", 2, ""), ("head", 4, ""),
    ]  # fmt: skip
    done = converted(network, x, tmp_path / "b.onnx", bits=3, real=["b.*"], layers={"head": 4})
    assert [(e.name, e.kind, e.weight_bits, e.why) for e in done.layers] == [
        ("stem.0", "Conv2d", 3, ""), ("a.0", "Conv2d", 3, ""), ("b.0", "Conv2d", None, "chosen"),
        ("head", "Linear", 4, ""),
    ]  # fmt: skip
    done = converted(network, x, tmp_path / "c.onnx", bits=3)
    assert [each.why for each in done.layers] == ["first layer", "", "", "last layer"]


class Pair(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x, x


class Still(torch.nn.Sequential):
    """Whose ReLUs are dead."""

    def __init__(self) -> None:
        super().__init__(*(torch.nn.Linear(6, 6) for _ in range(3)), torch.nn.ReLU())
        torch.nn.init.constant_(self[2].bias, -1e9)


class Sized(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum()


@pytest.mark.parametrize(
    ("network", "x", "message"),
    [
        ("residual", torch.randn(9, 4, 8, 8), r"--data: the network fails on samples of shape \[4"),
        ("mlp", torch.randn(9), "--data: samples of shape"),
        ("mlp", torch.randn(2, 6), "--data: 2 samples; there must be 3"),
        (
            "mlp",
            torch.full((9, 6), float("nan")),
            "--data: sample 0 has values that",
        ),
        (Pair(), torch.randn(9, 6), "the network: it gives a tuple for 2 samples"),
        (Still(), torch.randn(9, 6), "the network: it gives the same output for every sample"),
        (Sized(), torch.randn(9, 6), r"the network: it gives the shape \[\] for 2 samples"),
    ],
)
def test_what_does_not_fit(network: Any, x: torch.Tensor, message: str, tmp_path: Path) -> None:
    own = made(network)[0] if isinstance(network, str) else network
    with pytest.raises(RecipeError, match=message):
        converted(own, x, tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()


def test_n2uqs_weights_of_8_bits(tmp_path: Path) -> None:
    network, x = made("mlp")
    with pytest.raises(RecipeError, match="N2UQ's weights of 8 bits would be float numbers"):
        converted(network, x, tmp_path / "net.onnx", bits={"activation": 2, "weight": 8})


def test_what_the_compiler_does_not_take(tmp_path: Path) -> None:
    """The compiler's own message, before anything is fine-tuned."""
    own = torch.nn.Sequential(
        torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 8), torch.nn.Hardshrink(0.5),
        torch.nn.Linear(8, 2),
    )  # fmt: skip
    with pytest.raises(RecipeError, match="the network: its low-bit form cannot be compiled"):
        converted(own, torch.randn(20, 6), tmp_path / "net.onnx", tuning=1000)
