"""The search itself: targets of cycles, and the cheapest folding of each engine for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import floor

from n2uqc.frontend.diagnostics import CompileError, Problem
from n2uqc.passes.program import Program

from ..fpga.design import plan
from ..fpga.engines import Fold
from ..fpga.engines.matrix_vector import PACKED
from ..fpga.folding import Folding, engines_of
from ..fpga.hdl.families import Family
from ..fpga.hdl.terms import Cells
from .devices import DEVICES, FpgaDevice
from .estimate import Choices, EngineChoice
from .result import RESOURCES, SearchResult, excesses, shortages

ROUNDS = 24
"""How often the weights of exceeded resources are raised before a rate counts as impossible."""


_LONGEST = 1 << 62  # cycles an image, thousands of years


def cycles_for(fps: float, clock_hz: float) -> int:
    """Return the most cycles an image at which a clock still gives a rate.

    A rate that some folding has is one: the quotient of two quotients may lie just below a number.
    """
    if clock_hz / _LONGEST > fps:
        return _LONGEST
    cycles = floor(clock_hz / fps)
    return cycles + (clock_hz / (cycles + 1) >= fps)


def _raise(weights: dict[str, float], short: Mapping[str, float]) -> None:
    """Raise the weights of resources by how much of them is missing."""
    for resource, excess in short.items():
        weights[resource] *= 1.0 + excess if excess < 1 else 2.0


class Finder:
    """The search over foldings of one program for a device, or without one."""

    def __init__(
        self, program: Program, device: FpgaDevice | None, family: Family, clock_hz: float
    ) -> None:
        self.program, self.device, self.family = program, device, family
        self.clock_hz = clock_hz
        self.engines = {engine.name: engine for engine in engines_of(program)}
        packs = device is not None and device.dsp > 0
        self.options = {name: Choices(e, family, packs=packs) for name, e in self.engines.items()}
        self.results: dict[tuple[tuple[Fold, str], ...], SearchResult] = {}
        self.least = {name: choices.least for name, choices in self.options.items()}
        self.floor = max(self.least.values(), default=1)

    def at_rate(self, fps: float) -> SearchResult:
        target = cycles_for(fps, self.clock_hz)
        if target < self.floor:
            name = max(self.least, key=self.least.__getitem__)
            best = self.clock_hz / self.floor
            raise CompileError(
                Problem(
                    node=name,
                    op=self.options[name].engine.kind,
                    found=f"{fps:g} images/s at {self.clock_hz / 1e6:g} MHz leave {target} cycles "
                    f"an image; this engine's fastest folding takes {self.floor}",
                    supported=f"{best:.6g} images/s or less at this clock, a factor "
                    f"{fps / best:.3g} below",
                    hint=f"a clock of {fps * self.floor / 1e6:.4g} MHz or more",
                )
            )
        result = self._within(target)
        if result is None:
            self._too_small(target, fps)
        assert result is not None
        return result

    def fastest(self) -> SearchResult:
        best = self._best()
        if best is None:
            self._too_small(max(max(cs.cycles.values()) for cs in self.options.values()), None)
        assert best is not None
        return best

    def _best(self) -> SearchResult | None:
        """Return the result of the highest rate that fits the device;
        None if not even the lowest fits.
        """
        targets = sorted(
            {c for cs in self.options.values() for c in cs.cycles.values() if c >= self.floor}
        )
        if not self._may_fit(targets[-1]):
            return None
        # What FIFOs take is known after a simulation, which is long where the folding is slow: the
        # engines alone say where to begin.
        low, high = 0, len(targets) - 1
        while low < high:
            middle = (low + high) // 2
            fits = next(self._fitting(targets[middle], self._weights()), None) is not None
            low, high = (low, middle) if fits else (middle + 1, high)
        best, low, step = self._within(targets[high]), high, 1
        while best is None and low < len(targets) - 1:
            high = min(low + step, len(targets) - 1)
            best = self._within(targets[high])
            low, step = (high, 2 * step) if best is None else (low, step)
        while high - low > 1:
            middle = (low + high) // 2
            result = self._within(targets[middle])
            best, low, high = (result, low, middle) if result else (best, middle, high)
        return best

    def _may_fit(self, target: int) -> bool:
        """Return whether the device holds the least of each resource that any foldings take."""
        least = {
            r: sum(
                min(getattr(c.resources, r) for c in cs.within(target))
                for cs in self.options.values()
            )
            for r in RESOURCES
        }
        return not excesses(Cells(**least), self.device)

    def _within(self, target: int) -> SearchResult | None:
        """Return the cheapest folding for a target, or None if none fits the device."""
        weights = self._weights()
        for picked in self._fitting(target, weights):
            result = self._result(picked)
            short = excesses(result.total, self.device)
            if not short:
                return result
            _raise(weights, short)
        return None

    @staticmethod
    def _weights() -> dict[str, float]:
        return dict.fromkeys(RESOURCES, 1.0)

    def _fitting(self, target: int, weights: dict[str, float]) -> Iterator[dict[str, EngineChoice]]:
        """Yield foldings whose engines fit the device, FIFOs aside, and raise the weights of what
        others exceed."""
        if not self._may_fit(target):
            return
        for _ in range(ROUNDS if self.device else 1):
            picked = self._cheapest(target, weights)
            used = sum((c.resources for c in picked.values()), Cells())
            short = excesses(used, self.device)
            if short:
                _raise(weights, short)
            else:
                yield picked

    def _cheapest(self, target: int, weights: Mapping[str, float]) -> dict[str, EngineChoice]:
        prices = {r: weights[r] / max(1, self._holds(r)) for r in RESOURCES}

        def price(choice: EngineChoice) -> tuple[float, int]:
            cost = sum(prices[r] * getattr(choice.resources, r) for r in RESOURCES)
            return cost, choice.cycles

        return {name: min(cs.within(target), key=price) for name, cs in self.options.items()}

    def _holds(self, resource: str) -> int:
        # without a device: the proportions of a 7-series device
        return (self.device or DEVICES["xc7z020"]).room(resource)

    def _result(self, picked: Mapping[str, EngineChoice]) -> SearchResult:
        """Return a planned datapath; one that comes again is not simulated again."""
        folds = {name: choice.fold for name, choice in picked.items()}
        forms = {name: c.form for name, c in picked.items() if c.form == PACKED}
        key = tuple((choice.fold, choice.form) for choice in picked.values())
        if key not in self.results:
            design = plan(
                self.program,
                Folding(folds, forms),
                family=self.family,
                clock_hz=self.clock_hz,
                engines=self.engines,
            )
            self.results[key] = SearchResult(design, self.device)
        return self.results[key]

    def _too_small(self, target: int, fps: float | None) -> None:
        assert self.device is not None
        result = self._result(self._cheapest(target, dict.fromkeys(RESOURCES, 1.0)))
        rate = "even the slowest folding" if fps is None else f"{fps:g} images/s"
        best = self._best() if fps is not None else None
        fits = (
            f"{self.device.id} holds at most {best.fps:.6g} images/s at {self.clock_hz / 1e6:g} MHz"
            if best is not None
            else ""
        )
        raise CompileError(
            [
                Problem(
                    node="",
                    op="",
                    found=f"{rate} does not fit {self.device.id}",
                    supported=fits,
                    hint="a lower rate, or a larger device" if fits else "a larger device",
                ),
                *shortages(result),
            ]
        )
