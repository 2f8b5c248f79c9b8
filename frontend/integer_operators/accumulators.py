"""ConvInteger, MatMulInteger and MatMulIntegerToFloat: products of codes whose sums are read.

A sum becomes a float number, exact in real arithmetic like all others; operators that read it as an
int32 follow.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from ..recognize.pattern import Refused
from .real_values import MICROSOFT, Coding, RealValues, input_at, moves

Rule = Callable[[ir.Node, RealValues], None]

_EXACT = 2**24  # integers up to it are float32 numbers
_ARITHMETIC = ("Add", "Sub", "Mul")


def _sum(op: str, axis: int) -> Rule:
    """Return the rule of an operator with inputs x, w and their zero points."""

    def rewrite(node: ir.Node, values: RealValues) -> None:
        one = values.parameter(f"{node.name}.one", np.array(1, np.float32))
        x = values.real(input_at(node, 0), Coding(one, input_at(node, 2)), node)
        zero, scale = input_at(node, 3), one
        if zero is not None and (array := values.array(zero, "zero point")).size > 1:
            scale = values.parameter(f"{node.name}.ones", np.ones(array.size, np.float32))
            if array.ndim > 1:
                zero = values.parameter(f"{zero.name}.row", array.reshape(-1), zero.dtype)
        w = values.real(input_at(node, 1), Coding(scale, zero, axis), node)
        y = values.add(
            node, op, [x, w], str(node.name), f"{node.name}.real", node.attributes.values()
        )
        y.dtype = ir.DataType.FLOAT
        values.replace(node.outputs[0], y)
        _follow(y, values)

    return rewrite


def _follow(real: ir.Value, values: RealValues) -> None:
    """Let what reads an int32 tensor read the same numbers as float32."""
    stack = [real]
    while stack:
        value = stack.pop()
        for use in list(value.uses()):
            reader, index = use.node, use.idx
            if reader.domain == "" and reader.op_type == "DequantizeLinear" and index == 0:
                _scale(reader, value, values)
                continue
            if reader.domain or not (moves(reader) or reader.op_type in (*_ARITHMETIC, "Cast")):
                raise Refused(
                    f"its int32 result is read by {reader.op_type} '{reader.name}'",
                    "Cast, DequantizeLinear, or Add, Sub and Mul of constants",
                )
            if reader.op_type == "Cast":
                continue
            for place, other in enumerate(reader.inputs):
                if reader.op_type in _ARITHMETIC and other is not None and other is not value:
                    array = values.array(other, "second int32 operand")
                    if array.dtype.kind not in "iu" or np.abs(array.astype(float)).max() > _EXACT:
                        raise Refused(f"an operand beyond {_EXACT}", "smaller integers")
                    single = values.parameter(f"{other.name}.real", array.astype(np.float32))
                    reader.replace_input_with(place, single)
            for output in reader.outputs:
                output.dtype = ir.DataType.FLOAT
                stack.append(output)


def _scale(node: ir.Node, value: ir.Value, values: RealValues) -> None:
    """Replace a DequantizeLinear of sums by a product with its scale."""
    zero, scale = input_at(node, 2), input_at(node, 1)
    if zero is not None and values.array(zero, "zero point").any():
        raise Refused("sums with a zero point", "a zero point of 0, as ONNX defines for int32")
    if scale is None or values.size(scale) != 1:
        raise Refused("DequantizeLinear of sums by channel", "one scale, or Cast and Mul")
    y = values.add(node, "Mul", [value, scale], str(node.name), f"{node.name}.real")
    y.dtype = ir.DataType.FLOAT
    values.replace(node.outputs[0], y)


def _to_float(node: ir.Node, values: RealValues) -> None:
    """com.microsoft's MatMulIntegerToFloat: A, B, their scales, their zero points, a bias."""
    scales = [input_at(node, 2), input_at(node, 3)]
    if scales[0] is None or scales[1] is None:
        raise Refused("a scale is missing")
    a = values.real(input_at(node, 0), Coding(scales[0], input_at(node, 4)), node)
    b = values.real(input_at(node, 1), Coding(scales[1], input_at(node, 5), -1), node)
    y = values.add(node, "MatMul", [a, b], str(node.name), f"{node.name}.real")
    y.dtype = ir.DataType.FLOAT
    if (bias := input_at(node, 6)) is not None:
        y = values.add(node, "Add", [y, bias], f"{node.name}.bias", f"{node.name}.bias_out")
        y.dtype = ir.DataType.FLOAT
    values.replace(node.outputs[0], y)


ACCUMULATORS: dict[tuple[str, str], Rule] = {
    ("", "ConvInteger"): _sum("Conv", axis=0),
    ("", "MatMulInteger"): _sum("MatMul", axis=-1),
    (MICROSOFT, "MatMulIntegerToFloat"): _to_float,
}
