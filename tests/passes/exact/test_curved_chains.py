"""Tables after functions of one number, held against mpmath for every reachable integer."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.passes.exact.channel_number import Undecided
from n2uqc.passes.exact.curved_chains import fold_curved
from n2uqc.passes.exact.curved_points import code_at
from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.ops.real import Affine, Elementwise, Quantize, RealClip, RealFunction

mp = mpmath.mp.clone()
mp.dps = 60
_SAME = mp.mpf(10) ** -45  # what is closer to a threshold is the threshold itself


def _logistic(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


FUNCTIONS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "sigmoid": ("sigmoid(x)", _logistic),
    "tanh": ("tanh(x)", mp.tanh),
    "sin": ("sin(x)", mp.sin),
    "cos": ("cos(mul(3,x))", lambda x: mp.cos(3 * x)),
    "atan": ("atan(x)", mp.atan),
    "tan": ("div(sin(x),cos(x))", mp.tan),
    "silu": ("mul(x,sigmoid(x))", lambda x: x * _logistic(x)),
    "gelu": (
        "mul(1/2,mul(x,erfc(mul(-1,mul(x,sqrt(1/2))))))",
        lambda x: x * mp.ncdf(x),
    ),
    "gelu of tanh": (
        "mul(x,sigmoid(mul(2,mul(add(x,mul(8943/200000,pow(x,3))),sqrt(mul(2,div(1,pi)))))))",
        lambda x: x / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + mp.mpf(8943) / 200000 * x**3))),
    ),
    "hardswish": (
        "mul(x,min(1,max(0,add(1/2,mul(1/6,x)))))",
        lambda x: x * min(max(x + 3, 0), 6) / 6,
    ),
    "mish": ("mul(x,tanh(softplus(x)))", lambda x: x * mp.tanh(mp.log1p(mp.exp(x)))),
    "elu": ("add(max(0,x),expm1(min(0,x)))", lambda x: x if x > 0 else mp.expm1(x)),
    "softplus": ("softplus(x)", lambda x: mp.log1p(mp.exp(x))),
    "jump": ("above(x,1,x,softplus(x))", lambda x: x if x > 1 else mp.log1p(mp.exp(x))),
    "softsign": ("div(x,add(1,abs(x)))", lambda x: x / (1 + abs(x))),
    "square": ("pow(x,2)", lambda x: x * x),
    "bump": ("exp(mul(-1,pow(x,2)))", lambda x: mp.exp(-x * x)),
    "root": ("sqrt(add(1,pow(x,2)))", lambda x: mp.sqrt(1 + x * x)),
    "cube root": ("pow(abs(x),1/3)", lambda x: mp.cbrt(abs(x))),
    "inverse": ("div(1,add(2,pow(x,2)))", lambda x: 1 / (2 + x * x)),
    "difference": ("sub(tanh(x),sigmoid(mul(-3,x)))", lambda x: mp.tanh(x) - _logistic(-3 * x)),
    "logarithm": ("log(add(1/8,pow(x,2)))", lambda x: mp.log(mp.mpf(1) / 8 + x * x)),
    "error function": (
        "sub(erf(x),exp(min(x,max(-3,mul(-1/2,x)))))",
        lambda x: mp.erf(x) - mp.exp(min(x, max(-3, -x / 2))),
    ),
    "of channels": ("mul(x,sigmoid(mul(p0,x)))", lambda x: x * _logistic(x)),  # p0 = 1
}

_HALVES = st.integers(-32, 32).map(lambda k: Surd.of(Fraction(k, 8)))
_SLOPES = st.one_of(
    st.integers(-40, 40).map(lambda k: Surd.of(Fraction(k, 32))),
    st.builds(lambda k, q: Surd.of(Fraction(k, 64)) * Surd.root(q), st.integers(1, 40),
              st.sampled_from([Fraction(2), Fraction(3, 5)])),
)  # fmt: skip


def _number(value: Surd) -> Any:
    """Return a number in mpmath's arithmetic."""
    terms = (
        mp.mpf(c.numerator) / c.denominator * mp.sqrt(mp.mpf(q.numerator) / q.denominator)
        for q, c in value.terms.items()
    )
    return sum(terms, mp.mpf(0))


def _code(y: Any, quantizer: Quantize, channel: int) -> int:
    levels = quantizer.thresholds[channel if len(quantizer.thresholds) > 1 else 0]
    code = 0
    for level, strict in zip(levels, quantizer.rules_of(channel), strict=True):
        gap = y - _number(level)
        code += not strict if abs(gap) < _SAME else gap > 0
    return code


def _quantizer(levels: tuple[tuple[Surd, ...], ...], rules: tuple[bool, ...]) -> Quantize:
    return Quantize(
        output="q", inputs=("y",), thresholds=levels, input_scale=Surd.of(1), strict=True,
        step=Surd.of(1), bits=4, ties=(rules,),
    )  # fmt: skip


def _chain(name: str, slope: tuple[Surd, ...], offset: tuple[Surd, ...]) -> list[Elementwise]:
    ones = ((Surd.of(1),) * len(slope),) if name == "of channels" else ()
    return [
        Affine(output="a", inputs=("v",), slope=slope, offset=offset),
        RealFunction(output="y", inputs=("a",), expression=FUNCTIONS[name][0], parameters=ones),
    ]


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(sorted(FUNCTIONS)), st.integers(1, 3))
def test_every_reachable_integer(data, name: str, channels: int) -> None:
    """Thresholds are multiples of 1/8 or values of the function itself, so that ties occur."""
    slope, offset = (
        tuple(data.draw(st.lists(s, min_size=channels, max_size=channels)))
        for s in (_SLOPES, _HALVES)
    )
    count = data.draw(st.integers(1, 6))
    level = st.lists(_HALVES, min_size=count, max_size=count).map(lambda v: tuple(sorted(v)))
    levels = tuple(data.draw(level) for _ in range(data.draw(st.sampled_from([1, channels]))))
    rules = tuple(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    lo = np.array(data.draw(st.lists(st.integers(-40, 20), min_size=channels, max_size=channels)))
    hi = lo + np.array(
        data.draw(st.lists(st.integers(0, 50), min_size=channels, max_size=channels))
    )
    quantizer, chain = _quantizer(levels, rules), _chain(name, slope, offset)
    found = fold_curved(quantizer, chain, Surd.of(Fraction(1, 2)), (lo, hi))
    at = 0
    for c in range(channels):
        bounds = found.bounds[at : at + found.count[c]]
        signs = found.signs[at : at + found.count[c]]
        at += found.count[c]
        for v in range(int(lo[c]), int(hi[c]) + 1):
            x = _number(slope[c]) * v / 2 + _number(offset[c])
            want = _code(FUNCTIONS[name][1](x), quantizer, c)
            assert found.base[c] + signs[bounds < v].sum() == want, (name, c, v)
            assert code_at(quantizer, chain, Surd.of(Fraction(1, 2)), c, v) == want


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_to_many_bits(name: str) -> None:
    """Two thresholds that lie 2**-88 apart around mpmath's value."""
    chain = _chain(name, (Surd.of(1),), (Surd.of(0),))
    for value in (-61, -24, -9, -1, 0, 1, 7, 8, 30, 65):
        near = mp.floor(FUNCTIONS[name][1](mp.mpf(value) / 8) * 2**90)
        levels = tuple(Surd.of(Fraction(int(near) + d, 2**90)) for d in (-1, 2))
        code = code_at(_quantizer((levels,), (True,) * 2), chain, Surd.of(Fraction(1, 8)), 0, value)
        assert code == 1, value


TIES = [  # function, integer, scale, threshold that its value equals
    ("sigmoid", 0, Fraction(1), Fraction(1, 2)),
    ("silu", 0, Fraction(1), Fraction(0)),
    ("mish", 0, Fraction(1), Fraction(0)),
    ("gelu", 0, Fraction(1), Fraction(0)),
    ("gelu of tanh", 0, Fraction(1), Fraction(0)),
    ("hardswish", 3, Fraction(1, 2), Fraction(9, 8)),
    ("hardswish", -7, Fraction(1, 2), Fraction(0)),
    ("softsign", 3, Fraction(1), Fraction(3, 4)),
    ("elu", 5, Fraction(1, 3), Fraction(5, 3)),
    ("cube root", 27, Fraction(1, 8), Fraction(3, 2)),
    ("inverse", 1, Fraction(1), Fraction(1, 3)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "scale", "level"), TIES)
@pytest.mark.parametrize("strict", [False, True])
def test_ties(name: str, value: int, scale: Fraction, level: Fraction, strict: bool) -> None:
    """A value that equals a threshold takes the side that the threshold's rule says."""
    quantizer = _quantizer(((Surd.of(level),),), (strict,))
    chain = [RealFunction(output="y", inputs=("v",), expression=FUNCTIONS[name][0])]
    assert code_at(quantizer, chain, Surd.of(scale), 0, value) == int(not strict)
    rows = np.array([value]), np.array([value])
    assert fold_curved(quantizer, chain, Surd.of(scale), rows).base[0] == int(not strict)


def test_wide_ranges_of_many_channels() -> None:
    """A million integers each of 200 channels: the table is that of bisection by mpmath."""
    channels, reach = 200, 1 << 20
    rng = np.random.default_rng(0)
    slope = tuple(Surd.of(float(v)) for v in rng.uniform(1e-6, 1e-3, channels))
    offset = tuple(Surd.of(float(v)) for v in rng.normal(size=channels))
    levels = tuple(Surd.of(Fraction(k, 8)) for k in range(-2, 13))
    quantizer = _quantizer((levels,), (True,) * 15)
    chain = _chain("silu", slope, offset)
    lo, hi = np.full(channels, -reach), np.full(channels, reach)
    found = fold_curved(quantizer, chain, Surd.of(1), (lo, hi))
    ends = np.concatenate([[0], np.cumsum(found.count)])
    for c in (0, 57, channels - 1):
        bounds = found.bounds[ends[c] : ends[c + 1]]
        signs = found.signs[ends[c] : ends[c + 1]]
        places = [int(v) + d for v in bounds for d in (0, 1)] + rng.integers(
            -reach, reach, 50
        ).tolist()
        for v in places:
            x = _number(slope[c]) * v + _number(offset[c])
            want = _code(FUNCTIONS["silu"][1](x), quantizer, c)
            assert found.base[c] + signs[bounds < v].sum() == want


def test_a_function_of_a_clipped_function() -> None:
    """Chains of several functions, clips and scales are followed through all of them."""
    chain: list[Elementwise] = [
        RealFunction(output="a", inputs=("v",), expression="mul(x,sigmoid(x))"),
        RealClip(output="b", inputs=("a",), lo=Surd.of(Fraction(-1, 8)), hi=Surd.of(2)),
        Affine(output="c", inputs=("b",), slope=(Surd.of(-2),), offset=(Surd.of(1),)),
        RealFunction(output="y", inputs=("c",), expression="tanh(x)"),
    ]
    quantizer = _quantizer(((Surd.of(Fraction(-1, 2)), Surd.of(Fraction(1, 4))),), (True, False))
    lo, hi = np.array([-200]), np.array([200])
    found = fold_curved(quantizer, chain, Surd.of(Fraction(1, 16)), (lo, hi))
    for v in range(-200, 201):
        silu = mp.mpf(v) / 16 * _logistic(mp.mpf(v) / 16)
        y = mp.tanh(1 - 2 * min(max(silu, mp.mpf(-1) / 8), 2))
        assert found.base[0] + found.signs[found.bounds < v].sum() == _code(y, quantizer, 0)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("log(x)", "logarithm of 0 is not defined"),
        ("div(1,x)", "division by 0"),
        ("sqrt(sub(x,1))", "root of -1 is not defined"),
        ("add(sigmoid(x),sigmoid(mul(-1,x)))", "4096 bits"),
    ],
)
def test_values_that_cannot_be_compared(expression: str, reason: str) -> None:
    """Functions without a value, and a sum that is 1 for every x, against 1."""
    chain = [RealFunction(output="y", inputs=("v",), expression=expression)]
    quantizer = _quantizer(((Surd.of(1),),), (True,))
    with pytest.raises(Undecided, match=reason):
        fold_curved(quantizer, chain, Surd.of(1), (np.array([0]), np.array([9])))
