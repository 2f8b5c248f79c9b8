"""The option --target, and those that only some targets take."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from .files import UserError

if TYPE_CHECKING:
    from n2uqc.backends import Target
    from n2uqc.passes.program import Program


def add_target(parser: argparse.ArgumentParser) -> None:
    """The options --target, --mcpu and --mattr."""
    parser.add_argument(
        "--target",
        "-t",
        required=True,
        metavar="T",
        action=_Target,
        help="aarch64, aarch64+dotprod, cortex-a72, armv7, cortex-m4, host, fpga, program, …; "
        "`--target help` lists all",
    )
    parser.add_argument(
        "--mcpu", metavar="CPU", help="processor as LLVM names it, where no target's name fits"
    )
    parser.add_argument(
        "--mattr",
        metavar="LIST",
        type=lambda text: tuple(text.split(",")),
        default=(),
        help="processor features as LLVM names them, e.g. +neon,+dotprod",
    )


class _Target(argparse.Action):
    """Stores the name, or lists all of them and ends."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        options: argparse.Namespace,
        value: Any,
        option: str | None = None,
    ) -> None:
        if value == "help":
            from n2uqc.backends import listing

            print(listing(), flush=True)
            parser.exit()
        setattr(options, self.dest, value)


def check_target(options: argparse.Namespace) -> Target:
    """The target, refused early where it cannot be built.

    Raises:
        CompileError: there is no such target (the message lists all), or not for this machine.
        UserError: an option is given that it does not take.
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
}
"""Options of the command line, and what they ask of a target."""


def asked(options: argparse.Namespace, program: Program) -> dict[str, Any]:
    """What the options ask of a target, as ``n2uqc.compile`` takes it."""
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
    }
