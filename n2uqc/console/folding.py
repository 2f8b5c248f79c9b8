"""Options for the datapath's folding: given in a file, or searched for a rate or device."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from n2uqc.api.errors import UserError

from .files import read_text
from .listing import NameOrHelp
from .progress import working

if TYPE_CHECKING:
    from n2uqc.backends.fpga import Folding
    from n2uqc.backends.fpga.design import Design
    from n2uqc.backends.search.devices import FpgaDevice
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
    """Return the assumed clock."""
    return 1e6 * (CLOCK_MHZ if options.clock is None else options.clock)


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
    """Return the chosen folding; the default one if none was chosen.

    Raises:
        CompileError: it does not fit the program, or the rate or device is not possible.
        UserError: the file cannot be read, or --fill has no device.
    """
    from n2uqc.backends import Request
    from n2uqc.backends.datapath import DATAPATH
    from n2uqc.backends.fpga.fitting import chosen_folding

    if options.fill is not None and options.device is None:
        raise UserError("--fill is a share of a --device, and none is given")
    folding = given_folding(options, program)
    if options.target_fps is None and options.device is None:
        return folding or chosen_folding(program, options.target_cycles)
    request = Request(
        folding=folding,
        target_cycles=options.target_cycles,
        target_fps=options.target_fps,
        device=options.device,
        clock_hz=clock_hz(options),
        fill=options.fill,
    )
    with working("planning the folding") as step:
        return DATAPATH.plan(program, request, step).folding


def read_device(options: argparse.Namespace) -> FpgaDevice | None:
    """The device of --device, filled as --fill says; None without one.

    Raises:
        CompileError: there is no such device.
    """
    from n2uqc.backends.search import find_device

    return None if options.device is None else find_device(options.device, options.fill)


def read_design(options: argparse.Namespace, program: Program) -> Design:
    """The datapath that `compile --target fpga` plans: the chosen folding on the chosen family.

    Raises:
        CompileError: as ``read_folding``, or the family is not known.
        UserError: the file cannot be read, or the device is of another family.
    """
    from n2uqc.backends.fpga.design import plan
    from n2uqc.backends.search import find_device

    family = options.technology or "xc7"
    if options.device is not None:
        device = find_device(options.device)
        if options.technology not in (None, device.family.id):
            raise UserError(
                f"--technology {options.technology}, but {device.id} is of {device.family.id}; "
                "leave one of them out"
            )
        family = device.family.id
    folding = read_folding(options, program)
    return plan(program, folding, family=family, clock_hz=clock_hz(options))
