"""Curved functions of one tensor: as one operator, or as exporters compose it of several."""

from __future__ import annotations

from collections.abc import Callable

from .graph_builder import Network

Part = Callable[[Network, str], str]

_OPERATORS: dict[str, tuple[int, dict[str, tuple[float, float]]]] = {
    "Sigmoid": (13, {}),
    "Tanh": (13, {}),
    "Softplus": (13, {}),
    "Softsign": (13, {}),
    "Erf": (13, {}),
    "Abs": (13, {}),
    "Neg": (13, {}),
    "Elu": (13, {"alpha": (0.3, 2)}),
    "Celu": (13, {"alpha": (0.3, 2)}),
    "Selu": (13, {}),
    "HardSigmoid": (13, {"alpha": (0.1, 0.4), "beta": (0.2, 0.8)}),
    "HardSwish": (14, {}),
    "Mish": (18, {}),
    "Gelu": (20, {}),
}
"""Operators, the opset that has them, and their attributes with ranges."""


def operator(b: Network, x: str) -> str:
    """Add one operator that is a function of one number."""
    known = [op for op, (opset, _) in _OPERATORS.items() if opset <= b.opset]
    op = b.source.choice(known)
    _, ranges = _OPERATORS[op]
    fields: dict[str, object] = {}
    if b.chance(0.6):
        fields.update({name: float(b.uniform(*ends)) for name, ends in ranges.items()})
    if op == "Gelu" and b.chance(0.5):
        fields["approximate"] = "tanh"
    return b.same(op, x, **fields)


def _silu(b: Network, x: str) -> str:
    pair = [x, b.same("Sigmoid", x)]
    b.source.shuffle(pair)
    return b.same("Mul", *pair)


def _gelu(b: Network, x: str) -> str:
    half = b.same("Erf", b.same("Div", x, 1.4142135381698608))
    y = b.same("Mul", x, b.same("Add", half, 1.0))
    return b.same("Mul", y, 0.5)


def _gelu_tanh(b: Network, x: str) -> str:
    cube = b.same("Mul", b.same("Pow", x, 3.0), 0.044715)
    inner = b.same("Mul", b.same("Add", x, cube), 0.7978845834732056)
    y = b.same("Add", b.same("Tanh", inner), 1.0)
    return b.same("Mul", b.same("Mul", x, 0.5), y)


def _hard_swish(b: Network, x: str) -> str:
    gate = b.same("Clip", b.same("Add", x, 3.0), 0.0, 6.0)
    if b.chance(0.5):
        return b.same("Mul", x, b.same("Div", gate, 6.0))
    return b.same("Div", b.same("Mul", x, gate), 6.0)


def _softplus(b: Network, x: str) -> str:
    return b.same("Log", b.same("Add", b.same("Exp", x), 1.0))


def _mish(b: Network, x: str) -> str:
    return b.same("Mul", x, b.same("Tanh", b.same("Softplus", x)))


def _bell(b: Network, x: str) -> str:
    inner = b.same("Abs", x) if b.chance(0.5) else b.same("Mul", x, x)
    return b.same("Exp", b.same("Neg", inner))


def _root(b: Network, x: str) -> str:
    inner = b.same("Abs", x) if b.chance(0.5) else b.same("Mul", x, x)
    return b.same("Sqrt", b.same("Add", inner, b.uniform(0.01, 1)))


def _logistic(b: Network, x: str) -> str:
    below = b.same("Add", b.same("Exp", b.same("Neg", x)), 1.0)
    if b.chance(0.5):
        return b.same("Reciprocal", below)
    return b.node("Div", [b.array(1.0), below], b.shape[x])


def _power(b: Network, x: str) -> str:
    return b.same("Mul", x, x) if b.chance(0.4) else b.same("Pow", x, b.source.choice((2.0, 3.0)))


def _exponential(b: Network, x: str) -> str:
    return b.same("Exp", b.same("Clip", x, -5.0, b.source.choice((0.0, 2.0))))


def _weighted(b: Network, x: str) -> str:
    """Return the sum of two functions, each times a constant, or one of each channel."""
    terms = [b.same("Mul", operator(b, x), b.per_channel(x, -2, 2)) for _ in range(2)]
    return b.same(b.source.choice(("Add", "Sub")), *terms)


def _scaled(b: Network, x: str) -> str:
    """Return a function between constants."""
    x = b.same("Mul", x, b.per_channel(x, -2, 2))
    y = operator(b, b.same("Add", x, b.per_channel(x, -1, 1)))
    return b.same("Sub", y, b.per_channel(y, -1, 1))


def _chained(b: Network, x: str) -> str:
    return operator(b, operator(b, x))


_COMPOSED: tuple[Part, ...] = (
    *(_silu, _gelu, _gelu_tanh, _hard_swish, _softplus, _mish, _bell, _root, _logistic, _power),
    *(_exponential, _weighted, _scaled, _chained),
)


def function(b: Network, x: str) -> str:
    """Add a function; what follows quantizes it or uses its real value."""
    return operator(b, x) if b.chance(0.4) else b.source.choice(_COMPOSED)(b, x)
