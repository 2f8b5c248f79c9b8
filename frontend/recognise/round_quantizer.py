"""Activations rounded between two bounds: LSQ, LSQ+ and others of one step, as written in PyTorch.

    q = clip((x - b) / s, low, high);  code = round(q), floor or ceil;  value = code * s + b

Esser et al., "Learned Step Size Quantization", ICLR 2020, equations 1 and 2; Bhalgat et al.,
"LSQ+", CVPRW 2020, equation 1; the bounds may also stand in front of the division, or behind the
rounding. The rounding becomes a quantizer of integers; what stands behind it is left to the
patterns of straight-through pairs, scales and offsets.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor

import numpy as np
import onnx_ir as ir

from ..opset import MAX_BITS
from .base import Array, Context, Pattern, Refused, is_standard, only_reader, operands
from .pact import minimum, paper_clip
from .rounding import rises
from .uniform import Uniform, put_uniform

_MODES = {"Round": "ROUND", "Floor": "FLOOR", "Ceil": "CEIL"}
_SLACK = Fraction(1, 2**20)  # of a step: a bound is a product of a few float32
_SUPPORTED = "round(clip(x / s)) with constant s and bounds"


@dataclass(frozen=True)
class _Chain:
    """u = clip(scale * x + offset, low, high), in exact numbers; None is no bound."""

    x: ir.Value
    scale: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)
    low: Fraction | None = None
    high: Fraction | None = None

    def clipped(self, low: Fraction | None, high: Fraction | None) -> _Chain:
        """With its argument clipped first."""
        bounds = [None if b is None else b * self.scale + self.offset for b in (low, high)]
        new = [self._inside(bound) for bound in bounds]
        return replace(
            self, low=self.low if new[0] is None else new[0],
            high=self.high if new[1] is None else new[1],
        )  # fmt: skip

    def _inside(self, bound: Fraction | None) -> Fraction | None:
        if bound is None:
            return None
        bound = bound if self.low is None else max(bound, self.low)
        return bound if self.high is None else min(bound, self.high)


def _number(value: ir.Value | None, context: Context) -> Fraction | None:
    number = context.constants.scalar(value)
    return Fraction(float(number)) if number is not None and np.isfinite(number) else None


def _back(chain: _Chain, context: Context) -> _Chain | None:
    """One operator further to the network's input, None if it is none of a quantizer's."""
    node = chain.x.producer()
    if node is None or node.domain != "":
        return None
    if is_standard(node, "Clip"):
        bounds = [*node.inputs[1:3], None, None][:2]
        numbers = [_number(b, context) for b in bounds]
        if any(b is not None and n is None for b, n in zip(bounds, numbers, strict=True)):
            return None
        return _onto(node.inputs[0], chain.clipped(*numbers))
    if is_standard(node, "Relu"):
        return _onto(node.inputs[0], chain.clipped(Fraction(0), None))
    if (bounded := _formula(chain.x, node, context)) is not None:
        x, level = bounded
        zero = Fraction(0) if not is_standard(node, "Where") else None
        return _onto(x, chain.clipped(zero, level))
    for x, constant in operands(node):
        number = _number(constant, context)
        if number is None or context.constants.known(x):
            continue
        if is_standard(node, "Min", "Max"):
            low = is_standard(node, "Max")
            return _onto(x, chain.clipped(number, None) if low else chain.clipped(None, number))
        if is_standard(node, "Add") or (is_standard(node, "Sub") and x is node.inputs[0]):
            shift = number if is_standard(node, "Add") else -number
            return _onto(x, replace(chain, offset=chain.offset + chain.scale * shift))
        divides = is_standard(node, "Div") and x is node.inputs[0]
        if (divides or is_standard(node, "Mul")) and number > 0:
            factor = 1 / number if divides else number
            return _onto(x, replace(chain, scale=chain.scale * factor))
    return None


def _formula(value: ir.Value, node: ir.Node, context: Context) -> tuple[ir.Value, Fraction] | None:
    """(x, c) of PACT's formula, which clips from 0 to c, or of a Where that selects the smaller."""
    found = None
    if is_standard(node, "Where"):
        with suppress(Refused):
            found = minimum(node, context)
    else:
        found = paper_clip(value, context)
    level = _number(found[1], context) if found is not None else None
    return None if found is None or level is None else (found[0], level)


def _onto(x: ir.Value | None, chain: _Chain) -> _Chain | None:
    return None if x is None else replace(chain, x=x)


def _ends(chain: _Chain, node: ir.Node, context: Context) -> tuple[ir.Node, int, int, int]:
    """The node whose output the codes become, the least code and the greatest, and what it adds.

    Raises:
        Refused: nothing bounds them.
    """
    root, zero = node, 0
    low, high = (_code(bound, node.op_type) for bound in (chain.low, chain.high))
    behind = only_reader(node.outputs[0], "Add")
    for _, constant in operands(behind) if behind is not None else ():
        number = _number(constant, context)
        if number is not None and number == int(number):
            zero = int(number)
    rounded = behind.outputs[0] if behind is not None and zero else node.outputs[0]
    clip = only_reader(rounded, "Clip")
    if clip is not None and (low is None or high is None):
        bounds = [_number(bound, context) for bound in clip.inputs[1:3]]
        if len(bounds) == 2 and None not in bounds and all(b == int(b) for b in bounds if b):
            root = clip
            ends = [int(b) - zero for b in bounds if b is not None]
            low = ends[0] if low is None else min(max(low, ends[0]), ends[1])
            high = ends[1] if high is None else min(max(high, ends[0]), ends[1])
    if low is None or high is None:
        raise Refused("a rounded tensor without two constant bounds", _SUPPORTED)
    if not 1 <= high - low < 2**MAX_BITS:
        found = f"rounded to integers from {low} to {high}"
        raise Refused(found, f"2 to {2**MAX_BITS} levels: activations of 1 to {MAX_BITS} bits")
    return root, low, high, zero if root is clip else 0


def _code(bound: Fraction | None, op_type: str) -> int | None:
    if bound is None:
        return None
    near = round(bound)
    if abs(bound - near) <= _SLACK:
        return near
    if op_type == "Round":
        return near
    return floor(bound) if op_type == "Floor" else ceil(bound)


def _positions(chain: _Chain, wanted: Array) -> tuple[Array, np.float32]:
    """Thresholds and the float32 factor of x that they are compared with, both exact.

    Raises:
        Refused: neither x nor a multiple of it can be compared exactly.
    """
    exact = [Fraction(p) - chain.offset for p in wanted.tolist()]
    for factor in (Fraction(1), chain.scale):
        places = [p * factor / chain.scale for p in exact]
        held = all(Fraction(float(p)) == p for p in places)
        if held and Fraction(float(np.float32(float(factor)))) == factor:
            return np.array([float(p) for p in places]), np.float32(float(factor))
    raise Refused("thresholds that no float64 holds exactly", f"{_SUPPORTED} in float32")


def _recognise(node: ir.Node, context: Context) -> None:
    if context.constants.known(node.outputs[0]) or node.inputs[0] is None:
        return
    chain = _Chain(node.inputs[0])
    while (further := _back(chain, context)) is not None:
        chain = further
        if chain.low is not None and chain.high is not None and not _scaled(chain.x, context):
            break  # what is in front of the quantizer is not its own
    earlier = [other for other, refusal in context.refusals.items() if node in refusal.covers]
    try:
        root, low, high, zero = _ends(chain, node, context)
        positions, strict = rises(low, high, _MODES[node.op_type])
        places, factor = _positions(chain, positions)
    except Refused:
        if earlier:
            return  # it knows better what the quantizer lacks
        raise
    for other in earlier:
        del context.refusals[other]
    one = np.ones(1, np.float32)
    lowest = Fraction(low + zero)
    put_uniform(root, chain.x, Uniform(places, strict, one, one, lowest, factor), context)


def _scaled(x: ir.Value, context: Context) -> bool:
    """Whether a division or multiplication by a number, or a difference from one, computes it."""
    node = x.producer()
    return is_standard(node, "Div", "Mul", "Sub") and _back(_Chain(x), context) is not None


ROUND_QUANTIZER = Pattern("rounded activation", frozenset(_MODES), _recognise)
