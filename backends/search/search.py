"""The search for a folding: the least area for a rate, or the highest rate on a device."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor, inf

from n2uqc.frontend.diagnostics import CompileError, Problem
from n2uqc.passes.program import Program

from ..fpga.design import CLOCK_HZ, find_family, plan
from ..fpga.engines import Fold
from ..fpga.folding import Folding, engines_of
from ..fpga.hdl.families import Family
from ..fpga.hdl.terms import Cells
from .devices import DEVICES, FpgaDevice, find_device
from .estimate import Choices, EngineChoice
from .result import RESOURCES, SearchResult, excesses, shortages

ROUNDS = 24
"""How often the weights of exceeded resources are raised before a rate counts as impossible."""


def search(
    program: Program,
    *,
    device: FpgaDevice | str | None = None,
    clock_hz: float = CLOCK_HZ,
    target_fps: float | None = None,
    technology: Family | str = "xc7",
    fill: float | None = None,
) -> SearchResult:
    """Choose the folding of a program's datapath.

    Each engine gets the cheapest folding that reaches the target. Its cost is the weighted sum of
    its shares of the device's resources; resources that are exceeded get larger weights.

    Args:
        program: a lowered program.
        device: the device whose limits apply, or a name of ``DEVICES``.
        clock_hz: the clock that the hardware is meant to reach (not checked here).
        target_fps: images a second; without it the highest rate that the device holds.
        technology: the FPGA family whose cells are counted where no device is given.
        fill: percent of the device's resources that may be taken; ``devices.FILL`` if None.

    Raises:
        CompileError: neither rate nor device is given, a name is unknown, or the rate is not
            possible or does not fit the device; the message says by how much, and which engine is
            the limit.
    """
    chosen, family = _request(device, clock_hz, target_fps, technology, fill)
    if chosen is None and target_fps is None:
        raise CompileError(
            Problem(
                node="",
                op="",
                found="neither a rate nor a device to fold for",
                supported="--target-fps, --device, or both: " + ", ".join(DEVICES),
            )
        )
    finder = _Finder(program, chosen, family, clock_hz)
    return finder.at_rate(target_fps) if target_fps is not None else finder.fastest()


def price(
    program: Program,
    folding: Folding,
    *,
    device: FpgaDevice | str | None = None,
    clock_hz: float = CLOCK_HZ,
    target_fps: float | None = None,
    technology: Family | str = "xc7",
    fill: float | None = None,
) -> SearchResult:
    """Return the cost of a given folding; check it against a rate and a device if given.

    Args:
        program: a lowered program.
        folding: the parallelism of every engine.
        device, clock_hz, target_fps, technology, fill: as for ``search``.

    Raises:
        CompileError: the folding does not fit the program, misses the rate or exceeds the device;
            the message says by how much, and which engine is the limit.
    """
    chosen, family = _request(device, clock_hz, target_fps, technology, fill)
    result = SearchResult(plan(program, folding, family=family, clock_hz=clock_hz), chosen)
    if target_fps is not None and result.fps < target_fps:
        engines = result.design.engines
        name = max(engines, key=lambda n: engines[n].cycles)
        raise CompileError(
            Problem(
                node=name,
                op=engines[name].kind,
                found=f"the folding gives {result.fps:.6g} images/s at {clock_hz / 1e6:g} MHz: "
                f"this engine takes {engines[name].cycles} cycles an image",
                supported=f"{cycles_for(target_fps, clock_hz)} cycles or fewer for {target_fps:g} "
                f"images/s, a factor {target_fps / result.fps:.3g}",
                hint="more processing elements or SIMD lanes in this engine, or leave the folding "
                "out to have one searched",
            )
        )
    if chosen is not None and (problems := shortages(result)):
        raise CompileError(
            [
                Problem(
                    node="",
                    op="",
                    found=f"the folding does not fit {chosen.id}",
                    hint="less parallelism in the engines below, or a larger device",
                ),
                *problems,
            ]
        )
    return result


def cycles_for(fps: float, clock_hz: float) -> int:
    """Return the most cycles an image at which a clock still gives a rate.

    A rate that some folding has is one: the quotient of two quotients may lie just below a number.
    """
    cycles = floor(clock_hz / fps)
    return cycles + (clock_hz / (cycles + 1) >= fps)


def _request(
    device: FpgaDevice | str | None,
    clock_hz: float,
    target_fps: float | None,
    technology: Family | str,
    fill: float | None,
) -> tuple[FpgaDevice | None, Family]:
    """FpgaDevice and family by name; the numbers checked."""
    wanted = {"a clock": (clock_hz, "Hz"), "a rate": (target_fps, "images/s")}
    problems = [
        Problem(node="", op="", found=f"{name} of {value:g} {unit}", supported="a number above 0")
        for name, (value, unit) in wanted.items()
        if value is not None and not 0 < value < inf
    ]
    if fill is not None and device is None:
        problems.append(Problem("", "", "a fill without a device", "a share of --device"))
    if problems:
        raise CompileError(problems)
    chosen = find_device(device, fill) if device is not None else None
    return chosen, chosen.family if chosen else find_family(technology)


class _Finder:
    def __init__(
        self, program: Program, device: FpgaDevice | None, family: Family, clock_hz: float
    ) -> None:
        self.program, self.device, self.family = program, device, family
        self.clock_hz = clock_hz
        self.engines = {engine.name: engine for engine in engines_of(program)}
        self.options = {name: Choices(e, family) for name, e in self.engines.items()}
        self.results: dict[tuple[Fold, ...], SearchResult] = {}
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
        low, high, best = 0, len(targets) - 1, None
        while low < high:
            middle = (low + high) // 2
            result = self._within(targets[middle])
            best, low, high = (result, low, middle) if result else (best, middle + 1, high)
        return best or self._within(targets[high])

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
        weights = dict.fromkeys(RESOURCES, 1.0)
        if not self._may_fit(target):
            return None
        for _ in range(ROUNDS if self.device else 1):
            picked = self._cheapest(target, weights)
            used = sum((c.resources for c in picked.values()), Cells())
            short = excesses(used, self.device)
            if not short:
                result = self._result(picked)
                short = excesses(result.total, self.device)
                if not short:
                    return result
            for resource, excess in short.items():
                weights[resource] *= 1.0 + excess if excess < 1 else 2.0
        return None

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
        key = tuple(folds.values())
        if key not in self.results:
            design = plan(
                self.program,
                Folding(folds),
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
