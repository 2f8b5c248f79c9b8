"""Trains and costs a recipe, or costs networks, at every choice of what a file varies.

Keys of the recipe (bits, quantizers, seeds, rates), widths of the integer program, foldings,
devices, clocks and processors are given as lists; every choice of one value each becomes a row.
Each point is computed once and kept in one SQLite file, by the hash of its settings, data and code:
a sweep that was killed goes on, and one with more values computes what is new. A point that fails
is kept with its message while the others go on; the exit status is then 1. With --workers, or
--scheduler, points are computed by Dask, to the same rows; that needs the extra `cluster`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from n2uqc.console.example import PrintExample
from n2uqc.console.files import require_writable
from n2uqc.console.output import show
from n2uqc.console.progress import TERMINAL
from n2uqc.console.workers import add_workers

EXAMPLE = """\
# A sweep of `n2uqc sweep`.  What begins with # is a default or another choice.
# Paths are relative to this file.  Every choice of one value from each list is computed.
output = "out/sweep"               # sweep.sqlite: all points, and the trained networks
recipe = "recipe.toml"             # of `n2uqc train`; without it networks that are there:
# models = ["a.onnx", "b.onnx"]
# threads = 1                      # of one training

[[variants]]                       # parts of the recipe that change together, under a name
name = "N2UQ"
quantizers = { activation = "n2uq", weight = "n2uq" }

[[variants]]
name = "LSQ"
quantizers = { activation = "lsq", weight = "lsq" }
schedule = { threshold_rate = 1.0 }

[training]                         # any keys of the recipe, with lists of values
quantizers.bits = [2, 3]
schedule.seed = [0, 1, 2]

# [program]                        # widths of what N2UQ leaves real
# precision = ["exact", "balanced"]
# stem_bits = [16, 24]             # residual_bits, head_bits, level_bits likewise
# input_range = [-8, 8]            # of networks that are not trained here

[accuracy]                         # of the integer program, on the recipe's test samples
# executor = ["interpreter"]
# data = "test.npz"                # for models: arrays named images = "x" and labels = "y"

[cost]                             # as `n2uqc cost`; an empty table: a balanced folding
clock = [100, 200]                 # MHz
# device = ["xc7z020", "ecp5-45"]  # technology, fill, target_fps, target_cycles likewise
# folding = ["f.json"]             # files that `n2uqc compile --target fpga` writes

# [processor]                      # instructions of an image, counted under emulation
# target = ["cortex-m7", "aarch64"]
"""

HELP = "train and cost a recipe, or cost networks, at many settings"
EXAMPLES = f"""\
examples:
  n2uqc sweep --example > sweep.toml                 a complete sweep, to edit
  n2uqc sweep sweep.toml                             again after a kill: it goes on
  n2uqc sweep sweep.toml --workers 8                 eight processes here
  n2uqc sweep sweep.toml --scheduler tcp://host:8786 workers that `dask worker tcp://host:8786`
                                                     started, and that see the same files

the sweep that --example prints:

{EXAMPLE}"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("spec", metavar="SPEC.toml", type=Path, help="what is varied")
    parser.add_argument(
        "--example", action=PrintExample, text=EXAMPLE, help="print a complete sweep and leave"
    )
    parser.add_argument(
        "--output",
        "-o",
        metavar="DIR",
        type=Path,
        help="folder of the store, instead of the sweep's",
    )
    add_workers(parser)
    parser.add_argument("--retry", action="store_true", help="try points that failed before again")
    parser.add_argument(
        "--device", metavar="D", default="cpu", help="of trainings: cpu, cuda or cuda:N (cpu)"
    )


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    from n2uqc.api.sweep import sweep

    if options.output is not None:
        require_writable(options.output, folder=True)
    found = sweep(
        options.spec,
        options.output,
        workers=options.workers,
        scheduler=options.scheduler,
        retry=options.retry,
        device=options.device,
        progress=TERMINAL,
    )
    show(found, options)
    return 1 if found.failures else 0
