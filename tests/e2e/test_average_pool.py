"""Means over windows that reach over the edge: trained, exported, compiled, run everywhere."""

from __future__ import annotations

import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from n2uqc.backends.fpga import simulate
from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.load import load_graph
from n2uqc.models.quantizers import LTQ
from n2uqc.passes import compile_graph
from n2uqc.passes.checks.prove import prove_tables
from n2uqc.passes.program import Program, SumPool, Thresholds, parse, quantize_input, run
from n2uqc.passes.program.text import dump

from ..backends.cpu.host import Host
from ..frontend.networks import build, images, run_onnx


class Downsample(nn.Module):
    """ResNet-D: a mean in the skip path, in front of what reads it."""

    def __init__(self, pool: nn.Module, reader: str) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.codes = LTQ(3) if reader == "codes" else nn.Identity()
        self.pool = pool
        self.quantizer = nn.Identity() if reader == "convolution" else LTQ(2)
        self.shortcut = nn.Sequential(nn.Conv2d(8, 6, 1, bias=False), nn.BatchNorm2d(6))
        self.head = nn.Linear(6, 5)
        with torch.no_grad():  # off the grid of means of codes: onnxruntime's floats miss ties
            for value in self.quantizer.parameters():
                value *= 1 + 0.05 * torch.rand_like(value)

    def forward(self, x: Tensor) -> Tensor:
        x = self.quantizer(self.pool(self.codes(self.stem(x))))
        return self.head(self.shortcut(x).relu().mean((2, 3)))


POOLS = {
    "excluding": nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "including": nn.AvgPool2d(3, 2, 1),
    "ceil": nn.AvgPool2d(2, 2, ceil_mode=True),
    "ceil excluding": nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
    "ceil including": nn.AvgPool2d((3, 4), (2, 3), (1, 2), ceil_mode=True),
}


def agrees(program: Program, x: np.ndarray, folder: Path) -> None:
    """Interpreter, host binary and datapath give the same integers, also from program text."""
    integers = quantize_input(program, x)
    want = run(program, integers)
    np.testing.assert_array_equal(Host(program, folder)(integers), want)
    np.testing.assert_array_equal(simulate(program, integers).output, want)
    np.testing.assert_array_equal(run(parse(dump(program)), integers), want)


@pytest.mark.parametrize("reader", ["convolution", "quantizer", "codes"])
@pytest.mark.parametrize("name", POOLS)
def test_pytorch(tmp_path: Path, name: str, reader: str) -> None:
    torch.manual_seed(1)
    path = tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Downsample(POOLS[name], reader).eval(),
            (torch.zeros(1, 3, 7, 8),),
            path,
            dynamo=False,
            input_names=["x"],
            dynamic_axes={"x": {0: "n"}},
            opset_version=17,
        )
    graph = load_graph(path)
    program = compile_graph(graph)
    assert any(isinstance(op, SumPool) and op.counted is not None for op in program.ops) == (
        name != "including"
    )
    model = onnx.load(path)
    x = images(model, 6)
    np.testing.assert_allclose(program(x), run_onnx(model, x), atol=1e-3)
    proofs = prove_tables(graph, program)
    assert len(proofs) == sum(isinstance(op, Thresholds) for op in program.ops)
    assert not [m for p in proofs for m in p.mismatches]
    agrees(program, x, tmp_path)


@pytest.mark.parametrize(
    ("shape", "window"),
    [
        ("2,7,6", "kernel_shape = [3, 3], strides = [2, 2], pads = [2, 0, 1, 0]"),
        ("2,7,6", "kernel_shape = [4, 3], strides = [3, 2], pads = [1, 1, 2, 0]"),
        ("2,2,1", "kernel_shape = [3, 3], pads = [1, 1, 1, 1]"),
        ("3,9", "kernel_shape = [4], strides = [3], pads = [1, 2]"),
    ],
)
@pytest.mark.parametrize("counted", [0, 1])
@pytest.mark.parametrize("ceil", [0, 1])
def test_onnxruntime(tmp_path: Path, shape: str, window: str, counted: int, ceil: int) -> None:
    text = f"{window}, count_include_pad = {counted}, ceil_mode = {ceil}"
    model = build(f"a = Relu (x) y = AveragePool <{text}> (a)", x=f"float[N,{shape}] x")
    x = images(model, 5)
    program = compile_graph(load_graph(model))
    np.testing.assert_allclose(program(x), run_onnx(model, x), atol=1e-3)
    agrees(program, x, tmp_path)


def test_codes_are_averaged_without_error() -> None:
    """Thresholds behind a mean of codes: the scale holds the exact divisor."""
    body = """c = Greater (x, T) d = Cast <to = 1> (c)
        y = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (d)"""
    model = build(body, {"T": 0.25}, x="float[N,2,5,5] x")
    program = compile_graph(load_graph(model))
    kind = program.types[program.output]
    assert (kind.scale, kind.error, kind.hi) == (Fraction(1, 36), 0, 36)
    x = images(model, 4)
    np.testing.assert_array_equal(
        np.rint(36 * run_onnx(model, x)),
        run(program, quantize_input(program, x)).transpose(0, 3, 1, 2),
    )


def test_too_many_sizes_of_windows_are_refused() -> None:
    pool = "AveragePool <kernel_shape = [31, 31], pads = [15, 15, 15, 15]>"
    model = build(f"a = Relu (x) [pool] y = {pool} (a)", x="float[N,2,31,31] x")
    with pytest.raises(CompileError, match="more than 64 bits") as caught:
        compile_graph(load_graph(model))
    assert caught.value.problems[0].node == "pool"
    assert "smaller windows" in caught.value.problems[0].hint
