"""Making expressions in one form: equal functions, as exporters write them, become equal terms.

Rewrites hold for all real numbers.  Those of ``1 + tanh`` and the like matter: the sum of two
numbers that almost cancel would be known badly, sigmoid and erfc are known well.
"""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

from .diagnostics import Unfit
from .expression import PI, Expression, X, fits_exponent, number, parse

ZERO, ONE, HALF = number(0), number(1), number(Fraction(1, 2))


def power(base: Expression, exponent: Fraction) -> Expression:
    """Return ``base ** exponent``.

    Raises:
        Unfit: the exponent is too great, or too long a fraction to evaluate.
    """
    if exponent == 0:
        return ONE
    if exponent == 1:
        return base
    if exponent == Fraction(1, 2):
        return Expression("sqrt", (base,))
    if exponent == -1:
        return divide(ONE, base)
    if not fits_exponent(exponent):
        raise Unfit(f"the exponent {float(exponent):g}")
    return Expression("pow", (base,), exponent)


def apply(name: str, u: Expression) -> Expression:
    """Return one of ``UNARY`` of a term."""
    if name == "log" and u.op == "add" and u.arguments[0] == ONE and u.arguments[1].op == "exp":
        return Expression("softplus", u.arguments[1].arguments)
    if name == "log" and u.op == "sigmoid":
        return multiply(number(-1), apply("softplus", multiply(number(-1), u.arguments[0])))
    if name == "sqrt" and u.op == "number" and u.value >= 0:
        top, bottom = isqrt(u.value.numerator), isqrt(u.value.denominator)
        if Fraction(top * top, bottom * bottom) == u.value:
            return number(Fraction(top, bottom))
    return Expression(name, (u,))


def multiply(a: Expression, b: Expression) -> Expression:
    """Return ``a * b``, numbers first."""
    factors = [*_factor(a), *_factor(b)]
    scale = factors[0][0] * factors[1][0] if len(factors) == 2 else Fraction(1)
    a, b = (term for _, term in factors)
    if scale == 0:
        return ZERO
    if a == ONE or b == ONE:
        product = b if a == ONE else a
    elif a == b:
        product = power(a, Fraction(2))
    elif {a.op, b.op} >= {"pow"} and (joined := _same_base(a, b)) is not None:
        product = joined
    else:
        product = Expression("mul", tuple(sorted((a, b), key=_rank)))
    if scale == 1:
        return product
    return number(scale) if product == ONE else Expression("mul", (number(scale), product))


def _factor(term: Expression) -> list[tuple[Fraction, Expression]]:
    """Split a term into a number and the rest."""
    if term.op == "number":
        return [(term.value, ONE)]
    if term.op == "mul" and term.arguments[0].op == "number":
        return [(term.arguments[0].value, term.arguments[1])]
    return [(Fraction(1), term)]


def _same_base(a: Expression, b: Expression) -> Expression | None:
    """Return ``u**m * u**n`` as one power of whole exponents."""
    bases = [t.arguments[0] if t.op == "pow" else t for t in (a, b)]
    total = sum((t.value if t.op == "pow" else Fraction(1) for t in (a, b)), Fraction(0))
    whole = all(t.value.denominator == 1 and t.value > 0 for t in (a, b) if t.op == "pow")
    return power(bases[0], total) if bases[0] == bases[1] and whole else None


def add(a: Expression, b: Expression) -> Expression:
    """Return ``a + b``, numbers first."""
    if a.op == b.op == "number":
        return number(a.value + b.value)
    a, b = sorted((a, b), key=_rank)
    if a == ZERO:
        return b
    if a.op == "number" and b.op == "add" and b.arguments[0].op == "number":
        return add(number(a.value + b.arguments[0].value), b.arguments[1])
    if a == ONE:
        scale, term = _factor(b)[0]
        inner = term.arguments[0] if term.arguments else X
        if term.op == "tanh" and abs(scale) == 1:  # 1 + tanh(u) = 2 sigmoid(2 u)
            return multiply(number(2), apply("sigmoid", multiply(number(2 * scale), inner)))
        if term.op == "erf" and abs(scale) == 1:
            return apply("erfc", multiply(number(-scale), inner))
        if term.op == "sigmoid" and scale == -1:
            return apply("sigmoid", multiply(number(-1), inner))
    if a == number(-1) and b.op == "exp":
        return apply("expm1", b.arguments[0])
    if a == b:
        return multiply(number(2), a)
    return Expression("add", (a, b))


def subtract(a: Expression, b: Expression) -> Expression:
    """Return ``a - b``."""
    if a == b:
        return ZERO
    if "number" in (a.op, b.op):
        return add(a, multiply(number(-1), b))
    return Expression("sub", (a, b))


def divide(a: Expression, b: Expression) -> Expression:
    """Return ``a / b``.

    Raises:
        ZeroDivisionError: b is the number 0.
    """
    if b.op == "number":
        return multiply(number(1 / b.value), a)
    scale, rest = _factor(b)[0]
    if scale != 1:
        return multiply(number(1 / scale), divide(a, rest))
    if b.op == "add" and b.arguments[0] == ONE and b.arguments[1].op == "exp":
        # 1 / (1 + exp(u)) = sigmoid(-u)
        inner = b.arguments[1].arguments[0]
        return multiply(a, apply("sigmoid", multiply(number(-1), inner)))
    scale, rest = _factor(a)[0]
    quotient = Expression("div", (rest, b))
    return quotient if scale == 1 else multiply(number(scale), quotient)


def larger(a: Expression, b: Expression) -> Expression:
    """Return the maximum."""
    return _extreme("max", a, b)


def smaller(a: Expression, b: Expression) -> Expression:
    """Return the minimum."""
    return _extreme("min", a, b)


def _extreme(name: str, a: Expression, b: Expression) -> Expression:
    if a.op == b.op == "number":
        return number((max if name == "max" else min)(a.value, b.value))
    return a if a == b else Expression(name, tuple(sorted((a, b), key=_rank)))


def clip(u: Expression, low: Fraction | None, high: Fraction | None) -> Expression:
    """Return u clipped to bounds, either of which may be missing."""
    if low is not None:
        u = larger(u, number(low))
    return u if high is None else smaller(u, number(high))


def _rank(term: Expression) -> tuple[bool, bool, int, str]:
    """Order of the arguments of commutative functions: numbers, x, short terms."""
    return term.op != "number", term.op != "x", term.size, str(term)


def rewritten(term: Expression) -> Expression:
    """Return any expression in this module's form."""
    if not term.arguments:
        return term
    terms = [rewritten(a) for a in term.arguments]
    if term.op == "pow":
        return power(terms[0], term.value)
    forms = {"add": add, "sub": subtract, "mul": multiply, "div": divide}
    forms |= {"max": larger, "min": smaller}
    if term.op in forms:
        return forms[term.op](*terms)
    return Expression("above", tuple(terms)) if term.op == "above" else apply(term.op, terms[0])


_SQRT_HALF = apply("sqrt", HALF)
GELU = multiply(HALF, multiply(X, add(ONE, apply("erf", multiply(X, _SQRT_HALF)))))
_CUBIC = add(X, multiply(number(Fraction(44715, 10**6)), power(X, Fraction(3))))
_SQRT_2_PI = apply("sqrt", divide(number(2), PI))
GELU_TANH = multiply(HALF, multiply(X, add(ONE, apply("tanh", multiply(_SQRT_2_PI, _CUBIC)))))

_NAMES = {
    "SiLU": ("mul(x,sigmoid(x))",),
    "GELU": (
        str(GELU),
        "mul(1/2,mul(x,erfc(mul(-0.70710678,x))))",
        str(GELU_TANH),
        "mul(x,sigmoid(mul(1.5957691,add(x,mul(0.044715,pow(x,3))))))",
        "mul(x,sigmoid(mul(1.5957691,mul(x,add(1,mul(0.044715,pow(x,2)))))))",
    ),
    "QuickGELU": ("mul(x,sigmoid(mul(1.702,x)))",),
    "HardSwish": (
        "mul(x,min(1,max(0,add(1/2,mul(1/6,x)))))",
        "mul(1/6,mul(x,min(6,max(0,add(3,x)))))",
    ),
    "Mish": ("mul(x,tanh(softplus(x)))",),
    "ELU": ("add(max(0,x),expm1(min(0,x)))",),
    "Sigmoid": ("sigmoid(x)",),
    "Tanh": ("tanh(x)",),
    "Softplus": ("softplus(x)", "above(x,20,x,softplus(x))"),
    "Softsign": ("div(x,add(1,abs(x)))",),
    "Exp": ("exp(x)",),
    "Log": ("log(x)",),
    "Sqrt": ("sqrt(x)",),
    "Erf": ("erf(x)",),
    "Sin": ("sin(x)",),
    "Cos": ("cos(x)",),
    "Atan": ("atan(x)",),
    "LogSigmoid": ("mul(-1,softplus(mul(-1,x)))",),
}
_NEAR = Fraction(1, 10**6)


def _decimals(text: str) -> str:
    """Write decimal numbers of a text as fractions."""
    words = text.replace("(", " ( ").replace(")", " ) ").replace(",", " , ").split()
    return "".join(str(Fraction(w)) if "." in w else w for w in words)


def title(term: Expression) -> str:
    """Return the name of a well-known function, else the expression's text with short numbers."""
    for name, texts in _NAMES.items():
        if any(_alike(term, rewritten(parse(_decimals(text)))) for text in texts):
            return name
    return _shown(term)


def _alike(a: Expression, b: Expression) -> bool:
    """Tell whether two terms are the same but for the rounding of numbers."""
    if (a.op, len(a.arguments)) != (b.op, len(b.arguments)):
        return False
    if abs(a.value - b.value) > _NEAR * abs(b.value):
        return False
    return all(map(_alike, a.arguments, b.arguments))


def _shown(term: Expression) -> str:
    if term.op == "number":
        return f"{float(term.value):.6g}"
    if not term.arguments:
        return str(term)
    words = [_shown(a) for a in term.arguments]
    if term.op == "pow":
        return f"pow({words[0]},{float(term.value):.6g})"
    return f"{term.op}({','.join(words)})"
