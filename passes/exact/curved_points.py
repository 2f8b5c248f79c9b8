"""The code of one integer after a chain with functions such as Sigmoid or GELU, decided exactly.

First in exact numbers, where functions are rational or have a known value (``sigmoid(0) = 1/2``):
only there can a value equal a threshold.  Exp, sigmoid, tanh and erf of a nonzero algebraic number
are transcendental (Lindemann and Weierstrass; Siegel for erf), so no such value is a threshold, and
ball arithmetic decides at some precision (Johansson, "Arb: efficient arbitrary-precision
midpoint-radius interval arithmetic", IEEE Trans. Comput. 66, 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..program.exact import Surd
from ..program.ops.real import Elementwise, Quantize, RealFunction, Row
from .balls import Ball, ball, precision
from .channel_number import Undecided
from .exact_numbers import ExactNumber, NotAlgebraic

MOST_BITS = 4096
"""Precision at which a comparison that is still open is given up."""

_LEAST_BITS = 96
_OPEN_ENDS = {"sigmoid": (0, 1), "tanh": (-1, 1), "erf": (-1, 1)}
"""What functions of a finite number come close to and never reach."""


def code_at(
    op: Quantize, chain: Sequence[Elementwise], scale: Surd, channel: int, value: int
) -> int:
    """Return the code of an integer in one channel.

    Args:
        op: the quantizer.
        chain: the operations between the integer tensor and the quantizer, in order.
        scale: real value of the integer 1.
        channel: index of the channel.
        value: the integer.

    Raises:
        Undecided: a function is not defined there, or its value is too close to a threshold.
    """
    thresholds = op.thresholds[channel if len(op.thresholds) > 1 else 0]
    rules = op.rules_of(channel)
    x = scale * value
    try:
        y = ExactNumber(x, channel)
        for link in chain:
            y = link.evaluate(y)
        exact = y.times((op.input_scale,)).value
        pairs = zip(thresholds, rules, strict=True)
        return sum(exact > t if strict else exact >= t for t, strict in pairs)
    except NotAlgebraic:
        pass
    ends = _open_ends(chain, op.input_scale)
    bits = _LEAST_BITS
    while bits <= MOST_BITS:
        with precision(bits):
            enclosure = Ball(ball(x), channel)
            for link in chain:
                enclosure = link.evaluate(enclosure)
            code = _counted(enclosure.times((op.input_scale,)).value, thresholds, rules, ends)
        if code is not None:
            return code
        bits *= 2
    raise Undecided(f"{MOST_BITS} bits do not decide whether it passes a threshold")


def _open_ends(chain: Sequence[Elementwise], scale: Surd) -> tuple[Surd, Surd] | None:
    """Return numbers that the compared values come close to and never reach, if there are such."""
    last = chain[-1] if chain else None
    if not isinstance(last, RealFunction) or last.function.op not in _OPEN_ENDS:
        return None
    low, high = sorted(scale * Surd.of(end) for end in _OPEN_ENDS[last.function.op])
    return low, high


def _counted(
    value: Any, thresholds: Row, rules: tuple[bool, ...], ends: tuple[Surd, Surd] | None
) -> int | None:
    """Return the code of a ball, None if it holds a threshold."""
    code = 0
    for threshold, strict in zip(thresholds, rules, strict=True):
        if ends is not None and not ends[0] < threshold < ends[1]:
            code += threshold <= ends[0]
            continue
        gap = value - ball(threshold)
        if gap > 0:
            code += 1
        elif gap.is_zero():
            code += not strict
        elif not gap < 0:
            return None
    return code
