"""The import rules, one for each operator of the canonical graph."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from n2uqc.frontend import opset

from ..program import ConstRef
from ..program.exact import Surd
from ..program.ops.real import (
    Affine,
    Quantize,
    RealAdd,
    RealAvgPool,
    RealClip,
    RealConcat,
    RealConv,
    RealFlatten,
    RealFunction,
    RealLookup,
    RealMaxPool,
    RealMultiply,
    RealPRelu,
    RealRearrange,
    Row,
)
from ..program.types import Constant
from .builder import Importer, NodeRefusal
from .node_parameters import (
    integer,
    ints,
    number,
    ones,
    pads_of,
    pair,
    per_channel,
    quantized_weight,
    row_of,
    weight_channels_last,
)

Array = NDArray[Any]


def _conv(to: Importer, node: ir.Node) -> None:
    x = to.operand(node)
    constant, step, levels = quantized_weight(node) or (None, (), 0)
    if constant is None:
        values = to.constant(node, 1)
        if values is None:
            raise NodeRefusal("computed weights", "weights in an initializer", "freeze the weights")
        constant = Constant.real(weight_channels_last(values))
    name = to.name(f"{to.readable[node]}.weight")
    to.consts[name] = constant
    bias = to.constant(node, 2)
    output = to.emit(
        RealConv,
        node,
        x,
        last=bias is None,
        weight=ConstRef(name),
        step=step,
        stride=pair(node, "strides"),
        pads=pads_of(node),
        dilation=pair(node, "dilations"),
        groups=integer(node, "group", 1),
        levels=levels,
    )
    if bias is not None:
        channels = constant.values.shape[0]
        to.emit(Affine, node, output, slope=ones(channels), offset=row_of(bias, channels))


def _gemm(to: Importer, node: ir.Node) -> None:
    x, weight = to.operand(node), to.constant(node, 1)
    alpha = number(node, "alpha", 1.0)
    constant, step, levels = quantized_weight(node) or (None, (), 0)
    step = tuple(s * Fraction(alpha) for s in step)
    if constant is not None and levels:
        constant = Constant.real(constant.values * alpha)
    if constant is None:
        if weight is None or integer(node, "transA", 0):
            raise NodeRefusal("a product of two tensors", "constant weights", "freeze the weights")
        rows = weight if integer(node, "transB", 0) else weight.T
        rows = rows.astype(np.float64) * alpha
        constant = Constant.real(np.ascontiguousarray(rows[:, None, None, :]))
    name = to.name(f"{to.readable[node]}.weight")
    to.consts[name] = constant
    bias = to.constant(node, 2)
    output = to.emit(
        RealConv, node, x, last=bias is None, weight=ConstRef(name), step=step, levels=levels
    )
    if bias is not None:
        channels = len(constant.values)
        offset = bias.astype(np.float64) * number(node, "beta", 1.0)
        to.emit(Affine, node, output, slope=ones(channels), offset=row_of(offset, channels))


def _batchnorm(to: Importer, node: ir.Node) -> None:
    channels = to.channels(node.inputs[0])  # type: ignore[arg-type]
    arrays = [to.constant(node, k) for k in range(1, 5)]
    if any(a is None for a in arrays):
        raise NodeRefusal("computed statistics", "constants", "export in eval mode")
    gamma, beta, mean, var = (row_of(a, channels) for a in arrays if a is not None)
    eps = Fraction(number(node, "epsilon", 1e-5))
    slope, offset = [], []
    for g, b, m, v in zip(gamma, beta, mean, var, strict=True):
        total = v.rest + eps
        if total <= 0:
            raise NodeRefusal(
                f"variance + epsilon = {float(total):g}", "a positive value", "retrain the layer"
            )
        slope.append(g / Surd.root(total))
        offset.append(b - m * slope[-1])
    to.emit(Affine, node, to.operand(node), slope=tuple(slope), offset=tuple(offset))


def _add(to: Importer, node: ir.Node) -> None:
    tensors = [v for v in node.inputs if v in to.names]
    if len(tensors) == 2:
        to.emit(RealAdd, node, *(to.names[v] for v in tensors if v is not None))
        return
    _elementwise(to, node, lambda k: (ones(len(k)), k))


def _sub(to: Importer, node: ir.Node) -> None:
    if node.inputs[0] in to.names:
        _elementwise(to, node, lambda k: (ones(len(k)), tuple(-v for v in k)))
    else:
        _elementwise(to, node, lambda k: (tuple(-v for v in ones(len(k))), k))


def _mul(to: Importer, node: ir.Node) -> None:
    if all(v in to.names for v in node.inputs):
        to.emit(RealMultiply, node, *(to.names[v] for v in node.inputs if v is not None))
        return
    _elementwise(to, node, lambda k: (k, (Surd.of(0),) * len(k)))


def _div(to: Importer, node: ir.Node) -> None:
    if node.inputs[0] not in to.names:
        raise NodeRefusal("division by a tensor", "tensor / constant", "")
    _elementwise(to, node, lambda k: (tuple(v.inverse() for v in k), (Surd.of(0),) * len(k)))


def _elementwise(to: Importer, node: ir.Node, form: Callable[[Row], tuple[Row, Row]]) -> None:
    """Import ``tensor (op) constant`` as an affine map."""
    index = 0 if node.inputs[0] in to.names else 1
    x, other = to.operand(node, index), to.constant(node, 1 - index)
    if other is None:
        raise NodeRefusal("two computed operands", "one constant operand", "")
    channels = to.types[x].shape[2]
    slope, offset = form(row_of(per_channel(other, _rank(node.inputs[index])), channels))
    to.emit(Affine, node, x, slope=slope, offset=offset)


def _rank(value: ir.Value | None) -> int:
    return len(value.shape) if value is not None and value.shape is not None else 4


def _prelu(to: Importer, node: ir.Node) -> None:
    x, slope = to.operand(node), to.constant(node, 1)
    if slope is None:
        raise NodeRefusal("a computed slope", "a constant slope", "")
    channels = to.types[x].shape[2]
    values = slope.ravel() if slope.size == 1 else per_channel(slope, _rank(node.inputs[0]))
    to.emit(RealPRelu, node, x, slope=row_of(values, channels))


def _leaky(to: Importer, node: ir.Node) -> None:
    x = to.operand(node)
    channels = to.types[x].shape[2]
    to.emit(RealPRelu, node, x, slope=row_of(number(node, "alpha", 0.01), channels))


def _function(to: Importer, node: ir.Node) -> None:
    term, rows = opset.read_function(node)
    x = to.operand(node)
    channels = to.types[x].shape[2]
    parameters = tuple(row_of(row, channels) for row in rows)
    to.emit(RealFunction, node, x, expression=str(term), parameters=parameters)


def _relu(to: Importer, node: ir.Node) -> None:
    to.emit(RealClip, node, to.operand(node), lo=Surd.of(0), hi=None)


def _clip(to: Importer, node: ir.Node) -> None:
    bounds = [to.constant(node, k) for k in (1, 2)]
    lo, hi = (None if b is None else Surd.of(float(np.float32(b.item()))) for b in bounds)
    to.emit(RealClip, node, to.operand(node), lo=lo, hi=hi)


def _window(node: ir.Node) -> dict[str, Any]:
    """Kernel, stride and pads of a pool."""
    if any(d != 1 for d in ints(node, "dilations", (1, 1))):
        raise NodeRefusal("a dilated window", "dilation 1", "")
    return {
        "kernel": pair(node, "kernel_shape"),
        "stride": pair(node, "strides"),
        "pads": pads_of(node),
    }


def _maxpool(to: Importer, node: ir.Node) -> None:
    if integer(node, "ceil_mode", 0):
        raise NodeRefusal("ceil_mode 1", "ceil_mode 0", "pad explicitly")
    to.emit(RealMaxPool, node, to.operand(node), **_window(node))


def _avgpool(to: Importer, node: ir.Node) -> None:
    """Import AveragePool; elements that ceil_mode adds below
    and to the right never count as padding.
    """
    x, window = to.operand(node), _window(node)
    pads = given = window["pads"]
    if integer(node, "ceil_mode", 0):
        size = to.types[x].shape
        over = (
            -(size[axis] + pads[axis] + pads[axis + 2] - window["kernel"][axis])
            % window["stride"][axis]
            for axis in (0, 1)
        )
        pads = (*pads[:2], *(p + extra for p, extra in zip(pads[2:], over, strict=True)))
    counted = given if integer(node, "count_include_pad", 0) else (0, 0, 0, 0)
    window["pads"] = pads
    to.emit(RealAvgPool, node, x, **window, counted=None if counted == pads else counted)


def _global_pool(to: Importer, node: ir.Node) -> None:
    x = to.operand(node)
    to.emit(RealAvgPool, node, x, kernel=to.types[x].shape[:2])


def _flatten(to: Importer, node: ir.Node) -> None:
    to.emit(RealFlatten, node, to.operand(node))


def _rearrange(to: Importer, node: ir.Node) -> None:
    names = {}
    for k, axis in enumerate(("rows", "columns", "channels"), start=1):
        table = to.constant(node, k)
        if table is None:
            raise NodeRefusal("computed places", "constant places", "")
        names[axis] = to.name(f"{to.readable[node]}.{axis}")
        to.consts[names[axis]] = Constant.narrow(table)
    to.emit(
        RealRearrange,
        node,
        to.operand(node),
        rows=ConstRef(names["rows"]),
        columns=ConstRef(names["columns"]),
        channels=ConstRef(names["channels"]),
    )


def _threshold(to: Importer, node: ir.Node) -> None:
    p = opset.read_threshold(node)
    if p.step == 0:
        raise NodeRefusal(
            "an output step of 0: every code means 0",
            "a step other than 0",
            "retrain the layer, or remove it: what reads it sees zeros only",
        )
    table = tuple(tuple(Surd.of(float(t)) for t in row) for row in p.thresholds)
    to.emit(
        Quantize,
        node,
        to.operand(node),
        thresholds=table,
        input_scale=Surd.of(float(p.input_scale)),
        strict=bool(p.strict),
        step=Surd.of(Fraction(float(p.step)) / p.divisor),
        bits=p.bits,
        ties=() if p.ties is None else p.rules,
    )


def _codebook(to: Importer, node: ir.Node) -> None:
    p = opset.read_codebook(node)
    table = tuple(tuple(Surd.of(float(t)) for t in row) for row in p.thresholds)
    codes = to.emit(
        Quantize,
        node,
        to.operand(node),
        last=False,
        thresholds=table,
        input_scale=Surd.of(float(p.input_scale)),
        strict=bool(p.strict),
        step=Surd.of(1),
        bits=p.bits,
        ties=() if p.ties is None else p.rules,
    )
    levels = [Surd.of(float(v)) for v in p.levels]
    levels += levels[-1:] * (2**p.bits - len(levels))  # for codes that do not occur
    to.emit(RealLookup, node, codes, levels=tuple(levels))


def _concat(to: Importer, node: ir.Node) -> None:
    axis, rank = integer(node, "axis", 1), _rank(node.inputs[0])
    if axis not in (1, 1 - rank):
        raise NodeRefusal(f"axis {axis}", "axis 1 (channels)", "concatenate channels")
    names = [to.operand(node, k) for k in range(len(node.inputs))]
    joined = names[0]
    for k, name in enumerate(names[1:], 1):
        joined = to.emit(RealConcat, node, joined, name, last=k == len(names) - 1)
    if len(names) == 1:
        to.names[node.outputs[0]] = joined


RULES: dict[str, Callable[[Importer, ir.Node], None]] = {
    "Add": _add,
    "AveragePool": _avgpool,
    "BatchNormalization": _batchnorm,
    "Clip": _clip,
    "Codebook": _codebook,
    "Concat": _concat,
    "Conv": _conv,
    "Div": _div,
    "Flatten": _flatten,
    "Function": _function,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_pool,
    "LeakyRelu": _leaky,
    "MaxPool": _maxpool,
    "Mul": _mul,
    "PRelu": _prelu,
    "Rearrange": _rearrange,
    "Relu": _relu,
    "Sub": _sub,
    "Threshold": _threshold,
}
