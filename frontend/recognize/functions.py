"""Functions of one tensor: SiLU, GELU, Softplus, … as one node, however an exporter writes them.

A function is what elementwise operators and constants compute from a single tensor, its source.
Where two computed tensors meet, as in ``x * sigmoid(x)``, the source is the last tensor that all
ways from there lead through.  Scales and biases before and after stay operators of their own, but
for one number that multiplies the result: the last step of GELU as exporters write it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial

import numpy as np
import onnx_ir as ir

from ..diagnostics import Unfit
from ..expression import LARGEST, Expression, X, number, parameter
from ..opset import Array, constant, initializer, make_function
from .bends import leak, only_bends
from .function_operators import CHOOSING, COMPARING, CONDITIONS, CURVED, RULES
from .pattern import Context, Pattern, Refused
from .queries import channel_values, is_standard, producer, shape_of
from .step_search import search_once

_MOST_STEPS = 64  # operators between a function's source and its result
_MOST_PARAMETERS = 8
_LARGEST = LARGEST // 4  # so that the function of a function still fits


class _NoFunction(Exception):
    """The way to a source leads through something that is no elementwise operator."""


@dataclass
class _Terms:
    """The expressions of values over one source.

    Attributes:
        source: the tensor x.
        known: expressions by value.
        rows: parameters that differ by channel, by the value that holds them.
    """

    source: ir.Value
    known: dict[ir.Value, Expression] = field(default_factory=dict)
    rows: dict[ir.Value, Array] = field(default_factory=dict)

    def constant(self, value: ir.Value, array: Array) -> Expression:
        """Return a constant: one number, or one of each channel."""
        values = channel_values(array, shape_of(self.source))
        if values is None or values.dtype.kind not in "fi" or not np.isfinite(values).all():
            raise _NoFunction
        if len(set(values.tolist())) == 1:
            return number(Fraction(float(values[0])))
        self.rows.setdefault(value, values)
        return parameter(list(self.rows).index(value))

    def of(self, value: ir.Value) -> Expression:
        """Return a value's expression."""
        for node in reversed(_cone(value, self.source)):
            terms = [None if v is None else self._operand(v) for v in node.inputs]
            if node.op_type == "Pow" and (terms[1] is None or terms[1].op != "number"):
                raise _NoFunction
            if not _conditions_choose(node, terms):
                raise _NoFunction
            try:
                term = RULES[node.op_type](node, terms)
            except ZeroDivisionError:
                raise Refused("division by 0", "a divisor other than 0") from None
            except Unfit as error:
                raise Refused(str(error), "an exponent from -64 to 64") from None
            if term.size > _LARGEST:
                raise _NoFunction
            self.known[node.outputs[0]] = term
        return self.known[value]

    def _operand(self, value: ir.Value) -> Expression:
        if value is self.source:
            return X
        array = constant(value)
        return self.known[value] if array is None else self.constant(value, array)


def _conditions_choose(node: ir.Node, terms: list[Expression | None]) -> bool:
    """Return whether a Where is chosen by a comparison, and nothing else takes one for a number.

    A file may say otherwise: ONNX has types against it, which not every checker looks at.
    """
    chosen = [0] if node.op_type == "Where" else []
    return [k for k, t in enumerate(terms) if t is not None and t.op in CONDITIONS] == chosen


def _computed(node: ir.Node) -> list[ir.Value]:
    return [v for v in node.inputs if v is not None and constant(v) is None]


def _is_elementwise(node: ir.Node | None) -> bool:
    return node is not None and is_standard(node, *RULES) and len(node.outputs) == 1


def _cone(value: ir.Value, source: ir.Value) -> list[ir.Node]:
    """Return the operators between, so that each stands before those that it reads."""
    order: list[ir.Node] = []
    seen: set[ir.Value] = {source}

    def visit(value: ir.Value) -> None:
        if value in seen:
            return
        seen.add(value)
        node = value.producer()
        if node is None or not _is_elementwise(node) or len(seen) > 2 * _MOST_STEPS:
            raise _NoFunction
        for operand in _computed(node):
            visit(operand)
        order.append(node)

    visit(value)
    return order[::-1]


class _Search:
    """The functions of one graph.

    Attributes:
        sources: the source of each value that is a function.
        terms: its expression and parameters.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self.sources: dict[ir.Value, ir.Value] = {}
        self.terms: dict[ir.Value, tuple[Expression, _Terms]] = {}
        self.place = {node: k for k, node in enumerate(context.graph)}

    def visit(self, node: ir.Node) -> None:
        """Find the source of a node's result, if it is a function."""
        if not _is_elementwise(node) or not (operands := _computed(node)):
            return
        curved = is_standard(node, *CURVED)
        together = len(operands) > 1
        if together:
            try:
                source = self._meeting(operands)
            except _NoFunction:
                return
            cone = _cone(node.outputs[0], source)
            straight = not any(n.op_type in CURVED for n in cone)
            apart = straight and node.op_type in (*CHOOSING, "Add", "Sub", "Sum", "Max", "Min")
            if apart and not (node.op_type == "Where" and self._only_bends(node, source, cone)):
                return  # a skip connection, the maximum of tensors, or a part of a quantizer
            if is_standard(node, *COMPARING):
                return  # only the Where that reads it is a number
            condition = producer(node.inputs[0], *COMPARING)
            if is_standard(node, "Where") and condition is None:
                return
        else:
            (source,) = operands
            if node.op_type in CHOOSING:
                return
            if not curved and source not in self.sources and not _is_curve(node):
                return
        for start in dict.fromkeys((self.sources.get(source, source), source)):
            terms = _Terms(start)
            try:
                term = terms.of(node.outputs[0])
            except _NoFunction:
                continue
            if len(terms.rows) > _MOST_PARAMETERS:
                continue
            self.sources[node.outputs[0]] = start
            scaled = node.op_type in ("Mul", "Div") and operands[0] in self.terms
            if together or curved or _is_curve(node) or (scaled and not terms.rows):
                self.terms[node.outputs[0]] = term, terms
            return

    def _only_bends(self, node: ir.Node, source: ir.Value, cone: list[ir.Node]) -> bool:
        """Return whether a selection is a function without jumps, and no refused quantizer's."""
        refused = {n for r in self.context.refusals.values() for n in r.covers}
        if any(n in refused or n in self.context.refusals for n in cone):
            return False
        terms = _Terms(source)
        try:
            return only_bends(terms.of(node.outputs[0]), list(terms.rows.values()))
        except (_NoFunction, Refused):
            return False

    def _meeting(self, operands: list[ir.Value]) -> ir.Value:
        """Return the last value that all ways to operands lead through."""
        front = {*operands}
        for _ in range(_MOST_STEPS):
            if len(front) == 1:
                return front.pop()
            makers = {v: v.producer() for v in front}
            last = max(front, key=lambda v: self.place.get(makers[v], -1))  # type: ignore[arg-type]
            node = makers[last]
            if node is None or not _is_elementwise(node):
                raise _NoFunction
            front.discard(last)
            front.update(_computed(node))
        raise _NoFunction


def _is_curve(node: ir.Node) -> bool:
    """Tell whether a tensor is a divisor."""
    return node.op_type == "Div" and node.inputs[1] in _computed(node)


def _recognize(context: Context) -> None:
    search = _Search(context)
    for node in context.graph:
        try:
            search.visit(node)
        except Refused as refusal:
            context.refusals.setdefault(node, refusal)
    moved: dict[ir.Value, ir.Value] = {}  # what has taken the place of a function's value
    for value, (term, terms) in search.terms.items():
        maker = value.producer()
        assert maker is not None
        x, rows = moved.get(terms.source, terms.source), list(terms.rows.values())
        new = _straightened(maker, context)
        if new is None and (slopes := leak(term, rows)) is not None:
            new = _bent(maker, x, slopes, context)
        if new is None:
            made = make_function(context.graph, x, term, rows, maker)
            made.outputs[0].shape = value.shape
            new = context.insert(maker, made)
        context.replace(value, new)
        moved[value] = new
    context.drop_unused()


def _straightened(node: ir.Node, context: Context) -> ir.Value | None:
    """Rewrite Abs and HardSigmoid, linear by pieces, as operators of the canonical graph."""
    value, x = node.outputs[0], node.inputs[0]
    assert x is not None
    steps: list[tuple[str, list[float]]] = []
    if is_standard(node, "Abs"):
        return _bent(node, x, np.array([-1.0], np.float32), context)
    if is_standard(node, "HardSigmoid"):
        alpha, beta = (
            node.attributes.get_float(name, default)
            for name, default in (("alpha", 0.2), ("beta", 0.5))
        )
        steps = [("Mul", [alpha]), ("Add", [beta]), ("Clip", [0.0, 1.0])]
    else:
        return None
    for k, (op_type, numbers) in enumerate(steps):
        names = [f"{node.name}.{op_type}.{i}" for i in range(len(numbers))]
        inputs = [
            initializer(context.graph, name, np.array(v, np.float32))
            for name, v in zip(names, numbers, strict=True)
        ]
        last = k == len(steps) - 1
        name = str(node.name) if last else f"{node.name}.{op_type}"
        step = ir.node(op_type, [x, *inputs], name=name)
        step.outputs[0].name = f"{value.name}.{op_type}"
        step.outputs[0].shape = value.shape
        x = context.insert(node, step)
    return x


def _bent(node: ir.Node, x: ir.Value, slopes: Array, context: Context) -> ir.Value:
    """Insert x with these slopes below 0, [1] or [C], in the place of a node."""
    _, channels, *axes = shape_of(x)
    array = np.broadcast_to(slopes, (channels,)).reshape(channels, *(1,) * len(axes))
    slope = initializer(context.graph, f"{node.name}.slope", array.astype(np.float32))
    bent = ir.node("PRelu", [x, slope], name=str(node.name))
    bent.outputs[0].shape = node.outputs[0].shape
    return context.insert(node, bent)


FUNCTION = Pattern(
    "functions of one tensor",
    frozenset(CURVED) | {"Mul", "Div", "Where"},
    partial(search_once, _recognize, "n2uq.functions_searched"),
)
