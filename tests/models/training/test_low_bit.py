"""Low-bit twins of float networks: which layers, of what bits, and what the compiler reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from n2uqc import load  # noqa: E402
from n2uqc.frontend.load import load_graph  # noqa: E402
from n2uqc.frontend.summary import LayerSummary, summarize  # noqa: E402
from n2uqc.models.export import export_onnx, run_onnx  # noqa: E402
from n2uqc.models.networks import ResidualNetwork  # noqa: E402
from n2uqc.models.registry import QUANTIZERS, activation_names, weight_names  # noqa: E402
from n2uqc.models.training.compilable import check_compilable  # noqa: E402
from n2uqc.models.training.low_bit import activation_parameters, low_bit_twin  # noqa: E402
from n2uqc.models.training.read_recipe import read_recipe  # noqa: E402
from n2uqc.models.training.recipe import Recipe, RecipeError  # noqa: E402

from . import small  # noqa: E402

SHAPES = {"mlp": (6,), "sequence": (2, 12), "image": (2, 6, 6)}


def a_recipe(folder: Path, network: str, **quantizers: Any) -> Recipe:
    return read_recipe(small.recipe(folder, network, quantizers=quantizers))


def twin_of(folder: Path, network: str, **quantizers: Any) -> torch.nn.Module:
    """Return a twin that has seen some batches in training."""
    torch.manual_seed(0)
    own = getattr(small, network)()
    x = torch.randn(32, *SHAPES[network])
    for _ in range(3):
        own(x)
    twin = low_bit_twin(a_recipe(folder, network, **quantizers), own, x)
    twin.train()(x)
    return twin.eval()


def layers_of(twin: torch.nn.Module, shape: tuple[int, ...], path: Path) -> list[LayerSummary]:
    export_onnx(twin, path, torch.zeros(1, *shape))
    return [each for each in summarize(load_graph(path)).layers if each.macs]


PAIRS = [(a, "n2uq") for a in activation_names()] + [("n2uq", w) for w in weight_names()]


@pytest.mark.parametrize(("activation", "weight"), PAIRS)
def test_every_pair_of_the_registry_is_read(activation: str, weight: str, tmp_path: Path) -> None:
    """A network that is not trained yet, as `train` checks each before it begins."""
    bits = {"activation": 2, "weight": 3}
    given = a_recipe(tmp_path, "image", activation=activation, weight=weight, bits=bits)
    torch.manual_seed(0)
    x = torch.randn(8, *SHAPES["image"])
    twin = low_bit_twin(given, small.image(), x, ranges=False)
    first, middle, last = layers_of(twin, SHAPES["image"], tmp_path / "net.onnx")
    kinds = first.becomes, middle.becomes, last.becomes
    assert kinds == ("fixed point", "integer", "fixed point")
    assert middle.activation_bits == 2
    uneven = weight in ("apot", "nulsq", "lcq", "lq-nets")  # the file states values, not codes
    assert middle.weight_bits == 3 or uneven


@pytest.mark.parametrize("network", ["mlp", "sequence"])
def test_features_and_series(network: str, tmp_path: Path) -> None:
    """The integer program is the twin, and the float network is left as it was."""
    twin = twin_of(tmp_path, network)
    kinds = [each.becomes for each in layers_of(twin, SHAPES[network], tmp_path / "net.onnx")]
    assert kinds == ["fixed point", "integer", "fixed point"]
    x = np.random.default_rng(0).standard_normal((5, *SHAPES[network])).astype(np.float32)
    with torch.no_grad():
        want = twin(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(run_onnx(tmp_path / "net.onnx", x), want, atol=1e-5)
    assert np.abs(load(tmp_path / "net.onnx")(x) - want).max() < 1e-3


def test_bits_by_layer_and_real_layers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    own = ResidualNetwork(None, (4, 8), (1, 1)).eval()
    x = torch.rand(8, 1, 8, 8)
    before = {name: value.clone() for name, value in own.state_dict().items()}
    chosen = {
        "bits": 2,
        "layers": {"layer2.*": {"weight": 3, "activation": 4}, "layer2.0.conv2": 4, "fc": 7},
        "real": ["conv1", "*.downsample.*"],
    }
    twin = low_bit_twin(a_recipe(tmp_path, "image", **chosen), own, x).eval()
    layers = layers_of(twin, (1, 8, 8), tmp_path / "net.onnx")
    found = [(each.activation_bits, each.weight_bits) for each in layers]
    wanted = [(None, None), (2, 2), (2, 2), (4, 3), (4, 4), (None, None), (7, 7)]
    assert sorted(found, key=str) == sorted(wanted, key=str)
    assert all(torch.equal(value, before[name]) for name, value in own.state_dict().items())
    kept = {
        name.replace("parametrizations.weight.original", "weight") for name in twin.state_dict()
    }
    assert kept >= before.keys()


def test_thresholds_begin_where_values_lie(tmp_path: Path) -> None:
    """98% of the positive inputs are below the last level, whatever their scale."""
    for name in activation_names():
        if QUANTIZERS[name].begin is None:
            continue
        own = torch.nn.Sequential(*(torch.nn.Linear(6, 6) for _ in range(3)))
        with torch.no_grad():
            own[0].weight.mul_(50)
        x = torch.randn(400, 6)
        twin = low_bit_twin(a_recipe(tmp_path, "mlp", activation=name, bits=4), own, x)
        inputs = own[0](x).detach()
        codes = twin[1].get_submodule("input_quantizer")(inputs).detach()
        top = codes > 0.97 * codes.max()  # of PACT's the float noise is greater than 0
        share = float((top & (inputs > 0)).sum() / (inputs > 0).sum())
        assert 0.01 < share < 0.15, name
        assert len(list(activation_parameters(twin))) == len(
            list(twin[1].get_submodule("input_quantizer").parameters())
        )


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"real": ["9"]}, "quantizers.real: '9' is no layer; layers are 0, 3, 6"),
        ({"layers": {"03": 2}}, "quantizers.layers: '03' is no layer; did you mean"),
        ({"real": ["*"]}, "quantizers.real: no layer becomes low-bit; the layers are 0, 3, 6"),
        ({"activation": "apot", "bits": 5}, "layer 3: bits=5: levels of APoT"),
    ],
)
def test_what_does_not_fit(chosen: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=message.replace("*", r"\*")):
        twin_of(tmp_path, "mlp", **chosen)


def test_inputs_that_are_nowhere_positive(tmp_path: Path) -> None:
    class Negative(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return -x.abs()

    own = torch.nn.Sequential(torch.nn.Linear(6, 6), Negative(), torch.nn.Linear(6, 6))
    given = a_recipe(tmp_path, "mlp", real=["0"])
    with pytest.raises(RecipeError, match="layer 2: its inputs are nowhere positive"):
        low_bit_twin(given, own, torch.randn(8, 6))


def test_a_layer_that_would_be_read_as_real(tmp_path: Path) -> None:
    """What stands behind a quantizer gives numbers that are no codes."""
    twin = twin_of(tmp_path, "mlp", activation="lsq")
    between = lambda _, given: (given[0] + given[0].mean(1, keepdim=True),)  # noqa: E731
    twin.get_submodule("3").register_forward_pre_hook(between)
    with pytest.raises(RecipeError, match="of 1 low-bit layers the compiler would not read all"):
        check_compilable(a_recipe(tmp_path, "mlp"), twin, (6,))
