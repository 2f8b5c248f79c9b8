"""The default folding: as fast as a small FPGA holds, by multipliers, LUTs, DSPs and block RAM."""

from __future__ import annotations

from collections.abc import Mapping

from n2uqc.passes.program import Program

from .engines import Engine
from .folding import (
    DEFAULT_LANES,
    Folding,
    choices_of,
    default_folding,
    engines_of,
    least_target,
    smallest,
)
from .hdl.terms import Cells
from .resources import best_form, resources

FAMILY = "xc7"
"""Whose cells are counted, whatever the datapath is counted for: families are compared at the same
folding."""

BUDGET: Mapping[str, int] = {"lut": 37_240, "ff": 53_200, "dsp": 176, "bram18": 224}
"""What the engines may take: a Zynq XC7Z020 filled as ``search.devices.FILL`` says."""


def chosen_folding(program: Program, cycles: int | None) -> Folding:
    """Return the balanced folding for a target of busy cycles an image, else the fitting one.

    Raises:
        CompileError: some engine cannot be as fast.
    """
    return fitting_folding(program) if cycles is None else default_folding(program, cycles=cycles)


def fitting_folding(program: Program, engines: Mapping[str, Engine] | None = None) -> Folding:
    """Return the fastest balanced folding whose multipliers and cells stay within the budget.

    A resource of which even the slowest folding takes more than the budget is not heeded: a
    network whose weights fill more block RAM is still folded by its LUTs and multipliers.

    Args:
        program: a lowered program.
        engines: of the program by tensor, if they are at hand: what was counted is not anew.
    """
    engines = engines or {engine.name: engine for engine in engines_of(program)}
    choices = {name: choices_of(engine) for name, engine in engines.items()}
    floor = max((min(row[0] for row in rows) for rows in choices.values()), default=1)

    def at(target: int) -> Folding:
        return Folding({name: smallest(rows, target)[-1] for name, rows in choices.items()})

    fastest = least_target(choices, floor, DEFAULT_LANES)
    first = at(fastest)
    if _within(_taken(engines, first), BUDGET) == BUDGET:
        return first
    targets = sorted({row[0] for rows in choices.values() for row in rows if row[0] >= fastest})
    best = at(targets[-1])
    heeded = _within(_taken(engines, best), BUDGET)
    low, high = 0, len(targets) - 1
    while low < high:
        middle = (low + high) // 2
        folding = at(targets[middle])
        if _within(_taken(engines, folding), heeded) == heeded:
            high, best = middle, folding
        else:
            low = middle + 1
    return best


def _taken(engines: Mapping[str, Engine], folding: Folding) -> Cells:
    folded = [engines[name].folded(fold) for name, fold in folding.engines.items()]
    return sum((resources(e, best_form(e, FAMILY), FAMILY).total for e in folded), Cells())


def _within(taken: Cells, budget: Mapping[str, int]) -> Mapping[str, int]:
    """Return the part of a budget that is kept."""
    return {name: most for name, most in budget.items() if getattr(taken, name) <= most}
