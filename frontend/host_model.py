"""What the host computes behind a program's outputs: a small ONNX model, evaluated in float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

HOST_OPS = frozenset(
    "Abs Add ArgMax ArgMin Atan Cast Clip Concat Constant Cos Div Equal Exp Flatten Gather Hardmax "
    "Identity Log LogSoftmax Max MaxPool Min Mul Neg Pow ReduceL1 ReduceL2 ReduceLogSumExp "
    "ReduceMax ReduceMean ReduceMin ReduceSum ReduceSumSquare Relu Reshape Sigmoid Sin Slice "
    "Softmax Softplus Split Sqrt Squeeze Sub Tanh TopK Transpose Unsqueeze".split()
)
"""Operators that may stand behind a program: of one sample's values, none enlarges them much."""

LAYOUT = frozenset("Reshape Transpose Flatten Squeeze Unsqueeze Identity Slice Split".split())
"""Those of them that only move values."""

MOST_BATCH = 2**14
"""Most samples that a file may fix to be computed together."""

_CHUNK = 32  # samples that are computed together where the batch is open


class HostModelError(ValueError):
    """A model that may not run behind a program."""


@dataclass(frozen=True)
class HostModel:
    """The part of a network that runs on the host, in float64, behind the program's outputs.

    Attributes:
        data: an ONNX model. Its inputs are outputs of the program.
        outputs: names of the network's outputs, in order; those that the model does not compute are
            the program's own.
        batch: samples that it takes at once; 0: any number.
    """

    data: bytes
    outputs: tuple[str, ...]
    batch: int = 0

    def __post_init__(self) -> None:
        """Check a model that may come out of a file.

        Raises:
            HostModelError: it is no such model.
        """
        if not 0 <= self.batch <= MOST_BATCH:
            raise HostModelError(f"the model behind the outputs takes {self.batch} samples at once")
        try:
            proto = onnx.load_model_from_string(self.data)
        except Exception as error:  # malformed protobufs make onnx raise anything
            raise HostModelError(f"the model behind the outputs is damaged: {error}") from None
        for node in proto.graph.node:
            if node.domain or node.op_type not in HOST_OPS:
                raise HostModelError(f"the model behind the outputs has a node {node.op_type:.60}")
        if proto.functions or any(t.external_data for t in proto.graph.initializer):
            raise HostModelError("the model behind the outputs has functions or external data")

    @cached_property
    def proto(self) -> onnx.ModelProto:
        """The model."""
        return onnx.load_model_from_string(self.data)

    @property
    def operators(self) -> list[str]:
        """Names of the operators, each once, in order."""
        return list(dict.fromkeys(node.op_type for node in self.proto.graph.node))

    @property
    def nodes(self) -> list[tuple[str, str]]:
        """Names and operators of the nodes, in order."""
        return [(node.name, node.op_type) for node in self.proto.graph.node]

    def __call__(self, given: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return the network's outputs of a batch of the program's, in real numbers, by name.

        Raises:
            HostModelError: the nodes do not fit each other or what they are given.
        """
        from onnx.reference import ReferenceEvaluator

        from .log_softmax import LogSoftmax

        sources = [value.name for value in self.proto.graph.input]
        results = [value.name for value in self.proto.graph.output]
        runner = ReferenceEvaluator(self.proto, new_ops=[LogSoftmax])
        count, step = len(next(iter(given.values()))), self.batch or _CHUNK
        pieces: list[list[NDArray[Any]]] = []
        for start in range(0, max(count, 1), step):
            # With a fixed batch, the last piece is filled up; with no sample at all, one of zeros
            # tells the shapes.
            size = self.batch or max(1, min(step, count - start))
            piece = {}
            for name in sources:
                part = given[name][start : start + step]
                missing = np.zeros((size - len(part), *part.shape[1:]), part.dtype)
                piece[name] = np.concatenate([part, missing])
            pieces.append([y[: min(step, count - start)] for y in _computed(runner, piece, size)])
        computed = {
            name: np.concatenate(parts)
            for name, parts in zip(results, zip(*pieces, strict=True), strict=True)
        }
        return {name: computed[name] if name in computed else given[name] for name in self.outputs}


def _computed(runner: Any, piece: dict[str, NDArray[Any]], size: int) -> list[NDArray[Any]]:
    """Return the results of a piece of a size, each of as many samples."""
    try:
        with np.errstate(all="ignore"):  # infinities of the float network are its results
            found = [np.asarray(y) for y in runner.run(None, piece)]
    except Exception as error:  # the operators of onnx.reference raise anything
        said = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise HostModelError(f"what stands behind the outputs cannot be computed: {said}") from None
    for y in found:
        if y.ndim == 0 or len(y) != size:
            raise HostModelError(
                f"what stands behind the outputs makes {y.shape} of {size} samples"
            )
    return found


def in_double(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Let a model compute in float64, in place: its parameters and casts."""
    for tensor in proto.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            wide = onnx.numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(onnx.numpy_helper.from_array(wide, tensor.name))
    for node in proto.graph.node:
        for attribute in node.attribute:
            if (
                node.op_type == "Cast"
                and attribute.name == "to"
                and attribute.i == TensorProto.FLOAT
            ):
                attribute.i = TensorProto.DOUBLE
    return proto
