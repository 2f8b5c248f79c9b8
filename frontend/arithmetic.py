"""Evaluation of constants, one node at a time, within a budget of memory and work.

A file of a kilobyte can describe constants of any size (`Expand`, `Tile`, `ConstantOfShape`,
`Range`, an outer product). So the size of a result is computed before the result is, and the budget
grows with the number of parameters in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir
from onnx.reference import ReferenceEvaluator

from .diagnostics import CompileError, Problem

Array = npt.NDArray[Any]

FOLDED = frozenset(
    "Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh BatchNormalization BitShift "
    "BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Clip Concat Constant "
    "ConstantOfShape Cos Cosh CumSum DequantizeLinear Div Dropout Elu Equal Erf Exp Expand "
    "EyeLike Flatten Floor Gather GatherElements GatherND Gemm Greater GreaterOrEqual "
    "HardSigmoid HardSwish Identity IsInf IsNaN LeakyRelu Less LessOrEqual Log LogSoftmax "
    "MatMul Max Mean Min Mod Mul Neg NonZero Not OneHot Or PRelu Pad Pow QuantizeLinear Range "
    "Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin "
    "ReduceProd ReduceSum ReduceSumSquare Relu Reshape Round ScatterElements ScatterND Selu "
    "Shape Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign Split Sqrt Squeeze Sub "
    "Sum Tan Tanh Tile TopK Transpose Trilu Unsqueeze Where Xor".split()
)
"""Deterministic operators: `_SIZES` below bounds their results,
and their work is proportional to that.
"""

_ORDERED = frozenset("ArgMax ArgMin QuantizeLinear ReduceMax ReduceMin TopK".split())
"""Operators that compare all numbers of a tensor, or round them to integers."""

_INTEGERS = frozenset(t for t in ir.DataType if t.name.startswith(("INT", "UINT")))

_LARGEST = 2**22  # elements of a result that any file may ask for
_GROWTH = 8  # elements of a result allowed per element of the parameters
_WORK, _STEPS = 2**28, 512  # elements of all results together: at least, and per parameter element
_SLOW = {
    "Erf": 16,
    "GatherElements": 64,
    "GatherND": 64,
    "ScatterElements": 64,
    "ScatterND": 64,
    "TopK": 64,
}
"""Cost of one element of these operators, in elements of others:
`onnx.reference` loops in Python.
"""

_BLAS = 64  # multiplications of a matrix product that take as long as one element elsewhere


class NodeEvaluator:
    """Evaluation of single nodes by `onnx.reference`, in the dtype that the file states.

    Args:
        opsets: versions by domain.
        parameters: elements of all parameters in the file.
    """

    def __init__(self, opsets: dict[str, int], parameters: int) -> None:
        self._opsets = opsets
        self._largest = max(_LARGEST, _GROWTH * parameters)
        self._work = _WORK + _STEPS * parameters
        self._runners: dict[bytes, ReferenceEvaluator] = {}

    def run(self, node: ir.Node, arrays: Sequence[Array | None]) -> list[Array]:
        """Return the node's outputs.

        Args:
            node: of the standard domain, in `FOLDED`.
            arrays: its inputs; None for one that is left out.

        Raises:
            CompileError: the arithmetic fails or exceeds the budget; the message names the node.
        """
        if not all(_is_real(array) for array in arrays if array is not None):
            raise _failed(node, ValueError("it takes no real numbers"))
        if _undefined(node, arrays):
            raise _failed(node, ValueError("a NaN (not a number) has no order"))
        try:
            size, work = _extent(node, arrays)
        except Exception as error:  # inputs that do not fit each other, in any way
            raise _failed(node, error) from error
        self._work -= work
        if size > self._largest:
            found, most = f"a constant of {size} elements", f"at most {self._largest}"
            raise CompileError(Problem(str(node.name), node.op_type, found, most))
        if self._work < 0:
            found = "more arithmetic on constants than a network of this size has"
            hint = "export with constants folded (do_constant_folding=True)"
            raise CompileError(Problem(str(node.name), node.op_type, found, hint=hint))
        try:
            with np.errstate(all="ignore"):  # a 0/0 is found later, as a NaN, with its node
                found_arrays = self._runner(node, arrays).run(
                    None, {f"i{k}": a for k, a in enumerate(arrays) if a is not None}
                )
        except Exception as error:  # the operators of onnx.reference raise anything
            raise _failed(node, error) from error
        results = [np.asarray(array) for array in found_arrays]
        if not all(map(_is_real, results)):
            raise _failed(node, ValueError("it gives no real numbers"))
        return results

    def _runner(self, node: ir.Node, arrays: Sequence[Array | None]) -> ReferenceEvaluator:
        """Return the evaluator of a node; nodes that differ only in their inputs share one."""
        proto = ir.serde.serialize_node(node)
        proto.name = ""
        given = [f"i{k}" if a is not None else "" for k, a in enumerate(arrays)]
        proto.input[:] = given
        proto.output[:] = [f"o{k}" for k in range(len(node.outputs))]
        del proto.metadata_props[:]
        key = proto.SerializeToString(deterministic=True)
        if (known := self._runners.get(key)) is not None:
            return known
        inputs = [onnx.ValueInfoProto(name=name) for name in given if name]
        outputs = [onnx.ValueInfoProto(name=name) for name in proto.output]
        graph = onnx.helper.make_graph([proto], "constants", inputs, outputs)
        runner = ReferenceEvaluator(graph, opsets=self._opsets)
        if len(key) < 1000:  # a Constant holds its array
            self._runners[key] = runner
        return runner


def _is_real(array: Array) -> bool:
    """Return whether an array holds numbers or booleans, no complex numbers and no text."""
    return array.dtype.kind not in "cOSU"


def _undefined(node: ir.Node, arrays: Sequence[Array | None]) -> bool:
    """Return whether a result depends on the order of a NaN, which runtimes decide differently.

    A NaN that the result keeps is no such fault: a later `Where` may drop it, else it is found.
    """
    if node.op_type == "Clip":
        return any(map(_has_nan, arrays[1:]))
    if node.op_type == "Cast":
        return node.attributes.get_int("to", 0) in _INTEGERS and _has_nan(arrays[0])
    if node.op_type == "CastLike":
        return np.asarray(arrays[1]).dtype.kind in "iu" and _has_nan(arrays[0])
    return node.op_type in _ORDERED and any(map(_has_nan, arrays))


def _has_nan(array: Array | None) -> bool:
    return array is not None and array.dtype.kind == "f" and bool(np.isnan(array).any())


def _failed(node: ir.Node, error: Exception) -> CompileError:
    text = str(error).strip().splitlines()
    found = f"constant arithmetic fails: {text[0][:300] if text else type(error).__name__}"
    return CompileError(Problem(str(node.name), node.op_type, found))


def _extent(node: ir.Node, arrays: Sequence[Array | None]) -> tuple[int, int]:
    """Return upper bounds: elements of the largest output, and elements computed in all."""
    given = [a for a in arrays if a is not None]
    largest = max((a.size for a in given), default=1)
    size = _SIZES[node.op_type](node, given) if node.op_type in _SIZES else largest
    work = max(largest, size) * _SLOW.get(node.op_type, 1)
    if node.op_type in ("MatMul", "Gemm"):
        depth = max(given[0].shape[-2:], default=1)
        work = max(work, size * depth // (_BLAS if given[0].dtype.kind == "f" else 1))
    return size, work


def _broadcast(node: ir.Node, arrays: Sequence[Array]) -> int:
    return prod(np.broadcast_shapes(*(a.shape for a in arrays)))


def _expanded(node: ir.Node, arrays: Sequence[Array]) -> int:
    return prod(np.broadcast_shapes(arrays[0].shape, _ints(arrays[1])))


def _range(node: ir.Node, arrays: Sequence[Array]) -> int:
    start, limit, delta = (a.reshape(-1)[0].item() for a in arrays)
    return int(abs((limit - start) / delta)) + 1


def _product(node: ir.Node, arrays: Sequence[Array]) -> int:
    left, right = ((1, *a.shape) for a in arrays[:2])
    rows = left[-1] if node.attributes.get_int("transA", 0) else left[-2]
    columns = right[-2] if node.attributes.get_int("transB", 0) else right[-1]
    return int(prod(np.broadcast_shapes(left[:-2], right[:-2])) * rows * columns)


def _gathered(node: ir.Node, arrays: Sequence[Array]) -> int:
    data, index = arrays[:2]
    axis = node.attributes.get_int("axis", 0)
    return int(index.size * data.size // max(data.shape[axis], 1))


def _gathered_slices(node: ir.Node, arrays: Sequence[Array]) -> int:
    data, index = arrays[:2]
    kept = data.shape[node.attributes.get_int("batch_dims", 0) + index.shape[-1] :]
    return int(prod(index.shape[:-1]) * prod(kept))


def _padded(node: ir.Node, arrays: Sequence[Array]) -> int:
    pad = max((abs(v) for v in _ints(arrays[1])), default=0)
    return prod(size + 2 * pad for size in arrays[0].shape)


def _ints(array: Array) -> tuple[int, ...]:
    return tuple(int(v) for v in array.reshape(-1))


_SIZES: dict[str, Callable[[ir.Node, Sequence[Array]], int]] = {
    **dict.fromkeys(
        "Add And BitShift BitwiseAnd BitwiseOr BitwiseXor Div Equal Greater GreaterOrEqual Less "
        "LessOrEqual Max Mean Min Mod Mul Or PRelu Pow Sub Sum Where Xor".split(),
        _broadcast,
    ),
    "Concat": lambda _, arrays: sum(a.size for a in arrays),
    "ConstantOfShape": lambda _, arrays: prod(_ints(arrays[0])),
    "Expand": _expanded,
    "Gather": _gathered,
    "GatherND": _gathered_slices,
    "GatherElements": lambda _, arrays: arrays[1].size,
    "Gemm": _product,
    "MatMul": _product,
    "NonZero": lambda _, arrays: arrays[0].size * max(arrays[0].ndim, 1),
    "OneHot": lambda _, arrays: arrays[0].size * max(*_ints(arrays[1]), 1),
    "Pad": _padded,
    "Range": _range,
    "Tile": lambda _, arrays: arrays[0].size * prod(_ints(arrays[1])),
}
"""Upper bounds of the result's size, for operators whose result may be larger than their inputs."""
