"""Activations rounded between two bounds: LSQ, LSQ+, DoReFa, PACT and similar quantizers.

    q = clip((x - b) / s, low, high);  code = round(q), floor or ceil;  value = code * s + b
    or code = sign(q) * floor(|q| + 1/2), which rounds ties away from zero

Esser et al., "Learned Step Size Quantization", ICLR 2020, equations 1 and 2; Bhalgat et al.,
"LSQ+", CVPRW 2020, equation 1; Zhou et al., "DoReFa-Net", arXiv 1606.06160, equations 5 and 6. The
bounds may be applied before the division, after it, or after the rounding, and the scale may be
written in parts, as x / c * n. The rounding becomes a quantizer of integers; the patterns of
straight-through pairs, scales and offsets rewrite what follows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import ceil, floor

import numpy as np
import onnx_ir as ir

from ..opset import MAX_BITS
from .bounded_chain import BoundedChain, Row, chain_before, clips_after, put_maps, scalar
from .pattern import Context, Pattern, Refused
from .queries import Array, is_standard, only_reader, operands, producer
from .rounding import rises
from .uniform import Uniform, put_uniform

_MODES = {"Round": "ROUND", "Floor": "FLOOR", "Ceil": "CEIL"}
_SLACK = Fraction(1, 2**20)  # of a step: a bound is a product of a few float32 numbers
_SUPPORTED = "round(clip(x / s)) with constant s and bounds"


@dataclass(frozen=True)
class _Rounding:
    """A tensor rounded to integers.

    Attributes:
        root: the node that defines the integers.
        q: what is rounded.
        mode: of `rounding.rises`.
        nodes: all its nodes.
    """

    root: ir.Node
    q: ir.Value
    mode: str
    nodes: tuple[ir.Node, ...]


def _plain(node: ir.Node, context: Context) -> _Rounding | None:
    """Return what a Round, Floor or Ceil rounds."""
    q = node.inputs[0]
    return None if q is None else _Rounding(node, q, _MODES[node.op_type], (node,))


def _away(node: ir.Node, context: Context) -> _Rounding | None:
    """Return what sign(q) * floor(|q| + 1/2) rounds, of which `node` is the Floor."""
    shifted, root = producer(node.inputs[0], "Add"), only_reader(node.outputs[0], "Mul")
    if shifted is None or root is None:
        return None
    (sign,) = (producer(v, "Sign") for v in root.inputs if v is not node.outputs[0])
    for magnitude, half in operands(shifted):
        size = producer(magnitude, "Abs")
        if sign is None or size is None or scalar(half, context) != Fraction(1, 2):
            continue
        if (q := size.inputs[0]) is not None and sign.inputs[0] is q:
            return _Rounding(root, q, "HALF_UP", (sign, size, shifted, node, root))
    return None


@dataclass(frozen=True)
class _Ends:
    """Range of the codes at the output of `root`: rounded integers plus `zero`, in low..high."""

    root: ir.Node
    low: int
    high: int
    zero: int = 0


def _ends(chain: BoundedChain, rounding: _Rounding, context: Context) -> _Ends:
    """Find the range of the codes from the bounds before and after the rounding.

    Raises:
        Refused: a bound is missing.
    """
    low, high = (_code(bound, rounding.mode) for bound in (chain.low, chain.high))
    ends = _Ends(rounding.root, 0, 0)
    if low is None or high is None:
        rounded = _after_pair(rounding)
        zero = 0
        shift = only_reader(rounded, "Add")
        for _, constant in operands(shift) if shift is not None else ():
            number = scalar(constant, context)
            if number is not None and number.denominator == 1:
                zero = int(number)
        value, clips = clips_after(
            shift.outputs[0] if shift is not None and zero else rounded, context
        )
        last = value.producer()
        if last is not None and clips:
            ends = _Ends(last, 0, 0, zero)
        for clip in clips:
            low, high = _within(low, high, *clip, zero)
    if low is None or high is None:
        raise Refused("a rounded tensor without two constant bounds", _SUPPORTED)
    if not 1 <= high - low < 2**MAX_BITS:
        text = f"rounded to integers from {low} to {high}"
        raise Refused(text, f"2 to {2**MAX_BITS} levels: activations of 1 to {MAX_BITS} bits")
    return _Ends(ends.root, low, high, ends.zero)


def _within(
    low: int | None, high: int | None, least: Fraction | None, most: Fraction | None, zero: int
) -> tuple[int | None, int | None]:
    """Return low..high clipped to `least`..`most`, which apply after `zero` was added."""
    if least is not None:
        end = int(least) - zero
        low = end if low is None else max(low, end)
        high = None if high is None else max(high, end)
    if most is not None:
        end = int(most) - zero
        high = end if high is None else min(high, end)
        low = None if low is None else min(low, end)
    return low, high


def _after_pair(rounding: _Rounding) -> ir.Value:
    """Return the result of the rounding, or of the straight-through pair around it.

    The pair is (round(q) - q) + q; only its result may be clipped.
    """
    rounded, q = rounding.root.outputs[0], rounding.q
    first = only_reader(rounded, "Sub", "Add")
    if first is None or not any(v is q for v in first.inputs):
        return rounded
    if is_standard(first, "Sub") and first.inputs[0] is not rounded:
        return rounded
    second = only_reader(first.outputs[0], "Add" if is_standard(first, "Sub") else "Sub")
    if second is None or not any(v is q for v in second.inputs):
        return rounded
    if is_standard(second, "Sub") and second.inputs[1] is not q:
        return rounded
    return second.outputs[0]


def _code(bounds: Row | None, mode: str) -> int | None:
    """Return the integer that a bound is rounded to; None without a bound.

    Raises:
        Refused: it differs by channel.
    """
    if bounds is None:
        return None
    codes = {_rounded(bound, mode) for bound in bounds}
    if len(codes) > 1:
        found = f"channels that are rounded to at most {min(codes)} to {max(codes)}"
        raise Refused(found, "as many levels in every channel")
    return codes.pop()


def _rounded(bound: Fraction, mode: str) -> int:
    near = round(bound)
    if abs(bound - near) <= _SLACK or mode == "ROUND":
        return near
    if mode == "HALF_UP":
        whole = floor(abs(bound) + Fraction(1, 2))
        return whole if bound > 0 else -whole
    return floor(bound) if mode == "FLOOR" else ceil(bound)


def _thresholds(chain: BoundedChain, positions: Array) -> tuple[Array, np.float32] | None:
    """Return exact thresholds [1,K] or [C,K], and the factor of x that is compared with them.

    None if the numbers do not fit float64's 53 bits, for x and for a multiple of it.
    """
    exact = [[Fraction(p) - o for p in positions.tolist()] for o in chain.offset]
    single = (chain.scale[0],) if len(chain.scale) == 1 else ()
    for factor in (Fraction(1), *single):
        scales = [factor / scale for scale in chain.scale]
        count = max(len(scales), len(exact))
        pairs = zip(scales * (count // len(scales)), exact * (count // len(exact)), strict=True)
        rows = [[p * scale for p in row] for scale, row in pairs]
        held = all(_holds(p) for row in rows for p in row)
        if held and Fraction(float(np.float32(float(factor)))) == factor:
            return np.array([[float(p) for p in row] for row in rows]), np.float32(float(factor))
    return None


def _holds(number: Fraction) -> bool:
    """Return whether float64 represents a number exactly."""
    try:
        return Fraction(float(number)) == number
    except OverflowError:
        return False


def _recognize(
    find: Callable[[ir.Node, Context], _Rounding | None], node: ir.Node, context: Context
) -> None:
    rounding = find(node, context)
    if rounding is None or context.constants.known(node.outputs[0]):
        return
    chain = chain_before(rounding.q, context)
    earlier = [other for other, refusal in context.refusals.items() if node in refusal.covers]
    try:
        ends = _ends(chain, rounding, context)
    except Refused as refusal:
        if earlier:
            return  # its refusal has the better reason
        refusal.covers = (*rounding.nodes, *chain.nodes)
        raise
    for other in earlier:
        del context.refusals[other]
    positions, strict = rises(ends.low, ends.high, rounding.mode)
    compared, x = _thresholds(chain, positions), chain.x
    if compared is None:  # the affine map is kept, and its exact result is compared
        compared, x = (positions[None, :], np.float32(1)), put_maps(chain, rounding.root, context)
    one = np.ones(1, np.float32)
    lowest = Fraction(ends.low + ends.zero)
    put_uniform(ends.root, x, Uniform(compared[0], strict, one, one, lowest, compared[1]), context)


ROUND_QUANTIZER = Pattern("rounded activation", frozenset(_MODES), partial(_recognize, _plain))
ROUND_AWAY = Pattern(
    "ties rounded away from zero", frozenset({"Floor"}), partial(_recognize, _away)
)
"""Applied before a Sign is taken for a quantizer of its own."""
