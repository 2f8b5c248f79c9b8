"""`verify --input` measures a program against the network as exported, in its own arithmetic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from n2uqc.api import as_exported

from ..frontend.networks import build
from ..frontend.qonnx_models import qonnx_model, quant, quant_parameters
from .conftest import Command

W = np.linspace(-1, 1, 2 * 2 * 9).reshape(2, 2, 3, 3)
LADDER = "c = Greater (x, T) q = Where (c, u, z) y = Conv <pads = [1, 1, 1, 1]> (q, W)"


def measured(command: Command, folder: Path, model: onnx.ModelProto, count: int) -> dict[str, Any]:
    path, images = folder / "network.onnx", folder / "x.npy"
    onnx.save(model, path)
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim][1:]
    np.save(images, np.random.default_rng(0).normal(0, 1, (count, *shape)).astype(np.float32))
    result = command("verify", path, "--input", images, "--executors", "interpreter", "--json")
    assert result.status == 0, result.err
    certificate = json.loads(result.out)
    assert certificate["verdict"] == "identical"
    found: dict[str, Any] = certificate["exact_arithmetic"]["as_exported"]
    return found


def typed(dtype: Any, name: str) -> onnx.ModelProto:
    model = build(LADDER, x=f"{name}[N,2,4,4] x", y=f"{name}[] y")
    for key, value in {"T": 0.25, "u": 0.5, "z": 0.0, "W": np.round(W * 8) / 8}.items():
        array = np.asarray(value).astype(dtype)
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, key))
    return model


@pytest.mark.parametrize(
    ("dtype", "name"), [(np.float32, "float"), (np.float16, "float16"), (np.float64, "double")]
)
def test_in_the_precision_of_the_file(
    command: Command, tmp_path: Path, dtype: Any, name: str
) -> None:
    """A map as output: what is compared lies in the model's order of axes on both sides."""
    found = measured(command, tmp_path, typed(dtype, name), 5)
    by = "ONNX's evaluator" if dtype == np.float64 else "ONNX Runtime"  # no float64 convolution
    assert found["computed_by"] == f"{by}, {np.dtype(dtype).name}"
    assert found["top1_agreement"] == found["own_top1_agreement"] == 5
    assert found["relative_logit_error"] < (2e-3 if dtype == np.float16 else 1e-4)


def test_bfloat16_is_not_compared(command: Command, tmp_path: Path) -> None:
    import ml_dtypes

    found = measured(command, tmp_path, typed(ml_dtypes.bfloat16, "bfloat16"), 2)
    assert "ONNX Runtime" in found["not_compared"]


@pytest.mark.parametrize("batch", [1, 2])
def test_qonnx_runs_in_qonnx(command: Command, tmp_path: Path, batch: int) -> None:
    body = quant("a", "x", "q") + "y = Conv <pads = [1, 1, 1, 1]> (q, W)"
    numbers = quant_parameters("a", 0.25, 0, 4) | {"W": W}
    model = qonnx_model(body, numbers, shape=(batch, 2, 4, 4))
    found = measured(command, tmp_path, model, 4)
    assert found["computed_by"] == "qonnx, float32"
    assert found["top1_agreement"] == 4 and found["relative_logit_error"] < 1e-4


def test_qonnx_of_any_batch(command: Command, tmp_path: Path) -> None:
    body = quant("a", "x", "q") + "f = Flatten (q) y = MatMul (f, V)"
    numbers = quant_parameters("a", 0.25, 0, 4) | {"V": np.linspace(-1, 1, 64).reshape(32, 2)}
    model = qonnx_model(body, numbers, out=(2, 2))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    found = measured(command, tmp_path, model, 3)
    assert found["computed_by"] == "qonnx, float32" and found["relative_logit_error"] < 1e-4


def test_images_that_do_not_fill_a_batch(command: Command, tmp_path: Path) -> None:
    model = typed(np.float32, "float")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    found = measured(command, tmp_path, model, 3)
    assert found == {"not_compared": "3 images do not fill its batches of 2"}


def test_without_the_package(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(as_exported.importlib.util, "find_spec", lambda name: None)
    found = measured(command, tmp_path, typed(np.float32, "float"), 3)
    assert found == {"not_compared": "the package onnxruntime is not installed"}
