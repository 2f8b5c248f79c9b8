"""The command line: ``python -m tests.fuzz``; see the package for what it does."""

from __future__ import annotations

import os

# Before numpy is imported: a process that forks must have no threads.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TVM_NUM_THREADS"):
    os.environ[_variable] = "1"

import argparse  # noqa: E402
import json  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

from rich import box  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.markup import escape  # noqa: E402
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: E402
from rich.table import Table  # noqa: E402

from . import corpus  # noqa: E402
from .campaign import Result, find_kinds, keep, once, run_kind  # noqa: E402
from .kinds import KINDS, Kind, Setup  # noqa: E402

_EPILOG = f"kinds: {', '.join(kind.name for kind in KINDS)}"


def main() -> int:
    """Run a campaign, or a saved finding; 1 where something failed."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # ends workers
    console = Console(width=None if sys.stdout.isatty() else 160)
    with tempfile.TemporaryDirectory(prefix="n2uqc-fuzz-") as place:
        if options.again is not None:
            return _again(options.again, Path(place), console)
        seed = options.seed
        seed = int.from_bytes(os.urandom(3), "little") if seed is None else seed
        full = options.full or options.brief or options.minutes == 0
        console.print(f"seed {seed}, {options.workers} workers, findings go to {options.output}")
        start = time.monotonic()
        models = None
        if not (options.quick or options.brief):
            models = options.output / "corpus"
            found = corpus.harvest(models)
            console.print(
                f"{found} models harvested from the tests, {time.monotonic() - start:.0f} s"
            )
        setup = Setup(Path(place), models)
        kinds = find_kinds(options.kinds or [])
        left = max(options.minutes * 60 - (time.monotonic() - start), 20.0)
        results = _campaign(kinds, setup, seed, options, None if full else left, console)
        _print(results, seed, time.monotonic() - start, console)
    return 1 if any(result.findings or result.interrupted for result in results) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__, epilog=_EPILOG
    )
    add = parser.add_argument
    add("--minutes", type=float, default=5, help="for all kinds together; 0 is --full (5)")
    add("--full", action="store_true", help="the counts that a release needs, however long")
    add("--brief", action="store_true", help="some of each kind, as the tests do")
    add("--scale", type=float, default=1.0, help="with --full: a share of its counts (1)")
    add("--seed", type=int, help="another one each time by default")
    add("--kinds", nargs="+", metavar="KIND", help="only these")
    add("--workers", type=int, default=len(os.sched_getaffinity(0)), help="processes")
    add("--output", type=Path, default=Path("out/fuzz"), help="folder of findings (out/fuzz)")
    add("--quick", action="store_true", help="without the models of the tests, a minute less")
    add("--no-shrink", action="store_true", help="keep findings as they are")
    add("--again", type=Path, metavar="FOLDER", help="one saved finding once more")
    return parser.parse_args()


def _campaign(
    kinds: tuple[Kind, ...],
    setup: Setup,
    seed: int,
    options: argparse.Namespace,
    seconds: float | None,
    console: Console,
) -> list[Result]:
    results = []
    shares = sum(kind.share for kind in kinds)
    columns = (
        TextColumn("{task.description:14}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
    )
    more = (TextColumn("{task.fields[found]}"), TimeElapsedColumn())
    with Progress(*columns, *more, console=console, disable=not sys.stdout.isatty()) as bars:
        for kind in kinds:
            task = bars.add_task(kind.name, total=1.0, found="")

            def advance(kind: Kind, part: float, found: int, task: object = task) -> None:
                text = f"{found} findings" if found else ""
                bars.update(task, completed=part, found=text)  # type: ignore[arg-type]

            kind.prepare(setup)
            count = kind.brief if options.brief else max(1, round(kind.full * options.scale))
            count = count if seconds is None else None
            room = None if seconds is None else seconds * kind.share / shares
            results.append(
                run_kind(kind, seed, options.workers, count=count, seconds=room, progress=advance)
            )
            done = results[-1]
            smaller = not (options.no_shrink or done.interrupted)
            keep(done, seed, options.output / "findings", smaller=smaller)
            if not sys.stdout.isatty():
                console.print(
                    f"{kind.name}: {done.tried * kind.units:,} in {done.seconds:.0f} s, "
                    f"{len(done.findings)} findings"
                )
            if done.interrupted:
                break
    return results


def _print(results: list[Result], seed: int, seconds: float, console: Console) -> None:
    table = Table(box=box.SIMPLE_HEAD, title=f"seed {seed}, {seconds:,.0f} s", pad_edge=False)
    for name in ("kind", "inputs", "seconds", "CPU s", "findings"):
        table.add_column(name, justify="left" if name == "kind" else "right", no_wrap=True)
    table.add_column("what became of them", overflow="fold")
    for result in results:
        words = ", ".join(
            f"{word} {n * result.kind.units:,}" for word, n in result.words.most_common(8)
        )
        count = result.tried * result.kind.units
        times = (f"{result.seconds:,.0f}", f"{result.processor:,.0f}")
        cells = (f"{count:,}", *times, str(len(result.findings)), escape(words))
        table.add_row(result.kind.name, *cells)
    console.print(table)
    for result in results:
        for finding in result.findings.values():
            fault = finding.fault
            where = f"{result.kind.name} case {finding.case}, {finding.times} times"
            text = f"{where}, {fault.kind}: {fault.place}"
            console.print(escape(text), highlight=False)
            console.print(f"    {finding.folder}", highlight=False)


def _again(folder: Path, place: Path, console: Console) -> int:
    """Tell what a saved finding does now."""
    facts = json.loads((folder / "case.json").read_text())
    (kind,) = find_kinds([facts["kind"]])
    kind.prepare(Setup(place))
    status = 0
    for path in sorted(folder.glob("input.*")) + sorted(folder.glob("smaller.*")):
        fault = once(kind, path.read_bytes())
        text = (
            f"{path.name}: nothing wrong"
            if fault is None
            else f"{path.name}: {fault.kind}: {fault.text}"
        )
        console.print(text, markup=False, highlight=False)
        status |= fault is not None
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
