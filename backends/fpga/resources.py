"""What engines and FIFOs take on an FPGA, counted from their hardware's one description."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import cast

from .engines import Engine
from .engines.matrix_vector import PACKED
from .hdl.families import VARIANTS, Family
from .hdl.mapping import count, own_terms, terms_without_tables
from .hdl.memories import place_table
from .hdl.terms import Cells, Terms
from .units import Style, fifo, unit_of
from .units.window import WindowEngine, WindowParts, inner_modules, weight_table

WINDOWS = frozenset({"matrix-vector", "depthwise", "pool"})
"""Kinds of engines with processing elements."""


@dataclass(frozen=True)
class EngineCells:
    """What an engine takes.

    Attributes:
        elements: its processing elements; nothing where it has none.
        rest: line buffer, weights, control, or everything.
    """

    elements: Cells
    rest: Cells

    @property
    def total(self) -> Cells:
        """Both together."""
        return self.elements + self.rest


def resources(engine: Engine, form: str, family: str) -> EngineCells:
    """Return what a folded engine takes, without the FIFOs around it.

    Args:
        engine: of a pipeline, folded.
        form: one of ``engine.forms``.
        family: of ``hdl.families.VARIANTS``.
    """
    device, key = VARIANTS[family], f"cells {family} {engine.fold.pe} {engine.fold.simd}"
    if engine.kind in WINDOWS:
        window = cast("WindowEngine", engine)
        around = PACKED if form == PACKED else engine.forms[0]
        rest = engine.fact(f"{key} around {around}", lambda: _around(window, around, device))
        elements = engine.fact(f"{key} {form}", lambda: _inside(window, form, device))
        return EngineCells(elements, rest)
    return EngineCells(Cells(), engine.fact(f"{key} {form}", lambda: _own(engine, form, device)))


def _own(engine: Engine, form: str, device: Family) -> Cells:
    return own_terms(unit_of(engine, Style(form, device)), device).cells(device.id)


_AROUND: dict[tuple[object, ...], Terms] = {}
"""What engines with processing elements take beside these and the weights, by what it depends on:
layers of the same shape share it, whatever their weights are."""


def _around(engine: WindowEngine, form: str, device: Family) -> Cells:
    """Return line buffer, control and weights."""
    terms = Terms()
    element = WindowParts(engine, form, device).element
    table = weight_table(engine, form)
    nameless = {f.name: getattr(engine.op, f.name) for f in fields(engine.op)}
    for name in ("output", "inputs", "origin", "weight"):
        nameless.pop(name, None)
    x, y = engine.inputs[0], engine.output
    key = (
        device.id,
        type(engine),
        *nameless.items(),
        *((t.shape, t.bits, t.signed) for t in (x, y)),
        *(engine.geometry.kernel, engine.fold, element, form, table is None),
    )
    if key not in _AROUND:
        unit = unit_of(engine, Style(form, device))
        _AROUND[key] = terms_without_tables(unit, device)
    terms.add(_AROUND[key])
    if table is not None:
        place_table(terms, table, device)
    return terms.cells(device.id)


def _inside(engine: WindowEngine, form: str, device: Family) -> Cells:
    terms = Terms()
    for module, copies in inner_modules(engine, form, device):
        terms.add(count(module, device), copies)
    return terms.cells(device.id)


@cache
def fifo_resources(width: int, depth: int, family: str) -> Cells:
    """Return what a FIFO of so many bits and places takes."""
    return own_terms(fifo(width, depth), VARIANTS[family]).cells(family)


def best_form(engine: Engine, family: str) -> str:
    """Return the form that takes the fewest block RAMs and multiplier blocks, then LUTs."""

    def rank(form: str) -> tuple[int, int]:
        found = resources(engine, form, family).total
        return found.bram18 + found.dsp, found.lut

    # whatever has multiplier blocks takes more of them than what has none
    forms = [form for form in engine.forms if form != PACKED]
    return forms[0] if len(forms) == 1 else min(forms, key=rank)
