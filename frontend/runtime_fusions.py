"""Operators that ONNX Runtime's optimizer fuses, taken apart again.

`FusedConv` and `FusedGemm` are a layer and its activation; `Gelu`, `QuickGelu`, `FastGelu` and
`BiasGelu` are functions of one tensor (onnxruntime/docs/ContribOperators.md).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from .integer_operators.real_values import MICROSOFT, RealValues, input_at

_PARAMETERS = {"LeakyRelu": ("alpha",), "HardSigmoid": ("alpha", "beta")}
_OWN = ("activation", "activation_params", "activation_alpha", "activation_beta")


def take_apart(model: ir.Model) -> None:
    """Rewrite these operators as standard ones, in place; what is no such operator stays."""
    values = RealValues(model)
    found = [n for n in model.graph if n.domain == MICROSOFT and n.op_type in _RULES]
    for node in found:
        _RULES[node.op_type](node, values)
    if found:
        values.finish()


def _layer(node: ir.Node, values: RealValues) -> None:
    """A convolution, plus a fourth tensor, or a Gemm; then an activation."""
    given = [a for a in node.attributes.values() if a.name not in _OWN]
    op, name = node.op_type.removeprefix("Fused"), str(node.name)
    y = _add(node, values, op, list(node.inputs[:3]), name, given)
    if op == "Conv" and (skip := input_at(node, 3)) is not None:
        y = _add(node, values, "Add", [y, skip], f"{name}.skip")
    activation = node.attributes.get_string("activation", "") or ""
    numbers = list(node.attributes.get_floats("activation_params", ()) or ())
    if op == "Gemm":
        numbers = [
            node.attributes.get_float(f"activation_{key}", 0.0)
            for key in ("alpha", "beta")
            if f"activation_{key}" in node.attributes
        ]
    if activation == "Clip":
        bounds = [
            values.parameter(f"{name}.bound", np.array(number, np.float32)) for number in numbers
        ]
        y = _add(node, values, "Clip", [y, *bounds], f"{name}.activation")
    elif activation:
        keys = _PARAMETERS.get(activation, ())
        more = [ir.AttrFloat32(key, number) for key, number in zip(keys, numbers, strict=False)]
        y = _add(node, values, activation, [y], f"{name}.activation", more)
    values.replace(node.outputs[0], y)


def _gelu(node: ir.Node, values: RealValues) -> None:
    """x/2 * (1 + erf(x/√2)) of x, or of x plus a bias."""
    name, x = str(node.name), node.inputs[0]
    if node.op_type == "BiasGelu":
        x = _add(node, values, "Add", [x, node.inputs[1]], f"{name}.bias")
    root = _number(values, name, float(np.sqrt(2)))
    part = _add(node, values, "Div", [x, root], f"{name}.part")
    _gate(node, values, x, _add(node, values, "Erf", [part], f"{name}.erf"))


def _fast_gelu(node: ir.Node, values: RealValues) -> None:
    """x/2 * (1 + tanh(√(2/π) (x + 0.044715 x³))) of x, or of x plus a bias."""
    name, x = str(node.name), node.inputs[0]
    if (bias := input_at(node, 1)) is not None:
        x = _add(node, values, "Add", [x, bias], f"{name}.bias")
    cube = _add(node, values, "Pow", [x, _number(values, name, 3.0)], f"{name}.cube")
    part = _add(node, values, "Mul", [cube, _number(values, name, 0.044715)], f"{name}.part")
    total = _add(node, values, "Add", [x, part], f"{name}.total")
    root = _number(values, name, float(np.sqrt(2 / np.pi)))
    line = _add(node, values, "Mul", [total, root], f"{name}.line")
    _gate(node, values, x, _add(node, values, "Tanh", [line], f"{name}.tanh"))


def _gate(node: ir.Node, values: RealValues, x: ir.Value | None, z: ir.Value) -> None:
    """Put x/2 * (1 + z) in the place of a node."""
    name = str(node.name)
    gate = _add(node, values, "Add", [z, _number(values, name, 1.0)], f"{name}.gate")
    product = _add(node, values, "Mul", [x, gate], f"{name}.product")
    y = _add(node, values, "Mul", [product, _number(values, name, 0.5)], name)
    values.replace(node.outputs[0], y)


def _quick_gelu(node: ir.Node, values: RealValues) -> None:
    """x * sigmoid(alpha*x): SiLU where alpha is 1."""
    name, x = str(node.name), node.inputs[0]
    line, alpha = x, node.attributes.get_float("alpha", 1.702)
    if alpha != 1:
        line = _add(node, values, "Mul", [x, _number(values, name, alpha)], f"{name}.line")
    gate = _add(node, values, "Sigmoid", [line], f"{name}.gate")
    values.replace(node.outputs[0], _add(node, values, "Mul", [x, gate], name))


def _number(values: RealValues, name: str, number: float) -> ir.Value:
    return values.parameter(f"{name}.number", np.array(number, np.float32))


def _add(
    node: ir.Node, values: RealValues, op: str, inputs: list[ir.Value | None], name: str,
    attributes: list[ir.Attr] | None = None,
) -> ir.Value:  # fmt: skip
    y = values.add(node, op, inputs, name, f"{name}.out", attributes or [])
    y.dtype = ir.DataType.FLOAT
    return y


_RULES: dict[str, Callable[[ir.Node, RealValues], None]] = {
    "FusedConv": _layer,
    "FusedGemm": _layer,
    "Gelu": _gelu,
    "BiasGelu": _gelu,
    "FastGelu": _fast_gelu,
    "QuickGelu": _quick_gelu,
}
