"""The result of running a program."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finished:
    """Exit code, standard output and standard error of a program."""

    code: int
    output: str
    errors: str
