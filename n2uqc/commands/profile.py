"""Counts the instructions of a compiled artifact, kernel by kernel, and estimates cycles.

One sample runs under emulation and every basic block is counted, so the number of instructions is
exact. Cycles are estimates of llvm-mca for a named core, without caches and branch mispredictions.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from n2uqc.console.batches import read_batch
from n2uqc.console.output import show
from n2uqc.console.progress import TERMINAL

HELP = "instructions and estimated cycles of an ARM artifact, by kernel"
EXAMPLES = """\
examples:
  n2uqc profile out/net
  n2uqc profile out/net --core cortex-a53 --clock 1200
  n2uqc profile out/net --input x.npy --json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "artifact", metavar="DIR", type=Path, help="the folder that `n2uqc compile` wrote"
    )
    parser.add_argument(
        "--core",
        metavar="CPU",
        help="estimate cycles for this core, as LLVM names it: "
        "cortex-a53, cortex-a55, cortex-a72, cortex-a76, neoverse-n1 (the core that the artifact "
        "was compiled for, else cortex-a72, where llvm-mca is installed)",
    )
    parser.add_argument(
        "--clock",
        metavar="MHZ",
        type=float,
        default=1000.0,
        help="clock at which the estimated cycles are stated as a time (1000)",
    )
    parser.add_argument(
        "--input",
        "-i",
        metavar="X",
        type=Path,
        help="images (N,C,H,W) of which the first is run, "
        ".npy or .npz; by default random integers, which count the same",
    )


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    from n2uqc.api.profile import profile
    from n2uqc.backends import open_artifact

    artifact = open_artifact(options.artifact)
    x = None
    if options.input is not None:
        x = read_batch(options.input, artifact.program.interface.inputs)
    show(profile(artifact, x, core=options.core, clock=options.clock, progress=TERMINAL), options)
    return 0
