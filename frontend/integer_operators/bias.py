"""Integer biases as numbers that float32 holds: the sum of the terms is exact.

A bias counts in steps of the accumulator, the product of two float32 scales. float32 would round
that product; three or four float32 numbers hold it times an int32.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from ..recognize.pattern import Refused
from .real_values import Array

_TERMS = 4  # 24 bits each, for 24 + 24 bits of scales and 32 of the integer


def exact_terms(codes: Array, scales: Sequence[Array], factor: float = 1.0) -> list[Array]:
    """Return float32 arrays whose sum is codes * factor * product of scales, of the codes' shape.

    Args:
        codes: integers, of one axis or none.
        scales: float32, one value each, or as many as codes.
        factor: exact in float64.

    Raises:
        Refused: the product is no finite float32, or the sizes differ.
    """
    flat = codes.reshape(-1)
    steps = [Fraction(factor)] * max(1, *(scale.size for scale in scales))
    for scale in scales:
        if scale.size not in (1, len(steps)) or not np.isfinite(scale).all():
            raise Refused(f"{scale.size} scales of a bias of {flat.size} values", "as many, finite")
        numbers = np.broadcast_to(scale.reshape(-1), len(steps)).tolist()
        steps = [step * Fraction(number) for step, number in zip(steps, numbers, strict=True)]
    if len(steps) not in (1, flat.size):
        raise Refused(f"{len(steps)} scales of a bias of {flat.size} values", "as many")
    steps = steps * (flat.size // len(steps)) if len(steps) == 1 else steps
    rest = [int(code) * step for code, step in zip(flat.tolist(), steps, strict=True)]
    terms: list[Array] = []
    while len(terms) < _TERMS and (any(rest) or not terms):
        with np.errstate(over="ignore"):
            term = np.array([np.float32(float(value)) for value in rest], np.float32)
        if not np.isfinite(term).all():
            raise Refused("a bias beyond float32", "one of the network's own format")
        rest = [value - Fraction(float(t)) for value, t in zip(rest, term, strict=True)]
        terms.append(term.reshape(codes.shape))
    return terms
