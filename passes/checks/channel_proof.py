"""Check one channel of a comparison table against the operations it was folded from.

Independent of the passes that are checked: operations are interpreted here once more, neither by
their own ``evaluate`` nor over the numbers that passes use.  Many values at once are compared in
intervals of float64, and those that an interval leaves undecided in exact numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..program import Op
from ..program.exact import Surd
from ..program.ops.real import Affine, Quantize, RealClip, RealPRelu
from .relation import Unrelated

EXHAUSTIVE = 1 << 17  # most reachable values of a channel that are checked one by one
_PARTS = 256  # into which a run of values is cut where its ends differ
_WIDEN = 2.0**-49  # relative: covers two roundings of parameters and one of the operation
_LEAST = 1e-290  # below, float64 may have lost bits

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Parameter:
    """An exact number, and the float64 that is nearest to it.

    Attributes:
        exact, value: the exact number, and the float64.
        error: a bound on their difference.
        lost: whether the number is too small or too large for that bound to hold.
    """

    __slots__ = ("error", "exact", "lost", "value")

    def __init__(self, number: Surd) -> None:
        self.exact, self.value = number, float(number)
        self.error = 0.0 if number.fits_float64 else abs(self.value) * _WIDEN
        self.lost = bool(number) and not _LEAST < abs(self.value) < np.inf


class Enclosed:
    """Numbers between bounds, float64 (N,).

    Attributes:
        lo, hi: the bounds.
        undecided: where a comparison was not certain, so that bounds mean nothing; bool (N,), one
            array for all that is derived from these numbers.
    """

    def __init__(self, lo: Floats, hi: Floats, undecided: Mask) -> None:
        self.lo, self.hi, self.undecided = lo, hi, undecided

    @classmethod
    def of(cls, values: Ints) -> Enclosed:
        x = values.astype(np.float64)
        margin = np.where(np.abs(x) < 2.0**53, 0.0, np.abs(x) * _WIDEN)
        return cls(x - margin, x + margin, np.zeros(len(x), bool))

    def _near(self, number: Parameter) -> tuple[float, float]:
        """Return a parameter and a bound on its rounding error."""
        if number.lost:
            self.undecided[:] = True
        return number.value, number.error

    def times(self, factor: Parameter) -> Enclosed:
        f, _ = self._near(factor)
        if f == 1 and not factor.error:
            return self
        ends = (self.lo * f, self.hi * f) if f >= 0 else (self.hi * f, self.lo * f)
        size = np.maximum(np.abs(ends[0]), np.abs(ends[1]))
        small = size < _LEAST
        if f and small.any():
            self.undecided[small & ((self.lo != 0) | (self.hi != 0))] = True
        margin = size * _WIDEN
        return Enclosed(ends[0] - margin, ends[1] + margin, self.undecided)

    def plus(self, term: Parameter) -> Enclosed:
        t, _ = self._near(term)
        if t == 0:
            return self
        margin = (abs(t) + np.abs(self.lo) + np.abs(self.hi)) * _WIDEN
        return Enclosed(self.lo + t - margin, self.hi + t + margin, self.undecided)

    def less(self, level: Parameter) -> Mask:
        t, error = self._near(level)
        yes, no = self.hi < t - error, self.lo >= t + error
        self.undecided |= ~(yes | no)
        return yes

    def greater(self, level: Parameter) -> Mask:
        t, error = self._near(level)
        yes, no = self.lo > t + error, self.hi <= t - error
        self.undecided |= ~(yes | no)
        return yes

    def where(self, chosen: Mask, other: Enclosed) -> Enclosed:
        """Return the numbers of ``other`` where ``chosen``, else these."""
        lo, hi = np.where(chosen, other.lo, self.lo), np.where(chosen, other.hi, self.hi)
        return Enclosed(lo, hi, self.undecided)

    def all_equal(self, number: Parameter) -> Enclosed:
        """Return one number in place of each."""
        value, error = self._near(number)
        row = np.full(len(self.lo), value)
        return Enclosed(row - error, row + error, self.undecided)


class Exact:
    """Exact numbers, with the interface of ``Enclosed``."""

    def __init__(self, values: Sequence[Surd]) -> None:
        self.values = values

    @classmethod
    def of(cls, values: Ints) -> Exact:
        return cls([Surd.of(v) for v in values.tolist()])

    def times(self, factor: Parameter) -> Exact:
        return Exact([v * factor.exact for v in self.values])

    def plus(self, term: Parameter) -> Exact:
        return Exact([v + term.exact for v in self.values])

    def less(self, level: Parameter) -> Mask:
        return np.array([v < level.exact for v in self.values], bool)

    def greater(self, level: Parameter) -> Mask:
        return np.array([v > level.exact for v in self.values], bool)

    def where(self, chosen: Mask, other: Exact) -> Exact:
        both = zip(chosen, other.values, self.values, strict=True)
        return Exact([theirs if choose else mine for choose, theirs, mine in both])

    def all_equal(self, number: Parameter) -> Exact:
        return Exact([number.exact] * len(self.values))


class Numbers(Protocol):
    """The numbers that a channel's chain is evaluated over: in float64 with bounds, or exact."""

    def times(self, factor: Parameter) -> Self: ...
    def plus(self, term: Parameter) -> Self: ...
    def less(self, level: Parameter) -> Mask: ...
    def greater(self, level: Parameter) -> Mask: ...
    def where(self, chosen: Mask, other: Self) -> Self: ...
    def all_equal(self, number: Parameter) -> Self: ...


Y = TypeVar("Y", bound=Numbers)


_ZERO = Parameter(Surd.of(0))


Step = tuple[str, Parameter]
"""A kind of operation (``times``, ``plus``, ``bend``, ``least``, ``most``) and its parameter."""


def _steps(op: Op, channel: int) -> list[Step]:
    """Translate an operation to what it does to one channel."""
    if isinstance(op, Affine):
        steps = [("times", op.slope[channel]), ("plus", op.offset[channel])]
    elif isinstance(op, RealPRelu):
        steps = [("bend", op.slope[channel])]
    elif isinstance(op, RealClip):
        steps = [(kind, b) for kind, b in (("least", op.lo), ("most", op.hi)) if b is not None]
    else:
        raise Unrelated(f"no table stands for {op.mnemonic} ({', '.join(op.origin)})")
    return [(kind, Parameter(number)) for kind, number in steps]


class Channel:
    """One channel's chain: the quantizer's input as a function of the table's integer input.

    Attributes:
        exact_count: values compared in exact numbers so far.
        ties: those among them that equal a threshold.
    """

    def __init__(self, slope: Surd, chain: Sequence[Op], quantizer: Quantize, channel: int) -> None:
        rows = quantizer.thresholds
        self._steps = [
            ("times", Parameter(slope)),
            *(step for op in chain for step in _steps(op, channel)),
            ("times", Parameter(quantizer.input_scale)),
        ]
        self._limits = [Parameter(t) for t in rows[channel if len(rows) > 1 else 0]]
        self._rules = quantizer.rules_of(channel)
        self.exact_count = self.ties = 0

    def states(self, values: Ints) -> Ints:
        """Follow values through the chain, int64 (S, N).

        Returns:
            the code of each, and a row for every bound of a bend: whether the value lies beyond.
        """
        enclosed = Enclosed.of(values)
        with np.errstate(all="ignore"):
            states, _ = self._followed(enclosed, len(values))
        rest = np.flatnonzero(enclosed.undecided)
        if len(rest):
            states[:, rest], y = self._followed(Exact.of(values[rest]), len(rest))
            self.exact_count += len(rest)
            self.ties += sum(any(v == t.exact for t in self._limits) for v in y.values)
        return states

    def codes(self, values: Ints) -> Ints:
        """Return codes of values, (N,)."""
        codes: Ints = self.states(values)[0]
        return codes

    def _followed(self, y: Y, count: int) -> tuple[Ints, Y]:
        """Return the states of ``count`` numbers, and the values that the quantizer compares."""
        sides: list[Mask] = []
        for kind, number in self._steps:
            if kind == "times":
                y = y.times(number)
            elif kind == "plus":
                y = y.plus(number)
            else:
                bent = kind == "bend"
                sides.append(
                    y.greater(number) if kind == "most" else y.less(_ZERO if bent else number)
                )
                y = y.where(sides[-1], y.times(number) if bent else y.all_equal(number))
        code: Ints = np.zeros(count, np.int64)
        for threshold, strict in zip(self._limits, self._rules, strict=True):
            code += y.greater(threshold) if strict else ~y.less(threshold)
        return np.array([code, *sides], np.int64), y


def differences(
    f: Channel, table: Callable[[Ints], Ints], bounds: Ints, lo: int, hi: int
) -> Iterator[tuple[int, int, int]]:
    """Yield (value, table code, network code) wherever the two differ."""
    if hi - lo < EXHAUSTIVE:
        values = np.arange(lo, hi + 1)
        got, want = table(values), f.codes(values)
        some = np.flatnonzero(got != want)[:3]
    else:
        values, got, want = _by_runs(f, table, bounds, lo, hi)
        some = np.flatnonzero(got != want)
    for i in some:
        yield int(values[i]), int(got[i]), int(want[i])


def _by_runs(
    f: Channel, table: Callable[[Ints], Ints], bounds: Ints, lo: int, hi: int
) -> tuple[Ints, Ints, Ints]:
    """Find values, ascending, that stand for all between them, with the codes of both sides.

    The chain is linear as long as all values are on the same side of each bend.  Between two values
    that take the same sides and have the same code, every value has that code; elsewhere the run is
    cut.  The table is constant between its bounds, a requantization monotone everywhere.
    """

    def states(values: Ints) -> Ints:
        return np.vstack([table(values), f.states(values)])

    cuts = np.concatenate([bounds, bounds + 1, [0]])  # at 0, so that lengths fit 64 bits
    ends = np.unique([lo, *cuts[(cuts > lo) & (cuts < hi)].tolist(), hi])
    known = {"values": [ends], "states": [states(ends)]}
    a, b = ends[:-1], ends[1:]
    at_a, at_b = known["states"][0][:, :-1], known["states"][0][:, 1:]
    while True:
        unlike = (a + 1 < b) & (at_a != at_b).any(axis=0)
        if not unlike.any():
            break
        a, b = a[unlike], b[unlike]
        step = np.maximum(1, (b - a) // _PARTS)
        inner = np.minimum(a[:, None] + step[:, None] * np.arange(1, _PARTS), b[:, None])
        values, place = np.unique(inner, return_inverse=True)
        inner_states = states(values)
        known["values"].append(values)
        known["states"].append(inner_states)
        between = inner_states[:, place.reshape(inner.shape)]
        grid = np.hstack([a[:, None], inner, b[:, None]])
        at_grid = np.concatenate([at_a[:, unlike, None], between, at_b[:, unlike, None]], axis=2)
        a, b = grid[:, :-1].ravel(), grid[:, 1:].ravel()
        at_a, at_b = (
            v.reshape(len(inner_states), -1) for v in (at_grid[:, :, :-1], at_grid[:, :, 1:])
        )
    values, first = np.unique(np.concatenate(known["values"]), return_index=True)
    got, want = np.concatenate(known["states"], axis=1)[:2, first]
    return values, got, want
