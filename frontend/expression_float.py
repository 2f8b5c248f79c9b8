"""The meaning of expressions in float64 arrays."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]


def _sigmoid(x: Floats) -> Floats:
    result: Floats = special.expit(x)
    return result


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": np.abs,
    "above": lambda a, b, u, v: np.where(a > b, u, v),
    "add": np.add,
    "atan": np.arctan,
    "cos": np.cos,
    "div": np.divide,
    "erf": special.erf,
    "erfc": special.erfc,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "max": np.maximum,
    "min": np.minimum,
    "mul": np.multiply,
    "sigmoid": _sigmoid,
    "sin": np.sin,
    "softplus": lambda x: np.logaddexp(0.0, x),
    "sqrt": np.sqrt,
    "sub": np.subtract,
    "tanh": np.tanh,
}


class Float64Arithmetic:
    """Arrays of float64; results outside a function's domain are NaN or infinite."""

    def number(self, value: Fraction) -> Floats:
        return np.array(float(value))

    def pi(self) -> Floats:
        return np.array(np.pi)

    def power(self, base: Floats, exponent: Fraction) -> Floats:
        with np.errstate(all="ignore"):
            result: Floats = np.power(base, float(exponent))
        return result

    def call(self, name: str, *arguments: Floats) -> Floats:
        with np.errstate(all="ignore"):
            result: Floats = _FUNCTIONS[name](*arguments)
        return result
