"""Integer multipliers, biases and shifts for affine maps, with their error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from n2uqc.frontend.diagnostics import Unfit

from ..program.exact import Surd
from ..program.rounding import round_shift_exact
from ..program.types import Constant

MULTIPLIER_BITS = 31  # bits of the magnitude; with the sign it is a 32-bit word
INTERMEDIATE_BITS = 61  # |x * multiplier| and |bias| below 2**61: the sum stays inside 64 bits


@dataclass(frozen=True)
class Scaling:
    """The constants of ``y = round((x * multiplier + bias) / 2**shift)`` by channel.

    Attributes:
        multiplier, bias, shift: constants (C,).
        error: bound on the difference of y from the exact affine map, in units of y (including
            rounding).
        lift: for maps too steep for one multiplier, the power of 2 of each channel by which ``x *
            multiplier`` has to be multiplied before the bias is added; empty if none is.
    """

    multiplier: Constant
    bias: Constant
    shift: Constant
    error: Fraction
    lift: tuple[int, ...] = ()


MOST_LIFT = MULTIPLIER_BITS - 1
_PRECISION = 256  # binary digits to which real parameters are rounded here
_NOISE = 2.0**-180  # bound on the error of that, far below any reported error


def to_fixed(value: Surd, places: int) -> tuple[int, float]:
    """Return ``value * 2**places`` as an integer,
    and a bound on its error in units of the value.
    """
    fine = value.scaled(_PRECISION)
    shift = _PRECISION - places
    integer = round_shift_exact(fine, shift)
    return integer, ldexp(abs(fine - (integer << shift)), -_PRECISION) * (1 + 2.0**-50) + _NOISE


def ldexp(value: int, exponent: int) -> float:
    """Return ``value * 2**exponent`` for integers of any size, rounded up beyond 64 bits."""
    surplus = max(0, abs(value).bit_length() - 64)  # float64 holds 53 bits
    return math.ldexp(float((value >> surplus) + bool(surplus)), exponent + surplus)


def _exponent(value: Surd) -> int:
    """Return the least ``e`` with ``|value| < 2**e``, up to the error of ``to_fixed``."""
    return value.scaled(_PRECISION).bit_length() - _PRECISION


def _channel(
    slope: Surd, offset: Surd, most: int, *, lifted: bool
) -> tuple[int, int, int, float, int]:
    """Return multiplier, bias, shift, error and lift of one channel for ``|x| <= most``."""
    room = min(MULTIPLIER_BITS, INTERMEDIATE_BITS - most.bit_length())
    shift = min(62, room - _exponent(slope), INTERMEDIATE_BITS - 1 - _exponent(offset))
    if -MOST_LIFT <= shift < 0 and lifted:
        # The bias is added after the power of 2, so that it keeps its bits.
        low = slope * Fraction(1, 1 << -shift)
        multiplier, _, shift_left, error, _ = _channel(low, Surd.of(0), most, lifted=False)
        assert shift_left == 0
        bias, offset_miss = to_fixed(offset, 0)
        return multiplier, bias, 0, error * 2.0**-shift + offset_miss, -shift
    if shift < 0:
        raise Unfit(
            f"slope {float(slope):g} or offset {float(offset):g} is too large for integer "
            f"requantization of a {most.bit_length() + 1}-bit value"
        )
    if shift and abs(to_fixed(slope, shift)[0]) >> MULTIPLIER_BITS:  # rounded up to a power of 2
        shift -= 1
    (multiplier, slope_miss), (bias, offset_miss) = (to_fixed(v, shift) for v in (slope, offset))
    while shift and multiplier % 2 == 0 and bias % 2 == 0:  # the same map with smaller numbers
        multiplier, bias, shift = multiplier // 2, bias // 2, shift - 1
    return multiplier, bias, shift, slope_miss * most + offset_miss + (0.5 if shift else 0.0), 0


def scaling(
    slope: Sequence[Surd], offset: Sequence[Surd], most: int, *, lifted: bool = False
) -> Scaling:
    """Return the most precise constants that 64-bit intermediates allow.

    Args:
        slope, offset: the exact map of each channel, in integer units of input and output.
        most: greatest magnitude of the input.
        lifted: whether steep maps may need a multiplication by a power of 2 (``Scaling.lift``).

    Raises:
        ValueError: the map of a channel cannot be represented.
    """
    rows = [_channel(s, o, most, lifted=lifted) for s, o in zip(slope, offset, strict=True)]
    multipliers, biases, shifts, errors, lift = zip(*rows, strict=True)
    m, b, s = (Constant.narrow(list(row)) for row in (multipliers, biases, shifts))
    return Scaling(m, b, s, Fraction(max(errors)), lift if any(lift) else ())


def short(value: Fraction) -> Fraction:
    """Round a bound up to a number of few digits, for types and reports."""
    return Surd.of(value).upper(16) if value else Fraction(0)
