"""Options for the datapath's folding: given in a file, or searched for a rate or device."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from n2uqc.api.clock import require_clock

from .files import read_text
from .listing import NameOrHelp
from .progress import TERMINAL

if TYPE_CHECKING:
    from n2uqc.backends.fpga import Folding
    from n2uqc.passes.program import Program

CLOCK_MHZ = 100.0


def add_folding(parser: argparse.ArgumentParser) -> None:
    """Add the options that determine the folding."""
    group = parser.add_argument_group(
        "folding",
        "Parallelism of the datapath's engines; by default balanced within some thousand LUTs.",
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
        help="busy cycles per image of the slowest engine, at the least area",
    )
    group.add_argument(
        "--target-fps",
        metavar="N",
        type=float,
        help="images per second at the clock, at the least area",
    )
    group.add_argument(
        "--clock",
        metavar="MHZ",
        type=float,
        help=f"assumed clock of the hardware, not checked ({CLOCK_MHZ:g})",
    )
    group.add_argument(
        "--device",
        metavar="NAME",
        action=NameOrHelp,
        listing=_devices,
        help="FPGA whose resources must suffice, e.g. xc7z020 or ecp5-45 (`--device help` lists "
        "all); without a rate, the highest that fits",
    )
    group.add_argument(
        "--fill",
        metavar="PERCENT",
        type=float,
        help="share of the device's resources that may be taken (LUTs 70, flip-flops 50, block "
        "RAM and DSPs 80: fuller devices often miss their clock)",
    )


def _devices() -> str:
    from n2uqc.backends.search import device_listing

    return device_listing()


def given_options(options: argparse.Namespace) -> list[str]:
    """Return the names of the options of ``add_folding`` that were given."""
    names = ("folding", "target_cycles", "target_fps", "device", "clock", "fill")
    return [f"--{n.replace('_', '-')}" for n in names if getattr(options, n) is not None]


def clock_hz(options: argparse.Namespace) -> float:
    """Return the assumed clock.

    Raises:
        UserError: it is no positive number.
    """
    clock = CLOCK_MHZ if options.clock is None else options.clock
    require_clock(clock)
    return 1e6 * clock


def given_folding(options: argparse.Namespace, program: Program) -> Folding | None:
    """Return the folding of --folding, checked for a program; None without the option.

    Raises:
        CompileError: it does not fit the program.
        UserError: the file cannot be read.
    """
    if options.folding is None:
        return None
    from n2uqc.backends.fpga import Folding

    return Folding.from_json(read_text(options.folding), program)


def read_folding(options: argparse.Namespace, program: Program) -> Folding:
    """Return the chosen folding; a balanced one if none was chosen.

    Raises:
        CompileError: it does not fit the program, or the rate or device is not possible.
        UserError: the file cannot be read, or --fill has no device.
    """
    from n2uqc.api.design import choose_folding

    return choose_folding(
        program,
        folding=given_folding(options, program),
        target_cycles=options.target_cycles,
        target_fps=options.target_fps,
        device=options.device,
        clock_hz=clock_hz(options),
        fill=options.fill,
        progress=TERMINAL,
    )
