"""Compares N2UQ with its rivals: trains, tests and costs them on real data.

LSQ, nuLSQ, LCQ, APoT, N2UQ, and N2UQ with equal segments at 2, 3 and 4 bits, rates tuned for each
on validation samples, paired seeds, t intervals, Holm's correction and equivalence tests; accuracy
is that of the integer program. The hypotheses were written down before (studies/hypotheses.md). The
folder gets the store of all networks, a page (study.md), its record (study.json), and a page of
accuracy against cost for each data set. A study that is killed goes on. Data is fetched as packages
by pip, npm and apt-get, or read from a folder that holds them. Needs the extras `study`, `report`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from n2uqc.console.files import require_writable
from n2uqc.console.output import show
from n2uqc.console.progress import TERMINAL
from n2uqc.console.workers import add_workers

HELP = "compare N2UQ with its rivals: train, test and cost them on real data"
EXAMPLES = """\
examples:
  n2uqc study --quick -o out/study                   minutes: does it work, what is large?
  n2uqc study --full -o out/full --workers 8         hours, on eight processes
  n2uqc study --full -o out/full --data packages     data packages that are there already
  n2uqc study --quick -o out/part --datasets optdigits --bits 2
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    extent = parser.add_mutually_exclusive_group(required=True)
    for name, said in (("quick", "two data sets, few seeds: minutes"), ("full", "all: hours")):
        extent.add_argument(f"--{name}", action="store_const", const=name, dest="extent", help=said)
    parser.add_argument(
        "--output", "-o", metavar="DIR", type=Path, required=True, help="folder of the results"
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        help="folder with the packages that carry the data; without it they are fetched",
    )
    parser.add_argument(
        "--datasets",
        nargs="+",
        metavar="NAME",
        help="fewer data sets: fashion, mnist, optdigits, watch",
    )
    parser.add_argument("--bits", nargs="+", type=int, metavar="N", help="fewer bits: 2, 3, 4")
    parser.add_argument("--seeds", type=int, metavar="N", help="another number of paired networks")
    parser.add_argument(
        "--not-crossed",
        action="store_true",
        help="leave out the table of activation and weight quantizers",
    )
    add_workers(parser)
    parser.add_argument("--retry", action="store_true", help="try what failed before again")


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    from n2uqc.studies.study import study

    require_writable(options.output, folder=True)
    found = study(
        options.extent,
        options.output,
        data=options.data,
        datasets=options.datasets,
        bits=options.bits,
        seeds=options.seeds,
        crossed=not options.not_crossed,
        workers=options.workers,
        scheduler=options.scheduler,
        retry=options.retry,
        progress=TERMINAL,
    )
    show(found, options)
    return 0
