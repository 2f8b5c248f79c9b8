"""Types of the integer Program's tensors and constants."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.diagnostics import Unfit

Shape = tuple[int, int, int]
IntArray = NDArray[np.int64]


def width_of(lo: int, hi: int) -> tuple[int, bool]:
    """Return the narrowest ``(bits, signed)`` that holds every integer in ``[lo, hi]``.

    Unsigned if nothing is negative, else two's complement (Blott et al., "FINN-R", TRETS 2018,
    section on accumulator sizing uses the same rule).
    """
    if lo >= 0:
        return max(1, hi.bit_length()), False
    return max((-lo - 1).bit_length(), max(hi, 0).bit_length()) + 1, True


def limits_of(bits: int, signed: bool) -> tuple[int, int]:
    """Return smallest and largest integer of a width.

    Raises:
        ValueError: a width that no tensor and no constant has.
    """
    if not 1 <= bits <= 64:
        raise Unfit(f"a width of {bits} bits; there are 1 to 64")
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


@dataclass(frozen=True, slots=True)
class IntType:
    """An integer tensor of one sample, channels last.

    Attributes:
        shape: (height, width, channels).
        bits: width in bits, 1 to 64.
        signed: two's complement if true.
        lo, hi: proven closed range of the values; it lies inside the width.
        scale: real value = scale * integer, for reports and the outer interface only; None where
            the scale differs by channel (accumulators of per-channel quantized weights).
        error: proven bound on |real value in the trained network - scale * integer| given equal
            codes at the preceding quantizers, in real units; 0 is exact.
        rows: while types are inferred, the proven range of each channel; a Program drops it
            (``ranges.channel_ranges`` derives it again).
    """

    shape: Shape
    bits: int
    signed: bool
    lo: int
    hi: int
    scale: Fraction | None = None
    error: Fraction = Fraction(0)
    rows: tuple[IntArray, IntArray] | None = field(default=None, compare=False, repr=False)

    @classmethod
    def ranged(
        cls,
        shape: Shape,
        lo: int,
        hi: int,
        scale: Fraction | None = None,
        error: Fraction = Fraction(0),
    ) -> IntType:
        """Return the type of the narrowest width for a range."""
        return cls(shape, *width_of(lo, hi), lo, hi, scale, error)

    @classmethod
    def of_rows(cls, shape: Shape, lo: IntArray, hi: IntArray) -> IntType:
        """Return the narrowest type for ranges of channels, int64 (C,) each."""
        least, most = int(lo.min()), int(hi.max())
        return cls(shape, *width_of(least, most), least, most, rows=(lo, hi))

    def with_rows_of(self, inferred: TensorType) -> IntType:
        """Return this declared type with the ranges by channel of an inferred type."""
        return self._with_rows(inferred.rows) if isinstance(inferred, IntType) else self

    def without_rows(self) -> IntType:
        """Return this type without ranges by channel, as a Program holds it."""
        return self if self.rows is None else self._with_rows(None)

    def _with_rows(self, rows: tuple[IntArray, IntArray] | None) -> IntType:
        # dataclasses.replace takes four times as long, and each pass asks for every tensor.
        return IntType(
            self.shape,
            self.bits,
            self.signed,
            self.lo,
            self.hi,
            self.scale,
            self.error,
            rows,
        )

    @property
    def channel_rows(self) -> tuple[IntArray, IntArray]:
        """Least and greatest value of each channel, int64 (C,) each."""
        if self.rows is not None:
            return self.rows
        channels = self.shape[2]
        return np.full(channels, self.lo, np.int64), np.full(channels, self.hi, np.int64)

    @property
    def unit(self) -> Fraction:
        """Real value between two neighbors; a scale is negative where a quantizer's step is."""
        return abs(self.scale) if self.scale is not None else Fraction(1)

    @property
    def real_ends(self) -> tuple[Fraction, Fraction]:
        """Least and greatest real value; a scale of None counts as 1."""
        scale = self.scale or Fraction(1)
        ends = self.lo * scale, self.hi * scale
        return min(ends), max(ends)

    @property
    def real_most(self) -> Fraction:
        """Greatest magnitude of a real value."""
        return max(abs(self.lo), abs(self.hi)) * self.unit

    @property
    def size(self) -> int:
        """Number of elements of one sample."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def container(self) -> np.dtype[np.signedinteger | np.unsignedinteger]:
        """The smallest numpy integer type that holds the width (memory of CPU targets)."""
        width = next(w for w in (8, 16, 32, 64) if w >= self.bits)
        return np.dtype(f"{'int' if self.signed else 'uint'}{width}")

    @property
    def limits(self) -> tuple[int, int]:
        return limits_of(self.bits, self.signed)

    def __str__(self) -> str:
        shape = ",".join(map(str, self.shape))
        text = f"{'s' if self.signed else 'u'}{self.bits}[{shape}] in [{self.lo}, {self.hi}]"
        if self.scale is not None:
            text += f" scale {self.scale}"
        return text + (f" error {self.error}" if self.error else "")


@dataclass(frozen=True, slots=True)
class RealType:
    """A tensor that is still real-valued: only before the pipeline's end."""

    shape: Shape

    def __str__(self) -> str:
        return f"real[{','.join(map(str, self.shape))}]"


TensorType = IntType | RealType


@dataclass(frozen=True, repr=False)
class Constant:
    """A named array of a program.

    Attributes:
        values: int64 array (float64 for the encoding ``real``).
        encoding: ``u`` unsigned, ``s`` two's complement, ``odd`` odd integers of
            ``±(2**bits - 1)`` stored as ``(v + 2**bits - 1) / 2``, or ``real`` (before lowering).
        bits: stored bits an element.
    """

    values: NDArray[Any]
    encoding: str
    bits: int

    def __post_init__(self) -> None:
        self.values.setflags(write=False)

    def __repr__(self) -> str:
        shape = ",".join(map(str, self.values.shape))
        return f"<Constant {self.encoding}{self.bits}[{shape}]>"

    @classmethod
    def narrow(cls, values: NDArray[np.integer] | list[int]) -> Constant:
        """Return the narrowest ordinary encoding of an integer array."""
        array = np.asarray(values, dtype=np.int64)
        lo, hi = (int(array.min()), int(array.max())) if array.size else (0, 0)
        bits, signed = width_of(lo, hi)
        return cls(array, "s" if signed else "u", bits)

    @classmethod
    def odd(cls, values: NDArray[np.integer], bits: int) -> Constant:
        return cls(np.asarray(values, dtype=np.int64), "odd", bits)

    @classmethod
    def real(cls, values: NDArray[np.floating]) -> Constant:
        return cls(np.asarray(values, dtype=np.float64), "real", 64)

    @property
    def stored_as(self) -> str:
        """The encoding as written in program text: u2, s24, odd2, real."""
        return self.encoding if self.encoding == "real" else f"{self.encoding}{self.bits}"

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest value of the encoding."""
        if self.encoding == "odd":
            top = (1 << self.bits) - 1
            return -top, top
        return limits_of(self.bits, self.encoding == "s")

    @cached_property
    def window_sums(self) -> tuple[IntArray, IntArray]:
        """Sums over the window of the positive and of the negative parts, int64 (O, I) each.

        For convolution weights (O, KH, KW, I).  Every pass's verification asks for them.
        """
        positive = np.maximum(self.values, 0).sum(axis=(1, 2))
        return positive, self.values.sum(axis=(1, 2)) - positive

    @cached_property
    def row_sums(self) -> tuple[IntArray, IntArray]:
        """Sums of the positive and of the negative parts of convolution weights, (O,) each."""
        positive, negative = self.window_sums
        rows = positive.astype(np.float64) - negative.astype(np.float64)
        if rows.sum(axis=1).max(initial=0) >= 2.0**62:  # sums could leave int64
            positive, negative = positive.astype(object), negative.astype(object)
        return positive.sum(axis=1), negative.sum(axis=1)

    @cached_property
    def row_bound(self) -> int:
        """The largest sum of magnitudes of one output's convolution weights."""
        positive, negative = self.row_sums
        return int((positive - negative).max(initial=0))

    @cached_property
    def row_values(self) -> int:
        """The greatest number of different values in one output's convolution weights."""
        rows = np.sort(self.values.reshape(len(self.values), -1), axis=1)
        return 1 + int((rows[:, 1:] != rows[:, :-1]).sum(axis=1).max(initial=0))

    @cached_property
    def fault(self) -> str | None:
        """What breaks the encoding's rule, if anything does.  Passes share most constants."""
        values = self.values
        if self.encoding == "real":
            return None
        if not 1 <= self.bits <= 64:
            return f"a width of {self.bits} bits; there are 1 to 64"
        if not values.size:
            return None
        low, high = self.limits
        if not (low <= values.min() and values.max() <= high):
            return f"values leave {self.stored_as}"
        if self.encoding == "odd" and not (values & 1).all():
            return f"an even value in {self.stored_as}"
        return None

    @property
    def storage_bits(self) -> int:
        """Bits that the array takes when packed."""
        return self.bits * self.values.size
