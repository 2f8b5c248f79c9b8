"""The search for a folding: the least area for a rate, or the highest rate on a device."""

from __future__ import annotations

from math import inf

from n2uqc.frontend.diagnostics import CompileError, Problem
from n2uqc.passes.program import Program

from ..fpga.design import CLOCK_HZ, find_family, plan
from ..fpga.folding import Folding
from ..fpga.hdl.families import Family
from .devices import DEVICES, FpgaDevice, find_device
from .finder import Finder, cycles_for
from .result import SearchResult, shortages


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
    finder = Finder(program, chosen, family, clock_hz)
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
