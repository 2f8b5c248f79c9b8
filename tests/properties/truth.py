"""ONNX files by ONNX's own evaluator in float64, QONNX's operators by their definition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

QONNX = "qonnx.custom_op.general"


class Quant(OpRun):
    """QONNX's quantizer, from its definition (rounding half to even)."""

    op_domain = QONNX

    def _run(self, x: Any, scale: Any, zero: Any, bits: Any, **fields: Any) -> tuple[Any]:
        signed, narrow = fields["signed"], fields["narrow"]
        top = 2.0 ** (float(bits) - signed) - 1
        least = -(top + 1) + narrow if signed else 0.0
        return ((np.clip(np.rint(x / scale) + zero, least, top) - zero) * scale,)


class QuantizeLinear(OpRun):
    """Kept in float64 until it is rounded."""

    op_domain = ""

    def _run(self, x: Any, scale: Any, zero: Any, **_: Any) -> tuple[Any]:
        info = np.iinfo(zero.dtype)
        return (np.clip(np.rint(x / scale) + zero, info.min, info.max).astype(zero.dtype),)


class DequantizeLinear(OpRun):
    """ONNX's DequantizeLinear in float64."""

    op_domain = ""

    def _run(self, x: Any, scale: Any, zero: Any, **_: Any) -> tuple[Any]:
        return ((x.astype(np.float64) - zero.astype(np.float64)) * scale,)


class GlobalMaxPool(OpRun):
    """The evaluator's own one forgets an axis of sequences."""

    op_domain = ""

    def _run(self, x: Any) -> tuple[Any]:
        return (x.max(axis=tuple(range(2, x.ndim)), keepdims=True),)


def truth(proto: onnx.ModelProto, x: np.ndarray, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """Return the output of a file whose float parameters and input are widened to float64.

    Args:
        proto, x: the file, and images.
        noise: by how much parameters are moved, at random.
        seed: of that.
    """
    wide, rng = onnx.ModelProto(), np.random.default_rng(seed)
    wide.CopyFrom(proto)
    for tensor in wide.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype.kind == "f":
            moved = array.astype(np.float64) + noise * rng.uniform(-1, 1, array.shape)
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(moved), tensor.name))
    runner = ReferenceEvaluator(
        wide, new_ops=[Quant, QuantizeLinear, DequantizeLinear, GlobalMaxPool]
    )
    result: np.ndarray = runner.run(None, {"x": np.asarray(x, np.float64)})[0]
    return result


@dataclass(frozen=True)
class Ordinary:
    """One network.

    Attributes:
        proto: the file.
        images: float64 (N, *sample), numbers that the file's type holds.
    """

    proto: onnx.ModelProto
    images: np.ndarray

    def __repr__(self) -> str:
        return onnx.printer.to_text(self.proto)

    def outputs(self) -> np.ndarray:
        """Return the outputs in float64, computed by ONNX's evaluator."""
        return truth(self.proto, self.images)

    def ties(self) -> bool:
        """Return whether a code depends on the rounding of float64:
        smallest noise changes outputs.
        """
        want, noise = self.outputs(), 1e-11
        moved = [truth(self.proto, self.images, noise, seed) for seed in range(8)]
        return any(float(np.abs(y - want).max()) > 1e4 * noise for y in moved)
