"""Selections of pieces that meet: ``where(x > 0, x, 0.1 * x)`` and other functions without jumps.

A selection that jumps is a part of a quantizer; one that only bends is an activation function,
written by hand.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..expression import Expression, X, number
from ..expression_float import Float64Arithmetic
from ..opset import Array

_ZERO = number(0)


def only_bends(term: Expression, rows: Sequence[Array]) -> bool:
    """Return whether all pieces of a term are chosen by x itself, and meet where they change.

    Args:
        term: the function.
        rows: its parameters, one number of each channel.
    """
    if term.op == "above":
        low, high, *pieces = term.arguments
        bound = high if low == X else low
        if X not in (low, high) or bound.op != "number":
            return False
        at, channels = np.array(float(bound.value)), [np.asarray(r, np.float64) for r in rows]
        u, v = (piece.evaluate(Float64Arithmetic(), at, channels) for piece in pieces)
        if not (np.isfinite(u) & (u == v)).all():
            return False
    return all(only_bends(argument, rows) for argument in term.arguments)


def leak(term: Expression, rows: Sequence[Array]) -> Array | None:
    """Return the slopes below 0 of a function that is x above it, [1] or [C]; None for others."""
    if term.op != "above":
        return None
    low, high, u, v = term.arguments
    if (low, high) == (_ZERO, X):
        u, v = v, u
    elif (low, high) != (X, _ZERO):
        return None
    slopes = [factor for factor in v.arguments if factor != X]
    if u != X or v.op != "mul" or len(slopes) != 1:
        return None
    (slope,) = slopes
    if slope.op not in ("number", "parameter"):
        return None
    if slope.op == "parameter":
        return np.asarray(rows[int(slope.value)])
    return np.array([float(slope.value)], np.float32)
