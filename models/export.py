"""ONNX export by PyTorch, and execution of the file by onnxruntime."""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from n2uqc.frontend.write import write_atomically

from .evaluating import evaluating

OPSET = 17


def export_onnx(
    network: nn.Module, path: str | os.PathLike[str], image: Tensor, opset: int = OPSET
) -> None:
    """Write the network in evaluation mode with torch's TorchScript-based exporter.

    The file is the exporter's plain output, with a dynamic batch axis, input "input" and output
    "output". Weight quantizers and threshold ladders are in it as single nodes. It is written
    completely or not at all.

    Args:
        network: Network to write; its training mode is left as found.
        path: File to write or replace.
        image: Any input of the right shape, float32 (N, C, H, W).
        opset: ONNX operator set version.

    Raises:
        torch.onnx.errors.OnnxExporterError: The exporter does not support the network.
    """
    axes = {"input": {0: "batch"}, "output": {0: "batch"}}
    with (
        evaluating(network),
        tempfile.TemporaryDirectory(prefix="n2uqc-") as place,
        warnings.catch_warnings(),
    ):
        # This exporter is deprecated, but most files of users were written by it.
        warnings.simplefilter("ignore", DeprecationWarning)
        written = Path(place, "network.onnx")
        torch.onnx.export(
            network, (image,), written, dynamo=False, opset_version=opset,
            input_names=["input"], output_names=["output"], dynamic_axes=axes,
        )  # fmt: skip
        content = written.read_bytes()
    write_atomically(path, content)


def run_onnx(path: str | os.PathLike[str], images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run an exported network with onnxruntime on one thread.

    Graph rewrites are switched off: fusing BatchNormalization into a convolution moves values by
    about 1e-6, which is enough to cross a threshold.

    Args:
        path: Exported file.
        images: float32 (N, C, H, W).

    Returns:
        The file's "output", float32 (N, classes).
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        os.fspath(path), options, providers=["CPUExecutionProvider"]
    )
    output: NDArray[np.float32] = session.run(["output"], {"input": images})[0]
    return output
