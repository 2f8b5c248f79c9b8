"""The float semantics of the canonical graph: `n2uq` operators for `onnx.reference`, in float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from onnx import TensorProto, numpy_helper
from onnx.defs import OpSchema
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from . import opset
from .diagnostics import CompileError
from .expression import parse
from .expression_float import Float64Arithmetic
from .places import combined
from .schemas import DOMAIN, SCHEMAS

Array = npt.NDArray[Any]

_SCHEMA: dict[str, OpSchema] = {schema.name: schema for schema in SCHEMAS}


def _codes(
    x: Array, thresholds: Array, input_scale: Array, strict: int, ties: Array | None
) -> Array:
    """Return sum_k [input_scale*x > thresholds[k]],
    with `>=` where the threshold's rule is false.
    """
    scaled = x * input_scale
    code = np.zeros(x.shape, np.int64)
    channels = (1, -1) + (1,) * (x.ndim - 2)
    rules = np.full((1, thresholds.shape[1]), bool(strict)) if ties is None else np.atleast_2d(ties)
    for k in range(thresholds.shape[1]):
        at, rule = thresholds[:, k].reshape(channels), rules[:, k].reshape(channels)
        code += np.where(rule, scaled > at, scaled >= at)
    return code


class Threshold(OpRun):
    """Y = step/divisor * sum_k [input_scale*X > thresholds[k]]."""

    op_domain = DOMAIN
    op_schema = _SCHEMA["Threshold"]

    def _run(
        self,
        x: Array,
        thresholds: Array,
        input_scale: Array,
        step: Array,
        ties: Array | None = None,
        *,
        divisor: int,
        strict: int,
        bits: int,
    ) -> tuple[Array]:
        del bits  # how codes are stored does not change their values
        code = _codes(x, thresholds, input_scale, strict, ties)
        return ((code * (step / divisor)).astype(x.dtype),)


class Codebook(OpRun):
    """Y = levels[sum_k [input_scale*X > thresholds[k]]]."""

    op_domain = DOMAIN
    op_schema = _SCHEMA["Codebook"]

    def _run(
        self,
        x: Array,
        thresholds: Array,
        input_scale: Array,
        levels: Array,
        ties: Array | None = None,
        *,
        strict: int,
        bits: int,
    ) -> tuple[Array]:
        del bits
        return (levels[_codes(x, thresholds, input_scale, strict, ties)].astype(x.dtype),)


class Function(OpRun):
    """Y = f(X)."""

    op_domain = DOMAIN
    op_schema = _SCHEMA["Function"]

    def _run(self, x: Array, *parameters: Array, expression: str) -> tuple[Array]:
        rows = [p.astype(np.float64).reshape(-1, *[1] * (x.ndim - 2)) for p in parameters]
        y = parse(expression).evaluate(Float64Arithmetic(), x.astype(np.float64), rows)
        return (y.astype(x.dtype),)


class Weight(OpRun):
    """W[o] = codes[o] * step[o]/divisor, or levels[o, codes[o]] for codes[o]."""

    op_domain = DOMAIN
    op_schema = _SCHEMA["Weight"]

    def _run(
        self,
        codes: Array,
        step: Array,
        levels: Array | None = None,
        *,
        divisor: int,
        bits: int,
        odd: int = 1,
    ) -> tuple[Array]:
        return (opset.Weight(codes, step, divisor, bits, bool(odd), levels).values(),)


class Rearrange(OpRun):
    """Y[n,c,i,j] = X[n] in the order (H, W, C) at rows[i] + columns[j] + channels[c]."""

    op_domain = DOMAIN
    op_schema = _SCHEMA["Rearrange"]

    def _run(
        self, x: Array, rows: Array, columns: Array, channels: Array, *, rank: int
    ) -> tuple[Array]:
        flat = np.moveaxis(x.reshape(*x.shape[:2], -1), 1, 2).reshape(len(x), -1)
        places = combined((rows, columns, channels))
        taken = np.where(places < 0, 0, flat[:, np.maximum(places, 0)])
        result = np.moveaxis(taken, -1, 1)
        shape = result.shape if rank == 4 else (*result.shape[:2], -1)[:rank]
        return (result.reshape(shape),)


def _padded(x: Array, pads: Sequence[int], fill: float) -> Array:
    """Pad [N,C,...] as ONNX's `pads` say: begins of the last axes, then ends."""
    half = len(pads) // 2
    around = ((0, 0), (0, 0), *zip(pads[:half], pads[half:], strict=True))
    return np.pad(x, around, constant_values=fill)


def _windows(
    x: Array, fill: float, kernel: Sequence[int], strides: Sequence[int], pads: Sequence[int]
) -> Array:
    """Return all windows of [N,C,H,W] as [N,C,Ho,Wo,kh,kw], padded; of [N,C,L] as [N,C,Lo,1,k]."""
    if x.ndim == 3:  # a sequence is a map of one row
        row = (0, pads[0], 0, pads[1])
        return _windows(x[:, :, None], fill, (1, *kernel), (1, *strides), row)[:, :, 0]
    padded = _padded(x, pads, fill)
    windows: Array = np.lib.stride_tricks.sliding_window_view(padded, tuple(kernel), (2, 3))
    return windows[:, :, :: int(strides[0]), :: int(strides[1])]


class MaxPool(OpRun):
    """Canonical MaxPool; that of `onnx.reference` fails on one-sided padding and is slow."""

    op_domain = ""

    def _run(
        self,
        x: Array,
        *,
        kernel_shape: Sequence[int],
        strides: Sequence[int],
        pads: Sequence[int],
        **_: Any,
    ) -> tuple[Array]:
        return (_windows(x, -np.inf, kernel_shape, strides, pads).max(axis=(-2, -1)),)


class AveragePool(OpRun):
    """Canonical AveragePool, see MaxPool.

    With ceil_mode the last windows extend beyond the padding; elements beyond it never count.
    """

    op_domain = ""

    def _run(
        self,
        x: Array,
        *,
        kernel_shape: Sequence[int],
        strides: Sequence[int],
        pads: Sequence[int],
        count_include_pad: int,
        ceil_mode: int = 0,
        **_: Any,
    ) -> tuple[Array]:
        axes, ones = len(kernel_shape), np.ones_like(x[:1, :1])
        if count_include_pad:
            ones = _padded(ones, pads, 1.0)
            x, pads = _padded(x, pads, 0.0), (0,) * 2 * axes
        if ceil_mode:
            over = [
                -(size - k) % stride
                for size, k, stride in zip(x.shape[2:], kernel_shape, strides, strict=True)
            ]
            pads = (*pads[:axes], *(p + o for p, o in zip(pads[axes:], over, strict=True)))
        total, counted = (
            _windows(v, 0.0, kernel_shape, strides, pads).sum(axis=(-2, -1)) for v in (x, ones)
        )
        return (total / counted,)


_OPERATORS: list[type[OpRun]] = [
    Threshold, Codebook, Function, Weight, Rearrange, MaxPool, AveragePool
]  # fmt: skip


def _as_float64(model: ir.Model) -> Any:
    """Return the model as a protobuf with all float parameters converted to float64,
    which is exact.
    """
    proto = ir.to_proto(model)
    for tensor in proto.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            wide = numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))
    return proto


def evaluate_values(
    model: ir.Model, x: npt.ArrayLike | Mapping[str, npt.ArrayLike], names: Sequence[str]
) -> dict[str, Array]:
    """Run a canonical graph in float64 and return the named values.

    Float64 approximates real arithmetic: a comparison is wrong only where both sides agree to about
    1e-15. This is a reference for tests, not a fast executor.

    Args:
        model: canonical graph.
        x: the network input [N,C,H,W], widened to float64; by name where there are several.
        names: names of the values to return.

    Raises:
        CompileError: a named value does not exist.
    """
    proto = _as_float64(model)
    known = {name for node in proto.graph.node for name in node.output}
    if missing := [name for name in names if name not in known]:
        raise CompileError(f"the graph has no value named {', '.join(missing)}")
    runner = ReferenceEvaluator(proto, new_ops=_OPERATORS)
    given = x if isinstance(x, Mapping) else {proto.graph.input[0].name: x}
    wide = {name: np.asarray(value, np.float64) for name, value in given.items()}
    results = runner.run(list(names), wide)
    return {name: np.asarray(result) for name, result in zip(names, results, strict=True)}


def evaluate(model: ir.Model, x: npt.ArrayLike) -> Array:
    """Run a canonical graph in float64 and return its output; see `evaluate_values`."""
    (output,) = model.graph.outputs
    return evaluate_values(model, x, [str(output.name)])[str(output.name)]
