"""The option --target: processors, and what is none."""

from __future__ import annotations

import argparse
from difflib import get_close_matches
from typing import Any

from .files import UserError

OTHERS = {
    "fpga": "FPGA-style datapath: engines, cycles, resources; Verilog with --rtl",
    "program": "the integer program itself, a file that every command takes in place of MODEL",
}
"""Targets that are no processors."""


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
            print(_listing(), flush=True)
            parser.exit()
        setattr(options, self.dest, value)


def check_target(options: argparse.Namespace) -> None:
    """Refuse early what no target can be.

    Raises:
        UserError: there is no such target; the message lists all.
        CompileError: it is not for this machine.
    """
    if options.target in OTHERS:
        if options.mcpu or options.mattr:
            raise UserError(f"--mcpu and --mattr choose a processor; {options.target} is none")
        return
    from n2uqc.backends import TARGETS, find_target, is_target

    if not is_target(options.target):
        names = [*TARGETS, *OTHERS]
        near = get_close_matches(options.target.lower(), names)
        hint = f"did you mean {' or '.join(near)}? T" if near else "t"
        raise UserError(
            f"--target {options.target!r}: no such target; {hint}here are\n{_listing()}"
        )
    find_target(options.target, options.mcpu, options.mattr)


def _listing() -> str:
    from n2uqc.backends import listing

    return listing(OTHERS)
