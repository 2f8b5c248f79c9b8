"""Networks with every activation function of PyTorch in front of N2UQ's quantizer."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from n2uqc.frontend.expression_forms import title
from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import is_op, read_function
from n2uqc.models.quantizers import LTQ, QuantizedConv2d
from n2uqc.passes.checks.evaluate import reference
from n2uqc.passes.checks.network import hold
from n2uqc.passes.checks.prove import prove_tables
from n2uqc.passes.options import Options
from n2uqc.passes.pipeline import compile_graph
from n2uqc.passes.program.ops import Thresholds


class ByHand(nn.Module):
    """A function as users write it themselves."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.forward = function  # type: ignore[method-assign]


ACTIVATIONS: dict[str, nn.Module] = {
    "SiLU": nn.SiLU(),
    "GELU": nn.GELU(),
    "GELU of tanh": nn.GELU(approximate="tanh"),
    "HardSwish": nn.Hardswish(),
    "Hardsigmoid": nn.Hardsigmoid(),
    "Mish": nn.Mish(),
    "ELU": nn.ELU(),
    "Softplus": nn.Softplus(),
    "Sigmoid": nn.Sigmoid(),
    "Tanh": nn.Tanh(),
    "SELU": nn.SELU(),
    "CELU": nn.CELU(0.5),
    "Softsign": nn.Softsign(),
    "Hardtanh": nn.Hardtanh(),
    "LogSigmoid": nn.LogSigmoid(),
    "leaky": ByHand(lambda x: torch.where(x > 0, x, 0.1 * x)),
    "leaky, told from below": ByHand(lambda x: torch.where(x <= 0, x * 0.3, x)),
    "shrinking": ByHand(lambda x: torch.where(x >= 0.5, x, torch.where(x < -1, 2 * x + 1, x))),
    "generalized mean's": ByHand(lambda x: x.clamp(min=1e-3) ** 2.73),
    "and its root": ByHand(lambda x: x.clamp(min=1e-6) ** (1 / 2.73)),
}
_CURVED = {"SiLU", "GELU", "HardSwish", "Mish", "ELU", "Softplus", "Sigmoid", "Tanh"}
_CHANNELS = 4


class Activated(nn.Module):
    """Quantized convolutions, each with a BatchNorm, a function and a quantizer."""

    def __init__(self, functions: list[nn.Module]) -> None:
        super().__init__()
        self.first = LTQ(2)
        self.layers = nn.ModuleList(
            nn.Sequential(
                QuantizedConv2d(_CHANNELS, _CHANNELS, 3, 2, 1, 1),
                nn.BatchNorm2d(_CHANNELS),
                function,
                LTQ(2),
            )
            for function in functions
        )
        self.last = QuantizedConv2d(_CHANNELS, 2, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for layer in self.layers:
            x = layer(x)
        y: Tensor = self.last(x)
        return y.mean((2, 3))


def _network(functions: list[nn.Module]) -> nn.Module:
    """Return a network with parameters as training leaves them."""
    torch.manual_seed(3)
    network = Activated(functions)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 2.0)
            module.weight.data[0] *= -1
            module.bias.data.normal_()
            module.running_mean.normal_()  # type: ignore[operator, union-attr]
            module.running_var.uniform_(0.5, 4.0)  # type: ignore[operator, union-attr]
        elif isinstance(module, LTQ):
            module.a.data.uniform_(0.1, 0.5)
            # The first threshold is -0.1: GELU and SiLU fall below it, and rise again.
            module.start.data = -0.1 - module.a.data[:1] / 2
    return network.eval()


def _export(network: nn.Module, path: Path, dynamo: bool) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = torch.zeros(1, _CHANNELS, 6, 6)
        if dynamo:
            torch.onnx.export(network, (image,), path, dynamo=True, verbose=False)
        else:
            torch.onnx.export(network, (image,), path, opset_version=17, dynamo=False)
    return path


@pytest.mark.parametrize("dynamo", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_all_functions_before_quantizers(dynamo: bool, tmp_path: Path) -> None:
    """Each is a part of a table; codes and outputs are those of the network in float64."""
    network = _network(list(ACTIVATIONS.values()))
    graph = load_graph(_export(network, tmp_path / "net.onnx", dynamo))
    names = {title(read_function(n)[0]) for n in graph.graph if is_op(n, "Function")}
    assert names >= _CURVED
    program = compile_graph(graph)
    assert {type(op).__name__ for op in program.ops} <= {
        "Requantize", "Thresholds", "Conv", "SumPool", "Flatten"
    }  # fmt: skip
    proofs = prove_tables(graph, program)
    assert len(proofs) == len(ACTIVATIONS) + 1 - sum(p.values == 0 for p in proofs)
    assert not [m for p in proofs for m in p.mismatches]
    x = np.random.default_rng(0).normal(size=(4, _CHANNELS, 6, 6)).astype(np.float32)
    held = hold(reference(graph, Options()), program, x)
    assert all(row.wrong == 0 for row in held.rows)
    assert sum(row.differing for row in held.rows[1:-1]) == 0
    with torch.no_grad():
        want = network.double()(torch.from_numpy(x).double()).numpy()
    assert held.output.worst < 1e-3 * want.std() + held.output.bound


def test_falling_and_rising_again(tmp_path: Path) -> None:
    """GELU of a channel takes a code, leaves it, and takes it again."""
    graph = load_graph(_export(_network([nn.GELU()]), tmp_path / "net.onnx", False))
    program = compile_graph(graph)
    signs = [program.constants[op.signs].values for op in program.ops if isinstance(op, Thresholds)]
    assert any((row > 0).any() and (row < 0).any() for table in signs for row in table)
