"""Random chains of elementwise operations, and an independent evaluation of them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from hypothesis import strategies as st

from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.ops.real import Affine, Elementwise, Quantize, RealClip, RealPRelu

RATIONAL = st.one_of(st.integers(-4, 4).map(Fraction), st.fractions(-3, 3, max_denominator=6)).map(
    Surd.of
)
IRRATIONAL = st.builds(
    lambda a, q: a * Surd.root(q), RATIONAL, st.fractions(Fraction(1, 4), 4, max_denominator=5)
)
EXACT = st.one_of(RATIONAL, IRRATIONAL)


def rows(numbers: st.SearchStrategy[Surd], count: int) -> st.SearchStrategy[tuple[Surd, ...]]:
    """Return a strategy for rows of ``count`` numbers."""
    return st.lists(numbers, min_size=count, max_size=count).map(tuple)


@st.composite
def chains(draw: st.DrawFn, channels: int, length: int) -> list[Elementwise]:
    """Draw operations from tensor ``t0`` to ``t<length>``; slopes of one square root at most."""
    chain: list[Elementwise] = []
    for k in range(length):
        names = {"output": f"t{k + 1}", "inputs": (f"t{k}",)}
        kind = draw(st.sampled_from([Affine, RealPRelu, RealClip]))
        if kind is Affine:
            row = rows(EXACT, channels)
            chain.append(Affine(slope=draw(row), offset=draw(row), **names))
        elif kind is RealPRelu:
            chain.append(RealPRelu(slope=draw(rows(RATIONAL, channels)), **names))
        else:
            ends = draw(RATIONAL), draw(RATIONAL)  # also the wrong way round
            lo, hi = (b if draw(st.booleans()) else None for b in ends)
            chain.append(RealClip(lo=lo, hi=hi, **names))
    return chain


@st.composite
def quantizers(draw: st.DrawFn, channels: int, source: str) -> Quantize:
    """Draw a quantizer with thresholds per tensor or per channel, and a rule for each of them."""
    count = draw(st.integers(1, 7))
    level = rows(EXACT, count).map(lambda row: tuple(sorted(row)))
    rules = st.lists(st.booleans(), min_size=count, max_size=count).map(tuple)
    many = st.sampled_from([1, channels])
    return Quantize(
        output="q",
        inputs=(source,),
        input_scale=draw(RATIONAL),
        strict=True,
        step=Surd.of(1),
        bits=3,
        thresholds=tuple(draw(level) for _ in range(draw(many))),
        ties=tuple(draw(rules) for _ in range(draw(many))),
    )


def by_hand(chain: Sequence[Elementwise], x: Surd, channel: int) -> Surd:
    """Return the result of a chain in one channel, by the formulas of its operations."""
    for op in chain:
        if isinstance(op, Affine):
            x = x * op.slope[channel] + op.offset[channel]
        elif isinstance(op, RealPRelu):
            x = x if x >= 0 else x * op.slope[channel]
        else:
            assert isinstance(op, RealClip)
            x = op.lo if op.lo is not None and x < op.lo else x
            x = op.hi if op.hi is not None and x > op.hi else x
    return x


def code_by_hand(op: Quantize, compared: Surd, channel: int) -> int:
    """Return the code of a number that a quantizer compares, in one channel."""
    y, limits = compared * op.input_scale, op.thresholds[channel % len(op.thresholds)]
    strict = op.ties[channel % len(op.ties)]
    return sum(y > t or (y == t and not s) for t, s in zip(limits, strict, strict=True))
