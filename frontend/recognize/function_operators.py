"""What an elementwise operator makes of one number: an expression for each operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import onnx_ir as ir

from ..expression import Expression, X, number
from ..expression_forms import (
    GELU,
    GELU_TANH,
    HALF,
    ONE,
    ZERO,
    add,
    apply,
    clip,
    divide,
    larger,
    multiply,
    power,
    rewritten,
    smaller,
    subtract,
)

Terms = Sequence[Expression | None]
Rule = Callable[[ir.Node, Terms], Expression]


def _attribute(node: ir.Node, name: str, default: float) -> Expression:
    """Return an attribute, exactly the float32 number that ONNX stores, or its default."""
    found = node.attributes.get(name)
    return number(float(np.float32(default if found is None else found.as_float())))


def _unary(name: str) -> Rule:
    return lambda node, terms: apply(name, _first(terms))


def _first(terms: Terms) -> Expression:
    (term, *_) = terms
    assert term is not None
    return term


def _binary(form: Callable[[Expression, Expression], Expression]) -> Rule:
    def rule(node: ir.Node, terms: Terms) -> Expression:
        total = _first(terms)
        for term in terms[1:]:
            assert term is not None
            total = form(total, term)
        return total

    return rule


def _clip(node: ir.Node, terms: Terms) -> Expression:
    x, low, high = (*terms, None, None)[:3]
    assert x is not None
    x = x if low is None else larger(x, low)
    return x if high is None else smaller(x, high)


def _bent(x: Expression, slope: Expression) -> Expression:
    """Return x above 0, ``slope * x`` below."""
    return add(larger(ZERO, x), multiply(slope, smaller(ZERO, x)))


def _hard_sigmoid(node: ir.Node, terms: Terms) -> Expression:
    line = multiply(_attribute(node, "alpha", 0.2), _first(terms))
    return clip(add(line, _attribute(node, "beta", 0.5)), Fraction(0), Fraction(1))


def _hard_swish(node: ir.Node, terms: Terms) -> Expression:
    """The operator states its slope 1/6 as a real number."""
    x = _first(terms)
    line = add(multiply(number(Fraction(1, 6)), x), HALF)
    return multiply(x, clip(line, Fraction(0), Fraction(1)))


def _elu(node: ir.Node, terms: Terms) -> Expression:
    x = _first(terms)
    curve = multiply(_attribute(node, "alpha", 1.0), apply("expm1", smaller(ZERO, x)))
    return add(larger(ZERO, x), curve)


def _selu(node: ir.Node, terms: Terms) -> Expression:
    x = _first(terms)
    curve = multiply(_attribute(node, "alpha", 1.67326319), apply("expm1", smaller(ZERO, x)))
    return multiply(_attribute(node, "gamma", 1.05070102), add(larger(ZERO, x), curve))


def _celu(node: ir.Node, terms: Terms) -> Expression:
    x, alpha = _first(terms), _attribute(node, "alpha", 1.0)
    curve = multiply(alpha, apply("expm1", divide(smaller(ZERO, x), alpha)))
    return add(larger(ZERO, x), curve)


def _softsign(node: ir.Node, terms: Terms) -> Expression:
    x = _first(terms)
    return divide(x, add(ONE, apply("abs", x)))


def _mish(node: ir.Node, terms: Terms) -> Expression:
    x = _first(terms)
    return multiply(x, apply("tanh", apply("softplus", x)))


def _swish(node: ir.Node, terms: Terms) -> Expression:
    x = _first(terms)
    return multiply(x, apply("sigmoid", multiply(_attribute(node, "alpha", 1.0), x)))


def _gelu(node: ir.Node, terms: Terms) -> Expression:
    form = node.attributes.get_string("approximate", "none")
    return substituted(GELU_TANH if form == "tanh" else GELU, _first(terms))


def _above(x: Expression, bound: Expression, then: Expression, other: Expression) -> Expression:
    return Expression("above", (x, bound, then, other))


def _shrink(node: ir.Node, terms: Terms) -> Expression:
    """Softshrink, Hardshrink: 0 from -lambd to lambd, where it jumps unless bias is lambd."""
    x, far = _first(terms), _attribute(node, "lambd", 0.5)
    bias = _attribute(node, "bias", 0.0)
    if bias == far and far.value >= 0:
        return add(larger(ZERO, subtract(x, far)), smaller(ZERO, add(x, far)))
    above = _above(x, far, subtract(x, bias), ZERO)
    return _above(multiply(number(-1), far), x, add(x, bias), above)


def _thresholded(node: ir.Node, terms: Terms) -> Expression:
    x = _first(terms)
    return _above(x, _attribute(node, "alpha", 1.0), x, ZERO)


def _power(node: ir.Node, terms: Terms) -> Expression:
    base, exponent = terms
    assert base is not None and exponent is not None and exponent.op == "number"
    return power(base, exponent.value)


def substituted(term: Expression, x: Expression) -> Expression:
    """Return a term with another term in the place of x."""
    return rewritten(_put(term, x))


def _put(term: Expression, x: Expression) -> Expression:
    if term == X:
        return x
    return Expression(term.op, tuple(_put(a, x) for a in term.arguments), term.value)


CURVED: dict[str, Rule] = {
    "Abs": _unary("abs"),
    "Atan": _unary("atan"),
    "Celu": _celu,
    "Cos": _unary("cos"),
    "Elu": _elu,
    "Erf": _unary("erf"),
    "Exp": _unary("exp"),
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "Log": _unary("log"),
    "Mish": _mish,
    "Pow": _power,
    "Reciprocal": lambda node, terms: divide(ONE, _first(terms)),
    "Selu": _selu,
    "Shrink": _shrink,
    "Sigmoid": _unary("sigmoid"),
    "Sin": _unary("sin"),
    "Softplus": _unary("softplus"),
    "Softsign": _softsign,
    "Sqrt": _unary("sqrt"),
    "Swish": _swish,
    "Tanh": _unary("tanh"),
    "ThresholdedRelu": _thresholded,
}
"""Operators that no other part of the frontend takes."""

STRAIGHT: dict[str, Rule] = {
    "Add": _binary(add),
    "Clip": _clip,
    "Div": _binary(divide),
    "LeakyRelu": lambda node, terms: _bent(_first(terms), _attribute(node, "alpha", 0.01)),
    "Max": _binary(larger),
    "Min": _binary(smaller),
    "Mul": _binary(multiply),
    "Neg": lambda node, terms: multiply(number(-1), _first(terms)),
    "PRelu": _binary(_bent),
    "Relu": lambda node, terms: larger(ZERO, _first(terms)),
    "Sub": _binary(subtract),
    "Sum": _binary(add),
}
"""Operators that are canonical, or become so, as long as they take one computed tensor."""


def _compared(op: str, swapped: bool) -> Rule:
    """Return the rule of a comparison, whose term only a Where reads."""

    def rule(node: ir.Node, terms: Terms) -> Expression:
        a, b = terms
        assert a is not None and b is not None
        return Expression(op, (b, a) if swapped else (a, b))

    return rule


def _where(node: ir.Node, terms: Terms) -> Expression:
    condition, u, v = terms
    assert condition is not None and u is not None and v is not None
    assert condition.op in CONDITIONS
    pieces = (u, v) if condition.op == "greater" else (v, u)
    return Expression("above", (*condition.arguments, *pieces))


CONDITIONS = ("greater", "not greater")
"""Terms of comparisons: no numbers, and only the first operand of a Where may be one."""

COMPARING: dict[str, Rule] = {
    "Greater": _compared("greater", False),
    "Less": _compared("greater", True),
    "GreaterOrEqual": _compared("not greater", True),
    "LessOrEqual": _compared("not greater", False),
}

CHOOSING: dict[str, Rule] = {**COMPARING, "Where": _where}
"""Operators by which an exporter states a function by pieces: Softplus, whose tail is x."""

RULES: dict[str, Rule] = {**CURVED, **STRAIGHT, **CHOOSING}
