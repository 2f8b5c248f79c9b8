"""`make mutants`: does a test fail when a line of the code is wrong?

Changes are drawn from the folders below; each is put into a copy of the project, and the tests that
run its line are run against it, the quickest first, until one fails. What none notices is listed:
the change is either without effect, or a test is missing.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track

from .covering import Covering, record
from .run import Fate, Trial
from .sites import Site, sites

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("passes", "backends/cost", "backends/cpu", "backends/fpga")


def drawn(folders: tuple[str, ...], count: int, seed: int) -> list[Site]:
    """Changes drawn from all that the folders offer."""
    everything = [
        site
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        for site in sites(path.relative_to(ROOT).as_posix(), path.read_bytes())
    ]
    return random.Random(seed).sample(everything, min(count, len(everything)))


class _Worker:
    """A process of its own with a copy of the project, in which it tries one change at a time."""

    trial: Trial

    @classmethod
    def start(cls, folder: Path, budget: float) -> None:
        """Copy the project."""
        copy = folder / f"copy_{os.getpid()}"
        leave = shutil.ignore_patterns(".git", ".venv", "out", ".*_cache", "__pycache__")
        shutil.copytree(ROOT, copy, symlinks=True, ignore=leave)
        cls.trial = Trial(copy, budget)

    @classmethod
    def run(cls, task: tuple[Site, Sequence[str]]) -> Fate:
        """Try a change against its tests."""
        return cls.trial.of(*task)


def fates_of(
    tasks: Sequence[tuple[Site, Sequence[str]]], jobs: int, budget: float, out: Path
) -> Iterator[tuple[Site, Fate]]:
    """What became of each change, in the order given."""
    copies = out / "copies"
    shutil.rmtree(copies, ignore_errors=True)
    with multiprocessing.Pool(jobs, _Worker.start, (copies, budget)) as pool:
        yield from zip((site for site, _ in tasks), pool.imap(_Worker.run, tasks), strict=True)
    shutil.rmtree(copies)


def main() -> None:
    """Draw, run, count."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="changes to draw (300)")
    parser.add_argument("--seed", type=int, default=0, help="of the drawing")
    parser.add_argument("--budget", type=float, default=60, help="seconds of tests for each (60)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="changes at a time")
    parser.add_argument("--folder", action="append", help=f"to draw from ({', '.join(FOLDERS)})")
    parser.add_argument("--out", type=Path, default=ROOT / "out/mutants", help="the record")
    arguments = parser.parse_args()
    folders = tuple(arguments.folder or FOLDERS)
    if not (arguments.out / "durations.json").exists():
        print("which tests run which line: the suite once, under coverage", flush=True)
        record(ROOT, ("passes", "backends"), arguments.out)
    covering = Covering.read(ROOT, arguments.out)
    changes = drawn(folders, arguments.count, arguments.seed)
    tasks = [(site, covering.of(site.path, site.first, site.last)) for site in changes]
    fates: Counter[Fate] = Counter()
    results = fates_of(tasks, arguments.jobs, arguments.budget, arguments.out)
    console = Console(soft_wrap=True, highlight=False)
    shown = track(results, "changes", len(tasks), console=console, disable=not console.is_terminal)
    for k, (site, fate) in enumerate(shown, 1):
        fates[fate] += 1
        if fate is not Fate.KILLED:
            console.print(f"{k:4} {fate.value:10} {site}", markup=False)
    total = sum(fates.values())
    print(", ".join(f"{fates[fate]} {fate.value}" for fate in Fate), f"of {total}")
    print(f"{fates[Fate.KILLED] / total:.1%} killed")
    sys.exit(fates[Fate.KILLED] < 0.9 * total)


if __name__ == "__main__":
    main()
