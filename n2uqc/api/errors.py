"""Errors of a request, and of parts that are not installed."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

CODE_GENERATOR = "apache-tvm==0.27.0.post1 apache-tvm-ffi==0.1.14.post1"
PARTS = {
    "PIL": "'n2uqc[train]'",
    "dask": "'n2uqc[cluster]'",
    "distributed": "'n2uqc[cluster]'",
    "amaranth": "'n2uqc[rtl]'",
    "matplotlib": "'n2uqc[report]'",
    "onnxruntime": "'n2uqc[demo]'",
    "sklearn": "'n2uqc[demo]'",
    "statsmodels": "'n2uqc[study]'",
    "tensorboard": "'n2uqc[tensorboard]'",
    "torch": "'n2uqc[train]'",
    "tvm": CODE_GENERATOR,
    "tvm_ffi": CODE_GENERATOR,
    "unicorn": "'n2uqc[toolchain]'",
}
"""What pip installs for a package that is imported where it is needed."""


class UserError(Exception):
    """The request cannot be carried out; the message says what to change."""


class MissingPart(UserError):
    """A package that the request needs is not installed; the message says how to install it."""


def missing_part(error: ModuleNotFoundError) -> MissingPart | None:
    """Return the error that names the command which installs a package; None for any other."""
    package = (error.name or "").partition(".")[0]
    if package not in PARTS:
        return None
    return MissingPart(f"{package} is not installed: pip install {PARTS[package]}")


def names_missing_parts(function: Callable[P, T]) -> Callable[P, T]:
    """Let a function raise ``MissingPart`` where a package is missing."""

    @wraps(function)
    def named(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except ModuleNotFoundError as error:
            if (missing := missing_part(error)) is None:
                raise
            raise missing from error

    return named
