"""The cost of a folding: engines, stream units, total and device."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from n2uqc.frontend.diagnostics import Problem

from ..fpga.design import Design
from ..fpga.folding import Folding
from ..fpga.hdl.terms import Cells
from .devices import FpgaDevice

RESOURCES: tuple[str, ...] = ("lut", "ff", "dsp", "bram18")
NAMES = {"lut": "LUT", "ff": "FF", "dsp": "DSP", "bram18": "18-Kbit block RAM"}
PLUMBING = "FIFOs, converters"


@dataclass(frozen=True)
class SearchResult:
    """A datapath that was found or given, and the device that it is for.

    Attributes:
        design: the datapath.
        device: whose budget was kept; None without one.
    """

    design: Design
    device: FpgaDevice | None

    @property
    def folding(self) -> Folding:
        """The parallelism of every engine."""
        return self.design.folding

    @property
    def interval(self) -> int:
        """Cycles between images: the slowest engine's."""
        return self.design.interval

    @property
    def clock_hz(self) -> float:
        """The clock assumed."""
        return self.design.clock_hz

    @property
    def fps(self) -> float:
        """Images a second."""
        return self.design.images_per_second

    @property
    def total(self) -> Cells:
        """Everything together."""
        return self.design.resources

    @property
    def engines(self) -> dict[str, tuple[int, Cells]]:
        """Index in the pipeline and cells of the engines of operations, by tensor."""
        return {
            engine.name: (k, self.design.cells[k].total)
            for k, engine in enumerate(self.design.pipeline.engines)
            if engine.op is not None
        }

    def rows(self) -> list[dict[str, Any]]:
        """The table: engines, plumbing, total, and what the device holds."""
        rows: list[dict[str, Any]] = []
        for name, (k, cells) in self.engines.items():
            engine = self.design.pipeline.engines[k]
            rows.append(
                {
                    "name": name,
                    "kind": engine.kind,
                    "form": self.design.forms[k],
                    "pe": engine.fold.pe,
                    "simd": engine.fold.simd,
                    "cycles": engine.cycles,
                    **asdict(cells),
                }
            )
        blank = {"kind": "", "form": "", "pe": None, "simd": None, "cycles": None}
        rows.append({"name": PLUMBING, **blank, **asdict(self.design.plumbing)})
        rows.append({"name": "total", **blank, "cycles": self.interval, **asdict(self.total)})
        if self.device:
            held = {r: self.device.holds(r) for r in RESOURCES}
            rows.append({"name": self.device.part, **blank, **held})
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return the result for JSON; ``Folding.from_json`` reads its ``engines``."""
        return {
            "engines": {name: self.folding.row(name) for name in self.folding.engines},
            "device": self.device.id if self.device else None,
            "fill_percent": ({r: self.device.share(r) for r in RESOURCES} if self.device else None),
            "technology": self.design.family.id,
            "clock_hz": self.clock_hz,
            "interval_cycles": self.interval,
            "images_per_second": self.fps,
            "table": self.rows(),
        }


def excesses(used: Cells, device: FpgaDevice | None) -> dict[str, float]:
    """Return the excess of each resource that does not suffice, as a share of the room for it."""
    if device is None:
        return {}
    return {
        r: getattr(used, r) / max(1, device.room(r)) - 1
        for r in RESOURCES
        if getattr(used, r) > device.room(r)
    }


def shortages(result: SearchResult) -> list[Problem]:
    """Return a problem per resource that exceeds the device,
    naming the engine that takes most of it.
    """
    device, used, problems = result.device, result.total, []
    assert device is not None
    engines = result.engines
    for resource in excesses(used, device):
        name = max(engines, key=lambda n: getattr(engines[n][1], resource))
        need, part = (getattr(cells, resource) for cells in (used, engines[name][1]))
        held, share = device.room(resource), device.share(resource)
        of = "" if share == 100 else f", {share:g}% of {device.holds(resource)} (--fill)"
        problems.append(
            Problem(
                node=name,
                op=result.design.engines[name].kind,
                found=f"{need} {NAMES[resource]} for {result.interval} cycles an image, "
                f"of which this engine takes {part}",
                supported=f"{held} {NAMES[resource]} in {device.part}: {need - held} too few{of}",
            )
        )
    return problems
