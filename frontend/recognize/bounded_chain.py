"""The operators before a rounding: an affine map of a tensor, clipped, in exact numbers.

Clips are written as Clip, Relu, Min and Max, as a Where that selects the smaller or the larger, or
as PACT's formula; scales and offsets as Mul, Div, Add and Sub by one number or one per channel.
They may have any order: bounds are converted to bounds of the rounded value.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import onnx_ir as ir

from .pact import COMPARISONS, larger_of, paper_clip, smaller_of
from .pattern import Context, UnknownShape
from .queries import channel_values, is_standard, only_reader, operands, producer, shape_of

Row = tuple[Fraction, ...]
"""Exact numbers: one for the tensor, or one per channel."""

_CLIPS = ("Clip", "Relu", "Min", "Max", "Where")
_ONE, _ZERO = (Fraction(1),), (Fraction(0),)


def _each(f: Callable[[Fraction, Fraction], Fraction], a: Row, b: Row) -> Row:
    count = max(len(a), len(b))
    pairs = zip(a * (count // len(a)), b * (count // len(b)), strict=True)
    return tuple(f(x, y) for x, y in pairs)


@dataclass(frozen=True)
class BoundedChain:
    """u = clip(scale * x + offset, low, high).

    Attributes:
        x: input of the chain.
        scale: positive.
        offset: see above.
        low, high: bounds of u; None if there is no bound.
        maps: nodes that multiply, divide, add and subtract, from x to u.
        nodes: all nodes of the chain.
    """

    x: ir.Value
    scale: Row = _ONE
    offset: Row = _ZERO
    low: Row | None = None
    high: Row | None = None
    maps: tuple[ir.Node, ...] = ()
    nodes: tuple[ir.Node, ...] = ()

    def clipped(self, low: Row | None, high: Row | None) -> BoundedChain:
        """Return the chain with its input clipped first."""
        new = [None if bound is None else self._inside(bound) for bound in (low, high)]
        return replace(
            self, low=self.low if new[0] is None else new[0],
            high=self.high if new[1] is None else new[1],
        )  # fmt: skip

    def _inside(self, argument: Row) -> Row:
        """Return u for an input, within the bounds."""
        u = _each(lambda a, b: a + b, self.scaled(argument), self.offset)
        if self.low is not None:
            u = _each(max, u, self.low)
        return u if self.high is None else _each(min, u, self.high)

    def scaled(self, row: Row) -> Row:
        """Return a row times the scale."""
        return _each(lambda a, b: a * b, row, self.scale)

    def onto(self, x: ir.Value | None) -> BoundedChain | None:
        """Return the same chain with another input."""
        node = self.x.producer()
        found = [node, producer(node.inputs[0], *COMPARISONS) if node is not None else None]
        nodes = (*(n for n in found if n is not None), *self.nodes)
        return None if x is None else replace(self, x=x, nodes=nodes)


def chain_before(value: ir.Value, context: Context) -> BoundedChain:
    """Return the chain that computes `value`, with as many operators as belong to the quantizer."""
    chain = BoundedChain(value)
    while (further := _back(chain, context)) is not None:
        chain = further
        if chain.low is not None and chain.high is not None and not _is_scaled(chain.x, context):
            break  # operators before the quantizer are not part of it
    return chain


def put_maps(chain: BoundedChain, before: ir.Node, context: Context) -> ir.Value:
    """Insert copies of the chain's nodes without its clips;
    return their result scale * x + offset.
    """
    value = chain.x
    for number, node in enumerate(chain.maps):
        inputs = [v if context.constants.known(v) else value for v in node.inputs]
        shape = value.shape
        copy = ir.node(node.op_type, inputs, name=f"{before.name}.{node.name}")
        copy.outputs[0].name = f"{before.name}.scaled{number}"
        copy.outputs[0].shape = shape
        value = context.insert(before, copy)
    return value


def scalar(value: ir.Value | None, context: Context) -> Fraction | None:
    """Return a finite constant of one element; None for any other value."""
    number = context.constants.scalar(value)
    return Fraction(float(number)) if number is not None and np.isfinite(number) else None


def clips_after(
    value: ir.Value, context: Context
) -> tuple[ir.Value, list[tuple[Fraction | None, Fraction | None]]]:
    """Return the output of the clips by integers that alone read `value`,
    and the bounds of each.
    """
    clips = []
    while (clip := only_reader(value, "Clip", "Min", "Max", "Relu")) is not None:
        bounds = _bounds(clip, value, context)
        if bounds is None or any(b is not None and b.denominator != 1 for b in bounds):
            break
        clips.append(bounds)
        value = clip.outputs[0]
    return value, clips


def _bounds(
    clip: ir.Node, value: ir.Value, context: Context
) -> tuple[Fraction | None, Fraction | None] | None:
    """Return the bounds of a clip of `value` by constants; a bound is None where there is none."""
    if is_standard(clip, "Relu"):
        return Fraction(0), None
    given: list[ir.Value | None]
    if is_standard(clip, "Clip"):
        given = [*clip.inputs[1:3], None, None][:2] if clip.inputs[0] is value else [value]
    else:
        others = [other for x, other in operands(clip) if x is value]
        given = [others[0], None] if is_standard(clip, "Max") else [None, *others[:1]]
    numbers = [scalar(bound, context) for bound in given]
    if len(numbers) != 2 or any(
        bound is not None and number is None for bound, number in zip(given, numbers, strict=True)
    ):
        return None
    return numbers[0], numbers[1]


def _row(value: ir.Value | None, x: ir.Value | None, context: Context) -> Row | None:
    """Return a constant operand: one number, or one per channel of x; None for any other value."""
    if value is None or not context.constants.known(value):
        return None
    if (single := scalar(value, context)) is not None:
        return (single,)
    with suppress(UnknownShape):
        array = context.constants.array(value)
        values = None if array is None else channel_values(array, shape_of(x))
        if values is not None and values.dtype.kind == "f" and np.isfinite(values).all():
            return tuple(Fraction(float(v)) for v in values)
    return None


def _back(chain: BoundedChain, context: Context) -> BoundedChain | None:
    """Extend a chain by the operator before it; None if that operator cannot be part of it."""
    node = chain.x.producer()
    if node is None or node.domain != "":
        return None
    if is_standard(node, "Clip", "Relu"):
        data = node.inputs[0]
        bounds = None if data is None else _bounds(node, data, context)
        rows = [None if b is None else (b,) for b in bounds or ()]
        return None if bounds is None else chain.clipped(rows[0], rows[1]).onto(data)
    if (paired := _paired_clip(node)) is not None:
        return chain.onto(paired)
    if (formula := _formula(chain.x, node, context)) is not None:
        return formula[1](chain).onto(formula[0])
    for x, constant in operands(node):
        number = _row(constant, x, context)
        if number is None or context.constants.known(x):
            continue
        if is_standard(node, "Min", "Max"):
            low = is_standard(node, "Max")
            return (chain.clipped(number, None) if low else chain.clipped(None, number)).onto(x)
        maps = (node, *chain.maps)
        if is_standard(node, "Add") or (is_standard(node, "Sub") and x is node.inputs[0]):
            shift = number if is_standard(node, "Add") else tuple(-n for n in number)
            offset = _each(lambda a, b: a + b, chain.offset, chain.scaled(shift))
            return replace(chain, offset=offset, maps=maps).onto(x)
        divides = is_standard(node, "Div") and x is node.inputs[0]
        if (divides or is_standard(node, "Mul")) and min(number) > 0:
            factor = tuple(1 / n for n in number) if divides else number
            return replace(chain, scale=chain.scaled(factor), maps=maps).onto(x)
    return None


def _paired_clip(node: ir.Node) -> ir.Value | None:
    """Return the clip c of a straight-through pair v + (c - v)."""
    for difference, v in operands(node) if is_standard(node, "Add") else ():
        inner = producer(difference, "Sub")
        if inner is not None and inner.inputs[1] is v:
            clip = inner.inputs[0]
            same = clip is not None and clip.shape == node.outputs[0].shape
            return clip if same and producer(clip, *_CLIPS) is not None else None
    return None


def _formula(
    value: ir.Value, node: ir.Node, context: Context
) -> tuple[ir.Value, Callable[[BoundedChain], BoundedChain]] | None:
    """Recognize PACT's clip formula from 0 to c, or a Where of the smaller or larger value."""
    if is_standard(node, "Where"):
        smaller, larger = smaller_of(node, context), larger_of(node, context)
        x, bound = smaller or larger or (None, None)
        row = _row(bound, x, context)
        if x is None or row is None:
            return None
        return x, lambda c: c.clipped(None, row) if smaller else c.clipped(row, None)
    clip = paper_clip(value, context)
    level = scalar(clip[1], context) if clip is not None else None
    if clip is None or level is None:
        return None
    top = (level,)
    return clip[0], lambda c: c.clipped(_ZERO, top)


def _is_scaled(x: ir.Value, context: Context) -> bool:
    """Return whether x is computed by Div or Mul by a number, or by Sub from one."""
    node = x.producer()
    return is_standard(node, "Div", "Mul", "Sub") and _back(BoundedChain(x), context) is not None
