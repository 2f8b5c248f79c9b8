"""From the canonical ONNX graph to a Program of the real dialect, node by node, exactly."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from n2uqc.frontend import opset
from n2uqc.frontend.diagnostics import CompileError, Problem

from .naming import readable_names
from .program.base import ConstRef, Interface, Op, Program
from .program.exact import Surd
from .program.ops.real import (
    Affine,
    Quantize,
    RealAdd,
    RealAvgPool,
    RealClip,
    RealConv,
    RealFlatten,
    RealMaxPool,
    RealPRelu,
    Row,
)
from .program.types import Constant, RealType, Shape, TensorType

Array = NDArray[Any]


class _Refusal(Exception):
    """A node cannot be taken as it stands: (found, supported, mend)."""


class Importer:
    """Collects operations, types and constants while walking a graph once."""

    def __init__(self, graph: ir.Graph) -> None:
        self.graph = graph
        self.ops: list[Op] = []
        self.types: dict[str, TensorType] = {}
        self.consts: dict[str, Constant] = {}
        self.names: dict[ir.Value, str] = {}
        self.taken: set[str] = set()
        nodes = [n for n in graph if not opset.is_op(n, "Weight")]
        self.readable = readable_names(nodes)

    def name(self, wish: str) -> str:
        """A free tensor or constant name made of the wished one."""
        base = re.sub(r"[^\w.]+", "_", wish, flags=re.ASCII).strip("_.") or "t"
        name, count = base, 1
        while name in self.taken:
            name, count = f"{base}_{count}", count + 1
        self.taken.add(name)
        return name

    def channels(self, value: ir.Value) -> int:
        return self.types[self.names[value]].shape[2]

    def emit(
        self, cls: type[Op], node: ir.Node, *inputs: str, last: bool = True, **attributes: Any
    ) -> str:
        """Append an operation for a node; the last one of a node defines its ONNX output."""
        value, wish = node.outputs[0], self.readable[node]
        op = cls(
            output=self.name(wish if last else f"{wish}.{cls.mnemonic.removeprefix('real_')}"),
            inputs=inputs, origin=(node.name or value.name or wish,), **attributes,
        )
        self.types[op.output] = op.infer(self.types, self.consts)
        self.ops.append(op)
        if last:
            self.names[value] = op.output
        return op.output

    def operand(self, node: ir.Node, index: int = 0) -> str:
        value = node.inputs[index]
        if value is None or value not in self.names:
            raise _Refusal(f"input {index} is not a computed tensor", "a tensor", "")
        return self.names[value]

    def constant(self, node: ir.Node, index: int) -> Array | None:
        return opset.constant(node.inputs[index]) if index < len(node.inputs) else None


def _row(values: Array | float, channels: int) -> Row:
    """Exact numbers, one a channel, of a scalar or per-channel float32 parameter."""
    flat = np.asarray(values, dtype=np.float64).ravel()
    if flat.size not in (1, channels):
        raise _Refusal(
            f"a parameter of shape {np.shape(values)} on {channels} channels",
            "one value, or one for each channel (1,C,1,1)", "make the parameter per channel",
        )
    numbers = [Surd.of(float(v)) for v in flat]
    return tuple(numbers * (channels if flat.size == 1 else 1))


def _per_channel(values: Array, rank: int) -> Array:
    """A broadcast constant reduced to a scalar or a vector over axis 1 of a rank-``rank`` map."""
    array = np.asarray(values)
    if array.size == 1:
        return array.ravel()
    shape = (1,) * (rank - array.ndim) + array.shape
    varying = [axis for axis, size in enumerate(shape) if size != 1]
    if varying != [1]:
        raise _Refusal(
            f"a constant operand of shape {array.shape}", "a scalar or one value for each channel",
            "make the constant per channel: shape (1,C,1,1)",
        )
    return array.ravel()


def _ints(node: ir.Node, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    attribute = node.attributes.get(name)
    return default if attribute is None else tuple(attribute.as_ints())


def _int(node: ir.Node, name: str, default: int) -> int:
    attribute = node.attributes.get(name)
    return default if attribute is None else int(attribute.as_int())


def _float(node: ir.Node, name: str, default: float) -> float:
    attribute = node.attributes.get(name)
    return float(np.float32(default if attribute is None else attribute.as_float()))


def _pads(node: ir.Node) -> tuple[int, ...]:
    pads = _ints(node, "pads", (0, 0, 0, 0))
    auto = node.attributes.get("auto_pad")
    if auto is not None and auto.as_string() not in ("", "NOTSET", "VALID"):
        raise _Refusal(f"auto_pad {auto.as_string()}", "explicit pads", "export with pads")
    return pads


def _ones(channels: int) -> Row:
    return (Surd.of(1),) * channels


def _quantized(node: ir.Node) -> tuple[Constant, Row] | None:
    """Codes (O, KH, KW, I) and steps of weights that come from ``n2uq.Weight``."""
    value = node.inputs[1]
    maker = value.producer() if value is not None else None
    if maker is None or not opset.is_op(maker, "Weight"):
        return None
    weight = opset.read_weight(maker)
    codes = np.asarray(weight.codes, dtype=np.int64)
    codes = codes[:, None, None, :] if codes.ndim == 2 else codes.transpose(0, 2, 3, 1)
    codes = np.ascontiguousarray(codes)
    constant = Constant.odd(codes, weight.bits) if weight.odd else Constant.narrow(codes)
    return constant, tuple(Surd.of(Fraction(float(s)) / weight.divisor) for s in weight.step)


def _conv(to: Importer, node: ir.Node) -> None:
    x = to.operand(node)
    constant, step = _quantized(node) or (None, ())
    if constant is None:
        values = to.constant(node, 1)
        if values is None:
            raise _Refusal("computed weights", "weights in an initializer", "freeze the weights")
        constant = Constant.real(np.ascontiguousarray(values.transpose(0, 2, 3, 1)))
    name = to.name(f"{to.readable[node]}.weight")
    to.consts[name] = constant
    bias = to.constant(node, 2)
    made = to.emit(
        RealConv, node, x, last=bias is None, weight=ConstRef(name), step=step,
        stride=_ints(node, "strides", (1, 1)), pads=_pads(node),
        dilation=_ints(node, "dilations", (1, 1)), groups=_int(node, "group", 1),
    )
    if bias is not None:
        channels = constant.values.shape[0]
        to.emit(Affine, node, made, slope=_ones(channels), offset=_row(bias, channels))


def _gemm(to: Importer, node: ir.Node) -> None:
    x, weight = to.operand(node), to.constant(node, 1)
    constant, step = _quantized(node) or (None, ())
    if constant is None:
        if weight is None or _int(node, "transA", 0):
            raise _Refusal("a product of two tensors", "constant weights", "freeze the weights")
        rows = weight if _int(node, "transB", 0) else weight.T
        rows = rows.astype(np.float64) * _float(node, "alpha", 1.0)
        constant = Constant.real(np.ascontiguousarray(rows[:, None, None, :]))
    name = to.name(f"{to.readable[node]}.weight")
    to.consts[name] = constant
    bias = to.constant(node, 2)
    made = to.emit(RealConv, node, x, last=bias is None, weight=ConstRef(name), step=step)
    if bias is not None:
        channels = len(constant.values)
        offset = bias.astype(np.float64) * _float(node, "beta", 1.0)
        to.emit(Affine, node, made, slope=_ones(channels), offset=_row(offset, channels))


def _batchnorm(to: Importer, node: ir.Node) -> None:
    channels = to.channels(node.inputs[0])  # type: ignore[arg-type]
    arrays = [to.constant(node, k) for k in range(1, 5)]
    if any(a is None for a in arrays):
        raise _Refusal("computed statistics", "constants", "export in eval mode")
    gamma, beta, mean, var = (_row(a, channels) for a in arrays if a is not None)
    eps = Surd.of(_float(node, "epsilon", 1e-5))
    slope, offset = [], []
    for g, b, m, v in zip(gamma, beta, mean, var, strict=True):
        total = (v + eps).rational
        if total is None or total <= 0:
            raise _Refusal(
                f"variance + epsilon = {float(v + eps):g}", "a positive value", "retrain the layer"
            )
        slope.append(g / Surd.root(total))
        offset.append(b - m * slope[-1])
    to.emit(Affine, node, to.operand(node), slope=tuple(slope), offset=tuple(offset))


def _add(to: Importer, node: ir.Node) -> None:
    tensors = [v for v in node.inputs if v in to.names]
    if len(tensors) == 2:
        to.emit(RealAdd, node, *(to.names[v] for v in tensors if v is not None))
        return
    _elementwise(to, node, lambda k: (_ones(len(k)), k))


def _sub(to: Importer, node: ir.Node) -> None:
    if node.inputs[0] in to.names:
        if node.inputs[1] in to.names:
            raise _Refusal("the difference of two tensors", "tensor - constant", "")
        _elementwise(to, node, lambda k: (_ones(len(k)), tuple(-v for v in k)))
    else:
        _elementwise(to, node, lambda k: (tuple(-v for v in _ones(len(k))), k))


def _mul(to: Importer, node: ir.Node) -> None:
    _elementwise(to, node, lambda k: (k, (Surd.of(0),) * len(k)))


def _div(to: Importer, node: ir.Node) -> None:
    if node.inputs[0] not in to.names:
        raise _Refusal("division by a tensor", "tensor / constant", "")
    _elementwise(
        to, node, lambda k: (tuple(v.inverse() for v in k), (Surd.of(0),) * len(k))
    )


def _elementwise(to: Importer, node: ir.Node, form: Callable[[Row], tuple[Row, Row]]) -> None:
    """``tensor (op) constant`` as an affine map."""
    index = 0 if node.inputs[0] in to.names else 1
    x, other = to.operand(node, index), to.constant(node, 1 - index)
    if other is None:
        raise _Refusal("two computed operands", "one constant operand", "")
    value = node.inputs[index]
    rank = len(value.shape) if value is not None and value.shape is not None else 4
    channels = to.types[x].shape[2]
    slope, offset = form(_row(_per_channel(other, rank), channels))
    to.emit(Affine, node, x, slope=slope, offset=offset)


def _prelu(to: Importer, node: ir.Node) -> None:
    x, slope = to.operand(node), to.constant(node, 1)
    if slope is None:
        raise _Refusal("a computed slope", "a constant slope", "")
    channels = to.types[x].shape[2]
    values = slope.ravel() if slope.size == 1 else _per_channel(slope, 4)
    to.emit(RealPRelu, node, x, slope=_row(values, channels))


def _leaky(to: Importer, node: ir.Node) -> None:
    x = to.operand(node)
    channels = to.types[x].shape[2]
    to.emit(RealPRelu, node, x, slope=_row(_float(node, "alpha", 0.01), channels))


def _relu(to: Importer, node: ir.Node) -> None:
    to.emit(RealClip, node, to.operand(node), lo=Surd.of(0), hi=None)


def _clip(to: Importer, node: ir.Node) -> None:
    bounds = [to.constant(node, k) for k in (1, 2)]
    lo, hi = (None if b is None else Surd.of(float(np.float32(b.item()))) for b in bounds)
    to.emit(RealClip, node, to.operand(node), lo=lo, hi=hi)


def _pool(cls: type[Op]) -> Callable[[Importer, ir.Node], None]:
    def build(to: Importer, node: ir.Node) -> None:
        kernel, pads = _ints(node, "kernel_shape", ()), _pads(node)
        if _int(node, "ceil_mode", 0):
            raise _Refusal("ceil_mode 1", "ceil_mode 0", "pad explicitly")
        if any(d != 1 for d in _ints(node, "dilations", (1, 1))):
            raise _Refusal("a dilated window", "dilation 1", "")
        if cls is RealAvgPool and any(pads) and not _int(node, "count_include_pad", 0):
            raise _Refusal(
                "padding that does not count (count_include_pad 0)", "count_include_pad 1, or no "
                "padding", "set count_include_pad=True, or pool without padding",
            )
        to.emit(
            cls, node, to.operand(node), kernel=kernel, stride=_ints(node, "strides", (1, 1)),
            pads=pads,
        )

    return build


def _global_pool(to: Importer, node: ir.Node) -> None:
    x = to.operand(node)
    to.emit(RealAvgPool, node, x, kernel=to.types[x].shape[:2])


def _flatten(to: Importer, node: ir.Node) -> None:
    to.emit(RealFlatten, node, to.operand(node))


def _threshold(to: Importer, node: ir.Node) -> None:
    p = opset.read_threshold(node)
    table = tuple(tuple(Surd.of(float(t)) for t in row) for row in p.thresholds)
    to.emit(
        Quantize, node, to.operand(node), thresholds=table,
        input_scale=Surd.of(float(p.input_scale)), strict=bool(p.strict),
        step=Surd.of(Fraction(float(p.step)) / p.divisor), bits=p.bits,
        ties=() if p.ties is None else p.rules,
    )


_RULES: dict[str, Callable[[Importer, ir.Node], None]] = {
    "Add": _add, "AveragePool": _pool(RealAvgPool), "BatchNormalization": _batchnorm,
    "Clip": _clip, "Conv": _conv, "Div": _div, "Flatten": _flatten, "Gemm": _gemm,
    "GlobalAveragePool": _global_pool, "LeakyRelu": _leaky, "MaxPool": _pool(RealMaxPool),
    "Mul": _mul, "PRelu": _prelu, "Relu": _relu, "Sub": _sub, "Threshold": _threshold,
}


def _sample_shape(value: ir.Value) -> tuple[int, ...]:
    """The static shape behind the batch axis."""
    if value.shape is None or not all(isinstance(d, int) for d in list(value.shape)[1:]):
        raise CompileError(Problem(
            node=value.name or "?", op="input/output", found=f"shape {value.shape}",
            supported="a static shape behind the batch axis",
            mend="export with fixed height and width",
        ))
    return tuple(int(d) for d in list(value.shape)[1:])  # type: ignore[arg-type]


def _map_shape(shape: tuple[int, ...]) -> Shape:
    return (shape[1], shape[2], shape[0]) if len(shape) == 3 else (1, 1, shape[0])


def import_graph(model: ir.Model, name: str = "network") -> Program:
    """The same network as a Program of the real dialect.

    Args:
        model: canonical graph as ``frontend.load_graph`` returns it.
        name: the program's name.

    Raises:
        CompileError: listing every node that cannot be taken.
    """
    graph = model.graph
    to = Importer(graph)
    source, result = _single(graph.inputs, "inputs"), _single(graph.outputs, "outputs")
    shape = _sample_shape(source)
    to.names[source] = to.name(source.name or "input")
    to.types[to.names[source]] = RealType(_map_shape(shape))
    problems: list[Problem] = []
    for node in graph:
        if opset.is_op(node, "Weight"):
            continue
        if problems and not all(v is None or v in to.names or opset.constant(v) is not None
                                or v.producer() is not None and opset.is_op(v.producer(), "Weight")
                                for v in node.inputs):
            continue  # it reads what a refused node would have made
        try:
            rule = _RULES.get(node.op_type)
            if rule is None:
                raise _Refusal("an operator without integer form", ", ".join(sorted(_RULES)), "")
            rule(to, node)
        except _Refusal as refusal:
            found, supported, mend = refusal.args
            problems.append(Problem(node=node.name or node.outputs[0].name or "?",
                                    op=node.op_type, found=found, supported=supported, mend=mend))
        except (ValueError, ZeroDivisionError) as error:
            problems.append(Problem(
                node=node.name or node.outputs[0].name or "?", op=node.op_type, found=str(error),
                supported="see SPEC.md", mend="check the node's parameters and shapes",
            ))
    if problems:
        raise CompileError(problems)
    face = Interface(source.name or "input", shape, result.name or "output",
                     _sample_shape(result))
    return Program(
        to.name(name).replace(".", "_"), face, to.names[source], to.names[result], to.types,
        tuple(to.ops), to.consts,
    )


def _single(values: Iterable[ir.Value], what: str) -> ir.Value:
    found = list(values)
    if len(found) != 1:
        raise CompileError(f"the model has {len(found)} {what}; one is supported")
    return found[0]
