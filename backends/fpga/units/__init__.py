"""Hardware of the engines, each unit written once in the language of ``hdl``.

    unit_of(engine, Style(form, family))    the module of an engine

RTL, resources and delay are read off that module (see ``hdl``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from n2uqc.frontend.diagnostics import CompileError, Problem

from ..engines import Engine
from ..hdl.module import Module
from . import elementwise, plumbing, rearrange, threshold, window
from .plumbing import fifo
from .unit import Style, Unit

__all__ = ["BUILDERS", "Style", "fifo", "unit_of"]

BUILDERS: dict[str, Callable[[Unit[Any]], None]] = {
    "matrix-vector": window.window,
    "depthwise": window.window,
    "pool": window.window,
    "global pool": window.global_pool,
    "threshold": threshold.threshold,
    "requantize": elementwise.requantizer,
    "prelu": elementwise.prelu,
    "clamp": elementwise.clamp,
    "add": elementwise.adder,
    "multiply": elementwise.multiplier,
    "interpolate": elementwise.interpolator,
    "lookup": elementwise.levels,
    "concat": plumbing.joiner,
    "rearrange": rearrange.rearranger,
    "fork": plumbing.fork,
    "repeat": plumbing.repeater,
    "width": plumbing.converter,
}
"""What builds the hardware, by the kind of engine."""


def unit_of(engine: Engine, style: Style = Style()) -> Module:  # noqa: B008
    """Return the hardware of an engine.

    Raises:
        CompileError: no hardware exists for it.
    """
    build = BUILDERS.get(engine.kind)
    if build is None:
        raise CompileError(
            Problem(
                node=engine.name,
                op=engine.kind,
                found="an engine without hardware",
                supported=", ".join(BUILDERS),
            )
        )
    unit = Unit(engine, style)
    build(unit)
    return unit.module
