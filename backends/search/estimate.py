"""What each engine of a datapath takes at each folding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..fpga.engines import Engine, Fold
from ..fpga.engines.matrix_vector import PACKED
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
        packs: whether low-bit products may go into multiplier blocks, where it is a choice.
        cycles: of every folding.
    """

    def __init__(self, engine: Engine, family: Family, *, packs: bool = False) -> None:
        self.engine, self.family, self.packs = engine, family, packs
        self.cycles = {
            fold: engine.folded(fold).cycles
            for fold in (Fold(pe, simd) for simd in engine.simd_options for pe in engine.pe_options)
        }
        self._priced: dict[Fold, tuple[EngineChoice, ...]] = {}
        self._smallest: dict[int, tuple[Fold, ...]] = {}

    @property
    def least(self) -> int:
        """Cycles of the fastest folding."""
        return min(self.cycles.values())

    def at(self, fold: Fold) -> tuple[EngineChoice, ...]:
        """One folding, in the form of fewest multiplier blocks, and with packed products."""
        if fold not in self._priced:
            folded = self.engine.folded(fold)
            forms = [best_form(folded, self.family.id)]
            if self.packs and PACKED in folded.forms:
                forms.append(PACKED)
            self._priced[fold] = tuple(
                EngineChoice(
                    fold, form, self.cycles[fold], resources(folded, form, self.family.id).total
                )
                for form in forms
            )
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
        return (choice for fold in self._smallest[target] for choice in self.at(fold))
