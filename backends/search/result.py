"""The cost of a folding: engines, stream units, total and device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from n2uqc.frontend.diagnostics import Problem
from n2uqc.passes.program import Program

from ..cost.technology import Technology
from ..cost.units.resources import Resources, total
from ..fpga.folding import Folding, engines_of
from ..fpga.pipeline import build_pipeline
from ..fpga.timing import MachineNetwork
from .devices import FpgaDevice
from .estimate import EngineChoice, plumbing

RESOURCES: tuple[str, ...] = ("lut", "ff", "dsp", "bram18")
NAMES = {"lut": "LUT", "ff": "FF", "dsp": "DSP", "bram18": "18-Kbit block RAM"}


@dataclass(frozen=True)
class SearchResult:
    """A folding with its cost.

    Attributes:
        folding: the parallelism of every engine.
        clock_hz: assumed clock.
        interval: cycles between images: the slowest engine's.
        choices: the choice for each engine, in program order.
        kinds: kinds of the engines.
        plumbing: resources of FIFOs and width converters.
        device: the device whose limits apply; None without one.
        technology: family of the cost model.
    """

    folding: Folding
    clock_hz: float
    interval: int
    choices: Mapping[str, EngineChoice]
    kinds: Mapping[str, str]
    plumbing: Resources
    device: FpgaDevice | None
    technology: Technology

    @property
    def fps(self) -> float:
        """Images per second."""
        return self.clock_hz / self.interval

    @property
    def total(self) -> Resources:
        """Resources of the whole datapath."""
        return total([*(c.resources for c in self.choices.values()), self.plumbing])

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of a table: engines, stream units, total, and resources of the device."""
        rows: list[dict[str, Any]] = [
            {
                "name": name,
                "kind": self.kinds[name],
                "form": c.form,
                "pe": c.fold.pe,
                "simd": c.fold.simd,
                "cycles": c.cycles,
                **_figures(c.resources),
            }
            for name, c in self.choices.items()
        ]
        blank = {"kind": "", "form": "", "pe": None, "simd": None, "cycles": None}
        rows.append({"name": "FIFOs, converters", **blank, **_figures(self.plumbing)})
        rows.append({"name": "total", **blank, "cycles": self.interval, **_figures(self.total)})
        if self.device:
            held = {r: self.device.holds(r) for r in RESOURCES}
            rows.append({"name": self.device.part, **blank, **held})
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return the result for JSON; ``Folding.from_json`` reads its ``engines``."""
        return {
            "engines": {n: {"pe": f.pe, "simd": f.simd} for n, f in self.folding.engines.items()},
            "device": self.device.id if self.device else None,
            "technology": self.technology.id,
            "clock_hz": self.clock_hz,
            "interval_cycles": self.interval,
            "images_per_second": self.fps,
            "table": self.rows(),
            "basis": self.total.basis.label,
        }


def _figures(r: Resources) -> dict[str, Any]:
    return {"lut": ceil(r.lut), "ff": ceil(r.ff), "dsp": ceil(r.dsp), "bram18": ceil(r.bram18)}


def priced(
    program: Program,
    picked: Mapping[str, EngineChoice],
    clock_hz: float,
    device: FpgaDevice | None,
    technology: Technology,
) -> SearchResult:
    """Return the result for the chosen engines, with the FIFOs and converters of their pipeline."""
    folding = Folding({name: c.fold for name, c in picked.items()})
    pipeline = build_pipeline(program, folding)
    network = MachineNetwork(pipeline)
    return SearchResult(
        folding,
        clock_hz,
        network.bottleneck,
        dict(picked),
        {engine.name: engine.kind for engine in engines_of(program)},
        plumbing(pipeline, network.sizes, technology),
        device,
        technology,
    )


def excesses(used: Resources, device: FpgaDevice | None) -> dict[str, float]:
    """Return the excess of each resource that exceeds the device, relative to the device."""
    if device is None:
        return {}
    return {
        r: ceil(getattr(used, r)) / max(1, device.holds(r)) - 1
        for r in RESOURCES
        if ceil(getattr(used, r)) > device.holds(r)
    }


def shortages(result: SearchResult) -> list[Problem]:
    """Return a problem per resource that exceeds the device,
    naming the engine that takes most of it.
    """
    device, used, problems = result.device, result.total, []
    assert device is not None
    for resource in excesses(used, device):
        name = max(result.choices, key=lambda n: getattr(result.choices[n].resources, resource))
        need, part = (getattr(r, resource) for r in (used, result.choices[name].resources))
        held = device.holds(resource)
        problems.append(
            Problem(
                node=name,
                op=result.kinds[name],
                found=f"{ceil(need)} {NAMES[resource]} for {result.interval} cycles per image, "
                f"of which this engine takes {ceil(part)}",
                supported=f"{held} {NAMES[resource]} in {device.part}: {ceil(need) - held} too few",
            )
        )
    return problems
