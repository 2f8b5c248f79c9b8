"""The parallelism of the datapath's engines: given in a file, or searched for a rate or device."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .files import read_text
from .progress import working

if TYPE_CHECKING:
    from n2uqc.backends.fpga import Folding
    from n2uqc.backends.search import SearchResult
    from n2uqc.passes.program import Program

CLOCK_MHZ = 100.0
_NAMES = ("folding", "target_cycles", "target_fps", "device")


def add_folding(parser: argparse.ArgumentParser) -> None:
    """Add the options that decide the folding."""
    group = parser.add_argument_group(
        "folding",
        "How parallel each engine of the datapath is; without any of these, balanced "
        "within some thousand LUTs.",
    )
    one = group.add_mutually_exclusive_group()
    one.add_argument(
        "--folding",
        metavar="F.json",
        type=Path,
        help="processing elements (pe) and SIMD lanes (simd) of each engine, as `n2uqc compile "
        "MODEL --target fpga` writes them; --target-fps and --device then check it",
    )
    one.add_argument(
        "--target-cycles",
        metavar="N",
        type=int,
        help="busy cycles an image of the slowest engine, at the least area",
    )
    group.add_argument(
        "--target-fps",
        metavar="N",
        type=float,
        help="images a second at the clock, at the least area",
    )
    group.add_argument(
        "--clock",
        metavar="MHZ",
        type=float,
        help=f"clock that the hardware is meant to reach; not checked ({CLOCK_MHZ:g})",
    )
    group.add_argument(
        "--device",
        metavar="NAME",
        help="FPGA whose resources are kept, e.g. xc7z020 or ecp5-45; "
        "without a rate, the highest that fits",
    )


def folding_options(options: argparse.Namespace) -> list[str]:
    """The options of ``add_folding`` that were given."""
    return [
        f"--{name.replace('_', '-')}"
        for name in (*_NAMES, "clock")
        if getattr(options, name) is not None
    ]


def clock_hz(options: argparse.Namespace) -> float:
    """The assumed clock."""
    return 1e6 * (CLOCK_MHZ if options.clock is None else options.clock)


def read_folding(options: argparse.Namespace, program: Program) -> Folding:
    """The chosen folding, checked for a program; the default one if none was chosen.

    Raises:
        CompileError: it does not fit the program, or the rate or device is out of reach.
        UserError: the file cannot be read.
    """
    if options.target_fps is None and options.device is None:
        return _given(options, program)
    return plan(options, program).folding


def plan(options: argparse.Namespace, program: Program) -> SearchResult:
    """The chosen folding with what it costs; raises as ``read_folding`` does."""
    from n2uqc.backends.search import price, search

    wanted = {
        "device": options.device,
        "target_fps": options.target_fps,
        "clock_hz": clock_hz(options),
    }
    if (
        options.folding is None
        and options.target_cycles is None
        and (options.device is not None or options.target_fps is not None)
    ):
        with working("searching the folding"):
            return search(program, **wanted)
    folding = _given(options, program)
    with working("pricing the folding"):
        return price(program, folding, **wanted)


def _given(options: argparse.Namespace, program: Program) -> Folding:
    from n2uqc.backends.fpga import Folding, default_folding

    if options.folding is None:
        return default_folding(program, cycles=options.target_cycles)
    return Folding.from_json(read_text(options.folding), program)
