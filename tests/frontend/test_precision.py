"""Networks in float64 and half precision: float32 networks of the same numbers, or refused."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import Weight, constant, is_op
from n2uqc.frontend.precision import as_float32
from n2uqc.frontend.recognize.weight_grid import recover
from n2uqc.frontend.reference import evaluate
from n2uqc.models.quantizers import QuantizedConv2d
from n2uqc.passes import compile_graph
from n2uqc.passes.program.text import dump
from tests.frontend.networks import build, images, ops, refused, run_onnx
from tests.frontend.test_exports import network

W = np.linspace(-1, 1, 54).reshape(3, 2, 3, 3)


def exported(dtype: torch.dtype, bits: int, path: Path, fold: bool) -> Path:
    net = network(bits, "quantized", bits).to(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net.eval(),
            (torch.zeros(1, 3, 24, 24, dtype=dtype),),
            path,
            dynamo=False,
            input_names=["x"],
            output_names=["y"],
            opset_version=17,
            do_constant_folding=fold,
        )
    return path


HALVES = [(torch.float16, False), (torch.float16, True), (torch.bfloat16, True)]


@pytest.mark.parametrize(("dtype", "fold"), HALVES)
@pytest.mark.parametrize("bits", [2, 4])
def test_half_precision_exports(tmp_path: Path, dtype: torch.dtype, bits: int, fold: bool) -> None:
    """Folded sums of steps are off their grid by half precision's rounding, and still a grid."""
    path = exported(dtype, bits, tmp_path / "half.onnx", fold)
    single = onnx.load(path)
    as_float32(single)
    types = {t.data_type for t in single.graph.initializer}
    assert types <= {onnx.TensorProto.FLOAT, onnx.TensorProto.INT64}
    graph, same = load_graph(path), load_graph(single)
    quantizers = [n for n in graph.graph if is_op(n, "Threshold")]
    assert len(quantizers) == sum(is_op(n, "Weight") for n in graph.graph) == 5
    if not fold:
        assert dump(compile_graph(graph)) == dump(compile_graph(same))
    books = [n for n in same.graph if is_op(n, "Codebook" if fold else "Threshold")]
    for node, book in zip(quantizers, books, strict=True):
        np.testing.assert_array_equal(constant(node.inputs[1]), constant(book.inputs[1]))
    x = images(single)
    want = run_onnx(single, x)
    scale = float(np.abs(want).max())
    noise = 10 * torch.finfo(dtype).eps if fold else 1e-5
    np.testing.assert_allclose(evaluate(graph, x) / scale, want / scale, atol=noise)


@pytest.mark.parametrize("bits", [2, 3, 4])
@pytest.mark.parametrize(("dtype", "roundoff"), [(torch.float16, 2**-11), (torch.bfloat16, 2**-8)])
def test_weights_folded_in_half_precision(dtype: torch.dtype, roundoff: float, bits: int) -> None:
    """(q - s) + s in half precision: far from a grid for float32, and near one for what it is."""
    conv = QuantizedConv2d(16, 8, 3, bits=bits)
    torch.manual_seed(bits)
    torch.nn.init.normal_(conv.weight, std=0.5)
    values = conv.to(dtype).quantized_weight().detach().float().numpy()
    assert isinstance(recover(values), str)
    found = recover(values, roundoff)
    assert isinstance(found, Weight), found
    n = 2**bits - 1
    assert found.bits == bits
    top = np.abs(values).max(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_array_equal(found.codes, 2 * np.floor(values / top * n / 2) + 1)


def test_a_double_network_with_double_literals(tmp_path: Path) -> None:
    path = exported(torch.float64, 2, tmp_path / "double.onnx", fold=False)
    (problem,) = refused(path, "float64 numbers that float32 cannot hold", "more")
    assert "model.float()" in problem.hint


@pytest.mark.parametrize("kind", [10, 16, 11])  # float16, bfloat16, double
def test_casts_at_the_edges(kind: int) -> None:
    """Converters keep the interface in float32 and cast behind it; or cast inside."""
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind)
    body = f"a = Cast <to = {kind}> (x) b = Conv (a, W) y = Cast <to = 1> (b)"
    model = build(body)
    halves = np.round(W * 8) / 8
    model.graph.initializer.append(onnx.numpy_helper.from_array(halves.astype(dtype), "W"))
    if kind == 11:  # part of a quantizer's arithmetic there, and of nothing else
        refused(model, "Cast")
        return
    assert ops(load_graph(model)) == ["Conv"]
    x = images(model)
    want = run_onnx(build("y = Conv (x, W)", {"W": halves}), x)
    np.testing.assert_allclose(compile_graph(load_graph(model))(x), want, atol=1e-3)


def double(values: np.ndarray) -> onnx.ModelProto:
    model = build("[conv] y = Conv (x, W)", x="double[N,2,4,4] x")
    model.graph.initializer.append(onnx.numpy_helper.from_array(values.astype(np.float64), "W"))
    return model


def test_float64_that_float32_holds() -> None:
    assert ops(load_graph(double(W.astype(np.float32)))) == ["Conv"]


@pytest.mark.parametrize("change", [2.0**-40, 1e300])
def test_float64_that_float32_cannot_hold(change: float) -> None:
    values = np.ones((3, 2, 3, 3))
    values[1, 0, 2, 2] += change
    (problem,) = refused(double(values), "float32 cannot hold", "model.float()")
    assert (problem.node, problem.op) == ("W", "initializer")


def test_a_constant_that_float32_cannot_hold() -> None:
    body = "[c] s = Constant <value = double {0.1}> () y = Mul (x, s)"
    (problem,) = refused(build(body, x="double[N,2,4,4] x"), "float32 cannot hold")
    assert (problem.node, problem.op) == ("c", "Constant")


def test_a_cast_that_rounds_parameters() -> None:
    body = "w = Cast <to = 10> (W) [c] v = Cast <to = 1> (w) y = Conv (x, v)"
    (problem,) = refused(build(f"[r] {body}", {"W": W}), "rounds the parameter 'W'")
    assert problem.node == "r"
    assert ops(load_graph(build(body, {"W": np.round(W * 8)}))) == ["Conv"]
