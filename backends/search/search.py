"""Search for the folding: a rate at the least area, or the highest rate that a device holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

from n2uqc.frontend.diagnostics import CompileError, Problem
from n2uqc.passes.program import Program

from ..cost.compare import find_technology
from ..cost.technology import Technology
from ..cost.units.resources import Resources, total
from ..fpga.engines import Engine
from ..fpga.folding import Folding, engines_of
from ..fpga.pipeline import build_pipeline
from ..fpga.timing import Network
from .devices import DEVICES, Device, find_device
from .estimate import Choice, choices, plumbing

RESOURCES = ("lut", "ff", "dsp", "bram18")
NAMES = {"lut": "LUT", "ff": "FF", "dsp": "DSP", "bram18": "18-Kbit block RAM"}
CLOCK_HZ = 100e6

ROUNDS = 24
"""Times that a resource that is short is made dearer before a rate counts as out of reach."""


@dataclass(frozen=True)
class SearchResult:
    """A folding that was found.

    Attributes:
        folding: the parallelism of every engine.
        clock_hz: assumed clock.
        interval: cycles between images: the slowest engine's.
        choices: what was chosen for each engine, in the order of the program.
        kinds: of the engines.
        plumbing: FIFOs and width converters.
        device: whose budget was kept; None without one.
        technology: how cost was estimated.
    """

    folding: Folding
    clock_hz: float
    interval: int
    choices: Mapping[str, Choice]
    kinds: Mapping[str, str]
    plumbing: Resources
    device: Device | None
    technology: Technology

    @property
    def fps(self) -> float:
        """Images a second."""
        return self.clock_hz / self.interval

    @property
    def total(self) -> Resources:
        """Everything together."""
        return total([*(c.resources for c in self.choices.values()), self.plumbing])

    def rows(self) -> list[dict[str, Any]]:
        """The table: engines, plumbing, total, and what the device holds."""
        rows: list[dict[str, Any]] = [
            {"name": name, "kind": self.kinds[name], "pe": c.fold.pe, "simd": c.fold.simd,
             "cycles": c.cycles, **_figures(c.resources)}
            for name, c in self.choices.items()
        ]
        blank = {"kind": "", "pe": None, "simd": None, "cycles": None}
        rows.append({"name": "FIFOs, converters", **blank, **_figures(self.plumbing)})
        rows.append({"name": "total", **blank, "cycles": self.interval, **_figures(self.total)})
        if self.device:
            held = {r: self.device.holds(r) for r in RESOURCES}
            rows.append({"name": self.device.part, **blank, **held})
        return rows

    def to_dict(self) -> dict[str, Any]:
        """The whole result for JSON; ``engines`` is what ``Folding.from_json`` reads."""
        return {
            "engines": {
                n: {"pe": f.pe, "simd": f.simd} for n, f in self.folding.engines.items()
            },
            "device": self.device.id if self.device else None,
            "technology": self.technology.id, "clock_hz": self.clock_hz,
            "interval_cycles": self.interval, "images_per_second": self.fps, "table": self.rows(),
            "basis": self.total.basis.label,
        }


def _figures(r: Resources) -> dict[str, Any]:
    return {"lut": ceil(r.lut), "ff": ceil(r.ff), "dsp": ceil(r.dsp), "bram18": ceil(r.bram18)}


def search(
    program: Program, *, device: Device | str | None = None, clock_hz: float = CLOCK_HZ,
    target_fps: float | None = None, technology: Technology | str = "xc7",
) -> SearchResult:
    """Choose the folding of a program's datapath.

    Each engine gets the cheapest folding that keeps up with the target: cost is the part of the
    device that it takes, its resources added, and those that run short weigh more.

    Args:
        program: a lowered program.
        device: whose budget is kept; a name of ``DEVICES``.
        clock_hz: the clock that the hardware is meant to reach (not checked here).
        target_fps: images a second; without it the highest rate that the device holds.
        technology: how cost is estimated where no device is given.

    Raises:
        CompileError: neither rate nor device is given, a name is unknown, or the rate or device
            is out of reach: by how much, and which engine binds.
    """
    if clock_hz <= 0 or (target_fps is not None and target_fps <= 0):
        raise CompileError(Problem(
            node="", op="", found=f"clock {clock_hz:g} Hz, rate {target_fps} images/s",
            supported="numbers above 0",
        ))
    chosen = find_device(device) if device is not None else None
    if chosen is None and target_fps is None:
        raise CompileError(Problem(
            node="", op="", found="neither a rate nor a device to fold for",
            supported="--target-fps, --device, or both: " + ", ".join(DEVICES),
        ))
    family = chosen.technology if chosen else find_technology(technology)
    finder = _Finder(program, chosen, family, clock_hz)
    return finder.at_rate(target_fps) if target_fps is not None else finder.fastest()


class _Finder:
    def __init__(
        self, program: Program, device: Device | None, technology: Technology, clock_hz: float
    ) -> None:
        self.program, self.device, self.technology = program, device, technology
        self.clock_hz = clock_hz
        self.engines: dict[str, Engine] = {e.name: e for e in engines_of(program)}
        self.options = {
            name: choices(engine, program, technology) for name, engine in self.engines.items()
        }
        self.least = {name: min(c.cycles for c in cs) for name, cs in self.options.items()}
        self.floor = max(self.least.values(), default=1)

    def at_rate(self, fps: float) -> SearchResult:
        target = floor(self.clock_hz / fps)
        if target < self.floor:
            name = max(self.least, key=self.least.__getitem__)
            best = self.clock_hz / self.floor
            raise CompileError(Problem(
                node=name, op=self.engines[name].kind,
                found=f"{fps:g} images/s at {self.clock_hz / 1e6:g} MHz leave {target} cycles an "
                f"image; this engine's fastest folding takes {self.floor}",
                supported=f"{best:.6g} images/s or less at this clock, a factor {fps / best:.3g} "
                "below", mend=f"a clock of {fps * self.floor / 1e6:.4g} MHz or more",
            ))
        result = self._within(target)
        if result is None:
            self._too_small(target, fps)
        assert result is not None
        return result

    def fastest(self) -> SearchResult:
        targets = sorted({
            c.cycles for cs in self.options.values() for c in cs if c.cycles >= self.floor
        })
        low, high = 0, len(targets) - 1
        best = self._within(targets[high])
        if best is None:
            self._too_small(targets[high], None)
        while low < high:
            middle = (low + high) // 2
            found = self._within(targets[middle])
            best, low, high = (found, low, middle) if found else (best, middle + 1, high)
        assert best is not None
        return best

    def _within(self, target: int) -> SearchResult | None:
        """The cheapest folding for a target that the device holds, or None."""
        weights = dict.fromkeys(RESOURCES, 1.0)
        for _ in range(ROUNDS if self.device else 1):
            picked = self._cheapest(target, weights)
            short = self._short(total(c.resources for c in picked.values()))
            if not short:
                result = self._result(picked)
                short = self._short(result.total)
                if not short:
                    return result
            for resource, excess in short.items():
                weights[resource] *= 1.0 + excess if excess < 1 else 2.0
        return None

    def _cheapest(self, target: int, weights: Mapping[str, float]) -> dict[str, Choice]:
        prices = {r: weights[r] / max(1, self._holds(r)) for r in RESOURCES}

        def price(choice: Choice) -> tuple[float, int]:
            cost = sum(prices[r] * getattr(choice.resources, r) for r in RESOURCES)
            return cost, choice.cycles

        return {
            name: min((c for c in cs if c.cycles <= target), key=price)
            for name, cs in self.options.items()
        }

    def _holds(self, resource: str) -> int:
        # without a device: the mixture of a 7-series part
        return (self.device or DEVICES["xc7z020"]).holds(resource)

    def _short(self, used: Resources) -> dict[str, float]:
        """By how much of the device each resource that does not suffice is exceeded."""
        if self.device is None:
            return {}
        return {
            r: ceil(getattr(used, r)) / max(1, self.device.holds(r)) - 1 for r in RESOURCES
            if ceil(getattr(used, r)) > self.device.holds(r)
        }

    def _result(self, picked: Mapping[str, Choice]) -> SearchResult:
        folding = Folding({name: c.fold for name, c in picked.items()})
        pipeline = build_pipeline(self.program, folding)
        network = Network(pipeline)
        return SearchResult(
            folding, self.clock_hz, network.bottleneck, dict(picked),
            {name: e.kind for name, e in self.engines.items()},
            plumbing(pipeline, network.sizes, self.technology), self.device, self.technology,
        )

    def _too_small(self, target: int, fps: float | None) -> None:
        assert self.device is not None
        result = self._result(self._cheapest(target, dict.fromkeys(RESOURCES, 1.0)))
        used, problems = result.total, []
        for resource in self._short(used):
            name = max(
                result.choices, key=lambda n: getattr(result.choices[n].resources, resource)
            )
            need, part = (getattr(r, resource) for r in (used, result.choices[name].resources))
            held = self.device.holds(resource)
            problems.append(Problem(
                node=name, op=self.engines[name].kind,
                found=f"{ceil(need)} {NAMES[resource]} for {target} cycles an image, of which this "
                f"engine takes {ceil(part)}",
                supported=f"{held} {NAMES[resource]} in {self.device.part}: {ceil(need) - held} "
                "too few",
            ))
        rate = "even the slowest folding" if fps is None else f"{fps:g} images/s"
        raise CompileError([
            Problem(node="", op="", found=f"{rate} does not fit {self.device.id}",
                    mend="a larger device" if fps is None else "a lower rate (without one, the "
                    "highest that fits is searched for), or a larger device"),
            *problems,
        ])
