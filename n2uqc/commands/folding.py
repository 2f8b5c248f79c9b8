"""The parallelism of the datapath's engines: --folding from a file, or --target-cycles."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .files import read_text

if TYPE_CHECKING:
    from n2uqc.backends.fpga import Folding
    from n2uqc.passes.program import Program


def add_folding(parser: argparse.ArgumentParser) -> None:
    """Add the two options, which exclude each other."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--target-cycles", metavar="N", type=int,
        help="busy cycles an image of the datapath's slowest engine; sets the lanes of all",
    )
    group.add_argument(
        "--folding", metavar="F.json", type=Path,
        help="processing elements (pe) and SIMD lanes (simd) of each engine of the datapath, "
        "as `n2uqc compile MODEL --target fpga` writes them; balanced by default",
    )


def read_folding(options: argparse.Namespace, program: Program) -> Folding:
    """The chosen folding, checked for a program; the default one if none was chosen.

    Raises:
        CompileError: it does not fit the program, or no folding reaches the target.
        UserError: the file cannot be read.
    """
    from n2uqc.backends.fpga import Folding, default_folding

    if options.folding is None:
        return default_folding(program, cycles=options.target_cycles)
    return Folding.from_json(read_text(options.folding), program)
