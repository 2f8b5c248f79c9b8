"""Ends of intervals in float64, rounded outwards: sums, products, quotients, smooth functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from .algebra import Reals

MARGIN = 2.0**-40  # relative error of a library function, with a large reserve
_LEAST = 1e-305  # absolute: results that may be subnormal, or may have underflowed
_TWO_BY_ROOT_PI = 2.0 / np.sqrt(np.pi)

Ends = tuple[Reals, Reals]


def _down(value: Reals, exact: Any) -> Reals:
    return np.where(exact, value, np.nextafter(value, -np.inf))


def _up(value: Reals, exact: Any) -> Reals:
    return np.where(exact, value, np.nextafter(value, np.inf))


def ends_sum(a: Ends, b: Ends) -> Ends:
    """Return bounds of a sum."""
    lo, hi = a[0] + b[0], a[1] + b[1]
    # Adding 0 is exact; so is a sum of 0, as float64 sums never underflow.
    return (
        _down(lo, (a[0] == 0) | (b[0] == 0) | (lo == 0)),
        _up(hi, (a[1] == 0) | (b[1] == 0) | (hi == 0)),
    )


def ends_product(a: Ends, b: Ends) -> Ends:
    """Return bounds of a product; a factor 0 makes 0 of an unbounded one."""
    least, greatest = None, None
    for p in a:
        for q in b:
            zero = (p == 0) | (q == 0)
            product = np.where(zero, 0.0, p * q)
            low, high = _down(product, zero), _up(product, zero)
            least = low if least is None else np.minimum(least, low)
            greatest = high if greatest is None else np.maximum(greatest, high)
    assert least is not None and greatest is not None
    return least, greatest


def ends_negative(a: Ends) -> Ends:
    return -a[1], -a[0]


def ends_hull(a: Ends, b: Ends) -> Ends:
    return np.minimum(a[0], b[0]), np.maximum(a[1], b[1])


def ends_inverse(a: Ends) -> Ends:
    """Return bounds of 1/a: everything where a may be 0, NaN where it is 0."""
    lo, hi = np.nextafter(1.0 / a[1], -np.inf), np.nextafter(1.0 / a[0], np.inf)
    may, sure = (a[0] <= 0) & (a[1] >= 0), (a[0] == 0) & (a[1] == 0)
    lo, hi = np.where(may, -np.inf, lo), np.where(may, np.inf, hi)
    return np.where(sure, np.nan, lo), np.where(sure, np.nan, hi)


def rising(
    f: Callable[[Reals], Reals], a: Ends, limits: tuple[float, float], at_zero: float | None = None
) -> Ends:
    """Return bounds of a rising library function with values between limits.

    Args:
        f: the function.
        a: bounds of its argument.
        limits: least and greatest value.
        at_zero: its exact value at 0, if that is a float64.
    """
    lo, hi = f(a[0]), f(a[1])
    low = np.maximum(lo - np.abs(lo) * MARGIN - _LEAST, limits[0])
    high = np.minimum(hi + np.abs(hi) * MARGIN + _LEAST, limits[1])
    if at_zero is not None:
        low, high = np.where(a[0] == 0, at_zero, low), np.where(a[1] == 0, at_zero, high)
    # f(inf) - inf * margin is NaN, and an overflow no bound from below.
    return np.where(lo == np.inf, np.finfo(float).max, low), high


def _falling(f: Callable[[Reals], Reals], a: Ends, limits: tuple[float, float]) -> Ends:
    """Return bounds of a falling library function."""
    return ends_negative(rising(lambda x: -f(x), a, (-limits[1], -limits[0])))


def even(f: Callable[[Reals], Reals], a: Ends, top: float) -> Ends:
    """Return bounds of an even function that falls from ``top`` at 0 towards 0."""
    most = np.maximum(np.abs(a[0]), np.abs(a[1]))
    least = np.where((a[0] <= 0) & (a[1] >= 0), 0.0, np.minimum(np.abs(a[0]), np.abs(a[1])))
    return _falling(f, (least, most), (0.0, top))


_FARTHEST = 2.0**40
"""Beyond, which part of a period an argument lies in is not asked for."""


def wave(f: Callable[[Reals], Reals], a: Ends, peak: float) -> Ends:
    """Return bounds of sine or cosine.

    Args:
        f: the function.
        a: bounds of its argument.
        peak: where it is 1.
    """
    turns = [(end - peak) / (2 * np.pi) for end in a]
    slack = MARGIN * (1 + np.maximum(np.abs(turns[0]), np.abs(turns[1])))
    far = (a[0] < -_FARTHEST) | (a[1] > _FARTHEST)
    holds = [
        far | (np.floor(turns[1] - part + slack) >= np.ceil(turns[0] - part - slack))
        for part in (0.0, 0.5)
    ]
    values = [f(np.where(far, 0.0, end)) for end in a]
    low, high = np.minimum(*values), np.maximum(*values)
    low = np.maximum(low - np.abs(low) * MARGIN - _LEAST, -1.0)
    high = np.minimum(high + np.abs(high) * MARGIN + _LEAST, 1.0)
    zero = (a[0] == 0) & (a[1] == 0)  # where both are exact, 0 or 1
    low, high = (np.where(zero, values[0], end) for end in (low, high))
    undefined = np.isnan(a[0]) | np.isnan(a[1])
    return (
        np.where(undefined, np.nan, np.where(holds[1], -1.0, low)),
        np.where(undefined, np.nan, np.where(holds[0], 1.0, high)),
    )


def _of_steps(x: Reals) -> Reals:
    """Return ``sigmoid(x) sigmoid(-x)``."""
    result: Reals = special.expit(x) * special.expit(-x)
    return result


def _of_softplus(x: Reals) -> Reals:
    """Return ``softplus'(x) / softplus(x)``, which falls from 1 to 0."""
    with np.errstate(all="ignore"):
        return np.where(x < -40.0, 1.0, special.expit(x) / np.logaddexp(0.0, x))


def of_tanh(x: Reals) -> Reals:
    """Return ``2 x / sinh(2 x)``, which falls from 1 at 0."""
    twice = np.clip(2 * np.abs(x), 1e-9, 700.0)
    return np.where(np.abs(x) > 350.0, 0.0, twice / np.sinh(twice))


def _of_erfc(x: Reals) -> Reals:
    """Return ``erfc'(x) / erfc(x)``, which falls from 0."""
    result: Reals = -_TWO_BY_ROOT_PI / special.erfcx(x)
    return result


EVERY = (-np.inf, np.inf)
_UNIT = (0.0, 1.0)
_QUARTER = np.nextafter(np.pi / 2, 2.0)


@dataclass(frozen=True)
class _Curve:
    """A monotone function with its slope and relative slope as functions of the argument."""

    value: Callable[[Ends], Ends]
    slope: Callable[[Ends], Ends]
    relative: Callable[[Ends], Ends] | None = None


SMOOTH: dict[str, _Curve] = {
    "exp": _Curve(
        lambda a: rising(np.exp, a, (0.0, np.inf), 1.0),
        lambda a: rising(np.exp, a, (0.0, np.inf), 1.0),
        lambda a: (np.ones(1), np.ones(1)),
    ),
    "expm1": _Curve(
        lambda a: rising(np.expm1, a, (-1.0, np.inf), 0.0),
        lambda a: rising(np.exp, a, (0.0, np.inf), 1.0),
    ),
    "sigmoid": _Curve(
        lambda a: rising(special.expit, a, _UNIT, 0.5),
        lambda a: even(_of_steps, a, 0.25),
        lambda a: _falling(lambda x: special.expit(-x), a, _UNIT),
    ),
    "softplus": _Curve(
        lambda a: rising(lambda x: np.logaddexp(0.0, x), a, (0.0, np.inf)),
        lambda a: rising(special.expit, a, _UNIT, 0.5),
        lambda a: _falling(_of_softplus, a, _UNIT),
    ),
    "tanh": _Curve(
        lambda a: rising(np.tanh, a, (-1.0, 1.0), 0.0),
        lambda a: even(lambda x: 4 * _of_steps(2 * x), a, 1.0),
    ),
    "atan": _Curve(
        lambda a: rising(np.arctan, a, (-_QUARTER, _QUARTER), 0.0),
        lambda a: even(lambda x: 1 / (1 + x * x), a, 1.0),
    ),
    "erf": _Curve(
        lambda a: rising(special.erf, a, (-1.0, 1.0), 0.0),
        lambda a: even(lambda x: _TWO_BY_ROOT_PI * np.exp(-x * x), a, 1.2),
    ),
    "erfc": _Curve(  # falling: the slopes say so
        lambda a: _falling(special.erfc, a, (0.0, 2.0)),
        lambda a: ends_negative(even(lambda x: _TWO_BY_ROOT_PI * np.exp(-x * x), a, 1.2)),
        lambda a: _falling(_of_erfc, a, (-np.inf, 0.0)),
    ),
}
