"""The option --target, and options that only some targets support."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from n2uqc.api.errors import UserError

from .listing import NameOrHelp

if TYPE_CHECKING:
    from n2uqc.backends import Target
    from n2uqc.passes.program import Program


def add_target(parser: argparse.ArgumentParser) -> None:
    """Add the options --target, --mcpu and --mattr."""
    parser.add_argument(
        "--target",
        "-t",
        required=True,
        metavar="T",
        action=NameOrHelp,
        listing=_targets,
        help="aarch64, aarch64+dotprod, cortex-a72, armv7, cortex-m4, host, fpga, program, …; "
        "`--target help` lists all",
    )
    parser.add_argument(
        "--mcpu", metavar="CPU", help="LLVM's name of the processor, if no target has that name"
    )
    parser.add_argument(
        "--mattr",
        metavar="LIST",
        type=lambda text: tuple(text.split(",")),
        default=(),
        help="LLVM's names of processor features, e.g. +neon,+dotprod",
    )


def _targets() -> str:
    from n2uqc.backends import listing

    return listing()


def check_target(options: argparse.Namespace) -> Target:
    """Return the target; refuse early what cannot be built.

    Raises:
        CompileError: the target is unknown (the message lists all) or not possible on this machine.
        UserError: the target does not support an option that was given.
    """
    from n2uqc.backends import TARGETS, Request, find_target

    target = find_target(options.target)
    given = [name for name in _OPTIONS if getattr(options, name) not in (None, (), False)]
    if strange := [name for name in given if _OPTIONS[name] not in target.takes]:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in strange)
        takers = [t for t in TARGETS.values() if _OPTIONS[strange[0]] in t.takes]
        some = takers[0].name if len(takers) == 1 else f"processors such as {takers[-1].name}"
        raise UserError(f"{names}: not for the target {target.name} but for {some}")
    target.check(Request(mcpu=options.mcpu, mattr=options.mattr))
    return target


_OPTIONS = {
    "mcpu": "mcpu",
    "mattr": "mattr",
    "folding": "folding",
    "target_cycles": "target_cycles",
    "target_fps": "target_fps",
    "device": "device",
    "clock": "clock_hz",
    "rtl": "rtl",
    "fill": "fill",
}
"""Arguments of ``n2uqc.compile``, with the options of the command line."""


def asked(options: argparse.Namespace, program: Program) -> dict[str, Any]:
    """Return the arguments of ``n2uqc.compile`` that the options give."""
    from .folding import given_folding

    return {
        "mcpu": options.mcpu,
        "mattr": options.mattr,
        "folding": given_folding(options, program),
        "target_cycles": options.target_cycles,
        "target_fps": options.target_fps,
        "device": options.device,
        "clock_hz": None if options.clock is None else 1e6 * options.clock,
        "rtl": options.rtl,
        "fill": options.fill,
    }
