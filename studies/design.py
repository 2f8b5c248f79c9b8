"""What a study trains: methods, bits, seeds, what is tuned, for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

METHODS: Mapping[str, tuple[str, str]] = {
    "N2UQ": ("n2uq", "n2uq"),
    "LSQ": ("lsq", "lsq"),
    "nuLSQ": ("nulsq", "nulsq"),
    "LCQ": ("lcq", "lcq"),
    "APoT": ("apot", "apot"),
    "N2UQ, equal segments": ("n2uq-equal", "n2uq"),
}
"""Quantizers of activations and weights, by the name of the method; the first is compared with
the others."""
FIRST = next(iter(METHODS))
PRIMARY_BITS = 2


@dataclass(frozen=True)
class Cell:
    """What is tuned for itself: a data set, quantizers of activations and of weights, bits."""

    dataset: str
    activation: str
    weight: str
    bits: int

    @property
    def method(self) -> str | None:
        """Name of the method; None for a pair that is nobody's."""
        pair = self.activation, self.weight
        return next((name for name, each in METHODS.items() if each == pair), None)

    @property
    def name(self) -> str:
        """What the sweep calls it."""
        return f"{self.dataset} {self.activation} x {self.weight} {self.bits} bits"


@dataclass(frozen=True)
class Choice:
    """What is tuned."""

    rate: float
    threshold_rate: float
    decay: str


@dataclass(frozen=True)
class Extent:
    """How much a study does.

    Attributes:
        name: quick or full.
        datasets, bits: which.
        seeds: paired networks of each cell.
        tuning_seeds: networks of each choice that is tried.
        rates, threshold_rates: a grid, with the first decay.
        decays: the others are tried at the best of the grid.
        float_epochs, epochs: of the float and of the low-bit networks.
        crossed: quantizers that are crossed, at the bits of the primary hypotheses.
        crossed_datasets: where.
        every_processor: whether instructions are counted for each seed, or for the first.
    """

    name: str
    datasets: tuple[str, ...]
    bits: tuple[int, ...]
    seeds: int
    tuning_seeds: int
    rates: tuple[float, ...]
    threshold_rates: tuple[float, ...]
    decays: tuple[str, ...]
    float_epochs: int
    epochs: int
    crossed: tuple[str, ...]
    crossed_datasets: tuple[str, ...]
    every_processor: bool

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def cells(self) -> list[Cell]:
        """Return the cells of the methods, then those that only the crossed table needs."""
        own = [
            Cell(dataset, *pair, bits)
            for dataset, bits, pair in product(self.datasets, self.bits, METHODS.values())
        ]
        crossed = [
            Cell(dataset, activation, weight, PRIMARY_BITS)
            for dataset in self.crossed_datasets
            for activation, weight in product(self.crossed, repeat=2)
        ]
        return list(dict.fromkeys([*own, *crossed]))

    def grid(self) -> list[Choice]:
        """Return what is tried first."""
        rates = product(self.rates, self.threshold_rates)
        return [Choice(rate, factor, self.decays[0]) for rate, factor in rates]

    def at_the_edge(self, choice: Choice) -> bool:
        """Whether a rate is the least or greatest that was tried."""
        return choice.rate in (min(self.rates), max(self.rates))

    def reduced(
        self,
        datasets: tuple[str, ...] | None,
        bits: tuple[int, ...] | None,
        seeds: int | None,
        crossed: bool,
    ) -> Extent:
        """Return a part of the study."""
        kept = self.datasets if datasets is None else datasets
        return replace(
            self,
            datasets=kept,
            bits=self.bits if bits is None else bits,
            seeds=self.seeds if seeds is None else seeds,
            crossed_datasets=tuple(d for d in self.crossed_datasets if d in kept and crossed),
        )


EXTENTS: Mapping[str, Extent] = {
    "quick": Extent(
        name="quick",
        datasets=("optdigits", "watch"),
        bits=(2, 3, 4),
        seeds=4,
        tuning_seeds=1,
        rates=(2e-3, 5e-3, 1.2e-2),
        threshold_rates=(1.0,),
        decays=("linear",),
        float_epochs=8,
        epochs=8,
        crossed=("n2uq", "lsq", "apot"),
        crossed_datasets=("optdigits",),
        every_processor=False,
    ),
    "full": Extent(
        name="full",
        datasets=("fashion", "mnist", "optdigits", "watch"),
        bits=(2, 3, 4),
        seeds=10,
        tuning_seeds=2,
        rates=(5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2),
        threshold_rates=(0.1, 1.0),
        decays=("linear", "cosine"),
        float_epochs=20,
        epochs=30,
        crossed=("n2uq", "lsq", "nulsq", "lcq", "apot"),
        crossed_datasets=("fashion", "optdigits"),
        every_processor=True,
    ),
}
BATCH = 64
TUNING_SEED = 1000
"""Seeds of networks that are trained to tune begin here, so that none is one of the paired."""
