"""What each engine of a datapath takes at each folding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..fpga.engines import Engine, Fold
from ..fpga.hdl.families import Family
from ..fpga.hdl.terms import Cells
from ..fpga.resources import best_form, resources

SPARE = 1.5
"""Lanes beyond the fewest that a folding may have and still be priced."""


@dataclass(frozen=True)
class EngineChoice:
    """An engine at one folding, with its cost.

    Attributes:
        fold: the folding.
        form: the implementation, one of the engine's forms.
        cycles: busy cycles per image.
        resources: estimated resources.
    """

    fold: Fold
    form: str
    cycles: int
    resources: Cells


class Choices:
    """An engine's legal foldings, priced when they are asked for.

    Attributes:
        engine: unfolded.
        family: whose cells are counted.
        cycles: of every folding.
    """

    def __init__(self, engine: Engine, family: Family) -> None:
        self.engine, self.family = engine, family
        self.cycles = {
            fold: engine.folded(fold).cycles
            for fold in (Fold(pe, simd) for simd in engine.simd_options for pe in engine.pe_options)
        }
        self._priced: dict[Fold, EngineChoice] = {}
        self._smallest: dict[int, tuple[Fold, ...]] = {}

    @property
    def least(self) -> int:
        """Cycles of the fastest folding."""
        return min(self.cycles.values())

    def at(self, fold: Fold) -> EngineChoice:
        """One folding, in the form that takes less."""
        if fold not in self._priced:
            folded = self.engine.folded(fold)
            form = best_form(folded, self.family.id)
            found = resources(folded, form, self.family.id).total
            self._priced[fold] = EngineChoice(fold, form, self.cycles[fold], found)
        return self._priced[fold]

    def within(self, target: int) -> Iterator[EngineChoice]:
        """Foldings that are fast enough, without those that take more than others: with no fewer
        lanes of either kind, or with ``SPARE`` times the lanes."""
        if target not in self._smallest:
            fits = [fold for fold, cycles in self.cycles.items() if cycles <= target]
            most = SPARE * min(fold.pe * fold.simd for fold in fits)
            self._smallest[target] = tuple(
                fold
                for fold in fits
                if fold.pe * fold.simd <= most
                and not any(
                    other != fold and other.pe <= fold.pe and other.simd <= fold.simd
                    for other in fits
                )
            )
        return map(self.at, self._smallest[target])
