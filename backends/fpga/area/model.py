"""Area of engines by closed formulas: terms of the structure, scaled to fit synthesis."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..engines import Engine
from .count import Structure
from .structure import structure

FITTED = Path(__file__).parent
FAMILIES = ("xc7", "ecp5")


@dataclass(frozen=True)
class Area:
    """What an engine takes, estimated.

    Attributes:
        lut, ff: LUTs (memories in LUTs included) and flip-flops.
        dsp: multiplier blocks.
        bram18: block RAMs of 18 Kbit.
    """

    lut: float
    ff: float
    dsp: int
    bram18: int


def area(engine: Engine, form: str, family: str) -> Area:
    """The area of a folded engine.

    Args:
        engine: folded.
        form: one of ``engine.forms``.
        family: of ``FAMILIES``.
    """
    terms = structure(engine, form, family)
    return predicted(terms, coefficients(family))


def predicted(terms: Structure, fitted: Mapping[str, Any]) -> Area:
    """The sum of terms times coefficients."""
    lut, ff = (
        sum(fitted[resource].get(name, 1.0) * number for name, number in counted.items())
        for resource, counted in (("lut", terms.lut), ("ff", terms.ff))
    )
    return Area(lut, ff, terms.dsp, terms.bram18)


def best_form(engine: Engine, family: str) -> str:
    """The form that takes the fewest block RAMs and multiplier blocks, then LUTs."""

    def rank(form: str) -> tuple[int, float]:
        found = area(engine, form, family)
        return found.bram18 + found.dsp, found.lut

    return engine.forms[0] if len(engine.forms) == 1 else min(engine.forms, key=rank)


@cache
def coefficients(family: str) -> Mapping[str, Any]:
    """The fitted coefficients of a family, by resource and term, with how well they fit."""
    found: Mapping[str, Any] = json.loads((FITTED / f"coefficients_{family}.json").read_text())
    return found
