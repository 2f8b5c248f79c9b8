"""Hold counted resources against synthesis: ``python -m n2uqc.backends.fpga.measure --seed 7``.

Engines of every kind are drawn with the seed (bits 1 to 4, depthwise, 1x1, stems, one tap, up to
512 channels, all forms), synthesized with yosys, and the error of the count is printed by kind.
With ``--record`` they are added to the recorded engines, which the tests hold the count against;
``--recorded`` prints the table of those without any synthesis.
"""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

from n2uqc.frontend.diagnostics import CompileError

from .design import Design, plan
from .hdl.families import FAMILIES
from .hdl.terms import Cells
from .measured.draws import KINDS, draw
from .measured.records import Point, counted, path_of, read, read_file, table, write
from .resources import resources

SHARE = {
    "codes": 8,
    "threshold": 4,
    "requantize": 3,
    "depthwise": 2,
    "pool": 2,
    "fixed": 2,
    "prelu": 1,
    "global pool": 1,
    "clamp": 1,
    "add": 1,
    "multiply": 1,
    "concat": 1,
    "interpolate": 1,
    "lookup": 1,
}
"""Engines of each kind in a round."""

DESCRIPTION = f"""\
Draws engines of every kind with a seed, synthesizes them with yosys, and prints by how much the
counted resources miss what synthesis made: for each family a table by kind and form.

A round is {sum(SHARE.values())} engines and takes one to ten minutes a family, most of it for the
few large ones; --most leaves those away.  Each engine is printed when it is done.  A run that is
interrupted (Ctrl-C, SIGTERM) prints the table of what it has; with --keep F.csv it goes on from
there when the same command is given again.

bias, median and worst are of the relative error (counted - synthesized) / synthesized, where fewer
than 24 cells count as 24; the last columns tell for how many engines multiplier blocks and block
RAM are not exact."""

EXAMPLES = """\
examples:
  python -m n2uqc.backends.fpga.measure --seed 7
  python -m n2uqc.backends.fpga.measure --seed 7 --family xc7 ecp5 --most 1500 --keep blind.csv
  python -m n2uqc.backends.fpga.measure --seed 7 --kinds threshold depthwise
  python -m n2uqc.backends.fpga.measure --networks net.onnx --family ecp5
  python -m n2uqc.backends.fpga.measure --recorded
"""


def fresh(seed: int, rounds: int = 1) -> Iterator[tuple[str, int]]:
    """Return engines of every kind, drawn with a seed."""
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        for kind, share in SHARE.items():
            for number in rng.integers(1 << 10, 1 << 30, share):
                yield kind, int(number)


def synthesized(points: Sequence[tuple[str, int]], family: str) -> list[Point]:
    """Synthesize drawn engines in one run of yosys."""
    from .rtl.synthesis import synthesize_all

    found = synthesize_all([draw(*point) for point in points], family)
    return [
        counted(*point, family, Cells(c.lut, c.ff, c.carry, c.dsp, c.bram18))
        for point, c in zip(points, found, strict=True)
    ]


def network(name: str, design: Design) -> Point:
    """Synthesize a whole datapath, engines and what joins them."""
    from .rtl.synthesis import synthesize_modules
    from .units.datapath import build_datapath

    module = build_datapath(design.pipeline, design.depths, design.style).module
    (c,) = synthesize_modules([module], design.family)
    made = Cells(c.lut, c.ff, c.carry, c.dsp, c.bram18)
    return Point("network", 0, "", f"{name}, {design!r}", made, design.resources)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = _parser().parse_args(argv)
    status = 0
    for family in dict.fromkeys(options.family):
        points: list[Point] = []
        try:
            with _stopped_by_signals():
                for point in read(family) if options.recorded else _measured(options, family):
                    points.append(point)
        except KeyboardInterrupt:
            print("stopped; so far:")
            status = 130
        except (CompileError, OSError) as error:
            print(f"error: {error}")
            status = 2
        print("\n".join(_summary(points, family, options)), flush=True)
        if status:
            break
    return status


def _measured(options: argparse.Namespace, family: str) -> Iterator[Point]:
    """Return what was asked for, one after the other, what was kept first."""
    from .rtl.synthesis import yosys_version

    for path in options.networks:
        yield _told(_network(path, family), family)
    if options.networks:
        return
    files = [path for path in (options.keep,) if path] + [path_of(family)] * options.record
    kept = [p for file in files for p in read_file(file, family, yosys_version())]
    at_hand = {(p.kind, p.number): p for p in kept}
    wanted = [p for p in fresh(options.seed, options.rounds) if p[0] in options.kinds]
    if options.most is not None:
        wanted = [p for p in wanted if _luts(*p, family) <= options.most]
    print(f"{family}: {len(wanted)} engines of seed {options.seed}, {yosys_version()}", flush=True)
    yield from (at_hand[point] for point in wanted if point in at_hand)
    left = [point for point in wanted if point not in at_hand]
    if len(left) < len(wanted):
        print(f"{len(wanted) - len(left)} of them were synthesized before")
    for start in range(0, len(left), options.batch):
        made = synthesized(left[start : start + options.batch], family)
        for file in files:
            write(file, family, made, yosys_version())
        yield from (_told(point, family) for point in made)


def _network(path: Path, family: str) -> Point:
    from n2uqc.passes.from_file import load

    return network(path.name, plan(load(path), family=family))


def _told(point: Point, family: str) -> Point:
    """Print an engine that was synthesized."""
    print(
        f"{family} {point.kind} {point.number} {point.form}: "
        f"counted {astuple(point.counted)}, synthesized {astuple(point.synthesized)}",
        flush=True,
    )
    return point


def _summary(points: Sequence[Point], family: str, options: argparse.Namespace) -> list[str]:
    what = "recorded engines" if options.recorded else f"seed {options.seed}"
    if not points:
        return [f"{family}: nothing measured"]
    worst = sorted(points, key=lambda p: -abs(p.error("lut")))[:5]
    return [
        f"{family}, {what}",
        *table(points),
        *(f"{p.error('lut'):+.0%} LUT: {p.kind} {p.number} {p.form}, {p.engine}" for p in worst),
    ]


def _luts(kind: str, number: int, family: str) -> int:
    return resources(*draw(kind, number), family).total.lut


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Make SIGTERM, by which jobs are ended, what Ctrl-C is."""

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a positive number")
    return number


def _seed(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is negative")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m n2uqc.backends.fpga.measure",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    families = list(FAMILIES)
    parser.add_argument(
        "--family", default=["xc7"], nargs="+", choices=families, metavar="F",
        help=f"families of FPGAs: {', '.join(families)} (xc7)",
    )  # fmt: skip
    parser.add_argument("--seed", type=_seed, default=0, help="of the draws (0)")
    parser.add_argument(
        "--rounds", type=_positive, default=1, help=f"of {sum(SHARE.values())} engines each (1)"
    )
    parser.add_argument("--batch", type=_positive, default=6, help="engines a run of yosys (6)")
    parser.add_argument(
        "--kinds", nargs="+", default=list(KINDS), choices=list(KINDS), metavar="KIND",
        help=f"of engines: {', '.join(KINDS)} (all)",
    )  # fmt: skip
    parser.add_argument(
        "--most", type=_positive, metavar="LUT", help="only engines counted at so many LUTs"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="F.csv",
        help="append each engine to this file, and synthesize none that it holds",
    )  # fmt: skip
    parser.add_argument(
        "--networks", type=Path, nargs="+", default=[], metavar="MODEL",
        help="whole datapaths of these networks at their default folding, in place of engines",
    )  # fmt: skip
    parser.add_argument(
        "--record", action="store_true", help="keep the engines for the tests, which count them"
    )
    parser.add_argument(
        "--recorded", action="store_true", help="the table of those for the tests, no synthesis"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
