"""QLinearConv, QLinearMatMul and the QLinear operators of ONNX Runtime's domain.

Their inputs are triples: codes, scale, zero point. onnxruntime/docs/ContribOperators.md defines
those of com.microsoft.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..recognize.pattern import Refused
from .bias import exact_terms
from .real_values import MICROSOFT, Coding, RealValues, input_at

Rule = Callable[[ir.Node, RealValues], None]


@dataclass(frozen=True)
class _Elementwise:
    """An operator of one or two code tensors that has a float operator of the same attributes.

    Attributes:
        op: the float operator.
        operands: how many triples of inputs there are; that of the result follows, without codes.
    """

    op: str
    operands: int

    def __call__(self, node: ir.Node, values: RealValues) -> None:
        reals = [_operand(node, 3 * k, values) for k in range(self.operands)]
        attributes = [a for a in node.attributes.values() if a.name not in _LAYOUT]
        last = node.attributes.get_int("channels_last", 0)
        if last:
            reals = [_turned(node, real, values) for real in reals]
        y = _put(node, values, self.op, reals, attributes)
        y = _turned(node, y, values, back=True) if last else y
        values.quantize(node, y, _coding(node, 3 * self.operands))


_LAYOUT = ("channels_last", "opset")


def _turned(node: ir.Node, x: ir.Value, values: RealValues, back: bool = False) -> ir.Value:
    """Bring images from [N,H,W,C] to [N,C,H,W], or back."""
    perm = [0, 2, 3, 1] if back else [0, 3, 1, 2]
    name = f"{node.name}.{'channels_last' if back else 'channels_first'}"
    return values.add(node, "Transpose", [x], name, f"{name}_out", {"perm": perm})


def _coding(node: ir.Node, start: int, axis: int = 1) -> Coding:
    scale = input_at(node, start)
    if scale is None:
        raise Refused("a scale is missing")
    return Coding(scale, input_at(node, start + 1), axis)


def _operand(node: ir.Node, start: int, values: RealValues, axis: int = 1) -> ir.Value:
    return values.real(input_at(node, start), _coding(node, start + 1, axis), node)


def _put(
    node: ir.Node, values: RealValues, op: str, inputs: list[ir.Value],
    attributes: list[ir.Attr] | None = None,
) -> ir.Value:  # fmt: skip
    """Insert the float operator; it keeps the node's name."""
    given = list(node.attributes.values()) if attributes is None else attributes
    y = values.add(node, op, inputs, str(node.name), f"{node.name}.real", given)
    y.dtype = ir.DataType.FLOAT
    return y


def _convolution(node: ir.Node, values: RealValues) -> None:
    """QLinearConv: x, w with one scale or one per filter, y, and an int32 bias."""
    inputs = [_operand(node, 0, values), _operand(node, 3, values, axis=0)]
    terms = []
    if (bias := input_at(node, 8)) is not None:
        codes, rank = values.array(bias, "bias"), values.array(node.inputs[3], "weight").ndim
        scales = [values.array(node.inputs[i], "scale") for i in (1, 4)]
        terms = exact_terms(codes, scales)
        inputs.append(values.parameter(f"{bias.name}.real", terms[0]))
        terms = [term.reshape(1, -1, *[1] * (rank - 2)) for term in terms[1:]]
    y = _put(node, values, "Conv", inputs)
    values.quantize(node, _plus(node, y, terms, values), _coding(node, 6))


def _plus(node: ir.Node, y: ir.Value, terms: list[np.ndarray], values: RealValues) -> ir.Value:
    """Add what the first term of an exact bias leaves."""
    for index, term in enumerate(terms, start=1):
        name = f"{node.name}.bias_{index}"
        parameter = values.parameter(name, term)
        y = values.add(node, "Add", [y, parameter], name, f"{name}_out")
        y.dtype = ir.DataType.FLOAT
    return y


def _product(node: ir.Node, values: RealValues) -> None:
    """QLinearMatMul: a, b with one scale or one per column, y."""
    inputs = [_operand(node, 0, values), _matrix(node, 3, values)]
    values.quantize(node, _put(node, values, "MatMul", inputs), _coding(node, 6))


def _matrix(node: ir.Node, start: int, values: RealValues, transposed: bool = False) -> ir.Value:
    """The second operand of a product, whose scales are by column; [1,N] counts as [N]."""
    coding = _coding(node, start + 1, axis=0 if transposed else -1)
    scale = values.array(coding.scale, "scale")
    if scale.ndim > 1:
        if scale.shape[-1] != scale.size:
            raise Refused(f"scales of shape {scale.shape}", "one for the tensor, or one per column")
        zero = coding.zero
        if zero is not None:
            array = values.array(zero, "zero point").reshape(-1)
            zero = values.parameter(f"{zero.name}.row", array, values.code_type(zero))
        row = values.parameter(f"{coding.scale.name}.row", scale.reshape(-1))
        coding = Coding(row, zero, coding.axis)
    return values.real(input_at(node, start), coding, node)


def _gemm(node: ir.Node, values: RealValues) -> None:
    """com.microsoft's QGemm: A, B, an int32 bias C, and y; float without a scale of y."""
    transposed = bool(node.attributes.get_int("transB", 0))
    alpha = node.attributes.get_float("alpha", 1.0)
    inputs = [_operand(node, 0, values), _matrix(node, 3, values, transposed)]
    terms = []
    if (bias := input_at(node, 6)) is not None:
        scales = [values.array(node.inputs[i], "scale") for i in (1, 4)]
        terms = exact_terms(values.array(bias, "bias"), scales, alpha)
        inputs.append(values.parameter(f"{bias.name}.real", terms[0]))
    y = _put(node, values, "Gemm", inputs)
    y = _plus(node, y, terms[1:], values)
    if input_at(node, 7) is None:
        values.replace(node.outputs[0], y)
    else:
        values.quantize(node, y, _coding(node, 7))


def _concat(node: ir.Node, values: RealValues) -> None:
    """com.microsoft's QLinearConcat: scale and zero point of y, then triples."""
    count, left = divmod(len(node.inputs) - 2, 3)
    if left or count < 1:
        raise Refused(f"{len(node.inputs)} inputs", "two, and three for each tensor")
    reals = [_operand(node, 2 + 3 * k, values) for k in range(count)]
    values.quantize(node, _put(node, values, "Concat", reals), _coding(node, 0), like=2)


QLINEAR: dict[tuple[str, str], Rule] = {
    ("", "QLinearConv"): _convolution,
    ("", "QLinearMatMul"): _product,
    (MICROSOFT, "QLinearConv"): _convolution,
    (MICROSOFT, "QGemm"): _gemm,
    (MICROSOFT, "QLinearConcat"): _concat,
    (MICROSOFT, "QLinearAdd"): _Elementwise("Add", 2),
    (MICROSOFT, "QLinearMul"): _Elementwise("Mul", 2),
    (MICROSOFT, "QLinearGlobalAveragePool"): _Elementwise("GlobalAveragePool", 1),
    (MICROSOFT, "QLinearAveragePool"): _Elementwise("AveragePool", 1),
    (MICROSOFT, "QLinearReduceMean"): _Elementwise("ReduceMean", 1),
    (MICROSOFT, "QLinearLeakyRelu"): _Elementwise("LeakyRelu", 1),
    (MICROSOFT, "QLinearSigmoid"): _Elementwise("Sigmoid", 1),
    (MICROSOFT, "QLinearSoftmax"): _Elementwise("Softmax", 1),
}
