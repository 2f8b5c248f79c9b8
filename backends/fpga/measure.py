"""Synthesizes engines to fit the area model: ``python -m n2uqc.backends.fpga.measure``.

It appends a line per engine to ``area/measured_FAMILY.csv`` and skips engines that are in the file,
so that it can be interrupted and continued. With ``--fresh SEED`` it draws new engines that are
held back from the fit.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import numpy as np

from .area.grid import KINDS, draw
from .area.measurements import FIELDS, HELD_BACK, path_of, read
from .rtl.synthesis import synthesize_all, yosys_version

SHARE = {
    "codes": 8,
    "threshold": 6,
    "requantize": 5,
    "depthwise": 1,
    "pool": 1,
    "fixed": 1,
    "prelu": 1,
    "global pool": 1,
    "clamp": 1,
    "add": 1,
    "concat": 1,
    "lookup": 1,
}
"""Engines of each kind in a round."""


def order(rounds: int) -> Iterator[tuple[str, int]]:
    """Yield the engines to measure, in rounds with some of every kind."""
    for number in range(rounds):
        for kind in KINDS:
            for k in range(SHARE[kind]):
                yield kind, number * SHARE[kind] + k


def fresh(seed: int) -> Iterator[tuple[str, int]]:
    """Yield engines of every kind that are not used in the fit, drawn with a seed."""
    rng = np.random.default_rng(seed)
    for kind, share in SHARE.items():
        for number in rng.integers(256, 1 << 20, share):
            yield kind, int(number) * HELD_BACK + HELD_BACK - 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--family", default="xc7", choices=["xc7", "ecp5"])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--fresh", metavar="SEED", type=int, help="instead of the rounds")
    parser.add_argument("--batch", type=int, default=6, help="engines a run of yosys")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    options = parser.parse_args(argv)

    done = {(row["kind"], int(row["number"])) for row in read(options.family)}
    points = order(options.rounds) if options.fresh is None else fresh(options.fresh)
    wanted = [point for point in points if point not in done and point[0] in options.kinds]
    path = path_of(options.family)
    if not path.exists():
        path.write_text(",".join(FIELDS) + "\n")
    for start in range(0, len(wanted), options.batch):
        batch = wanted[start : start + options.batch]
        engines = [draw(*point) for point in batch]
        found = synthesize_all(engines, options.family)
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
            for (kind, number), (engine, form), cells in zip(batch, engines, found, strict=True):
                text = f"{engine.inputs[0]} -> {engine.output} {engine.fold}"
                writer.writerow(
                    {
                        "kind": kind,
                        "number": number,
                        "form": form,
                        **asdict(cells),
                        "yosys": yosys_version(),
                        "engine": text,
                    }
                )
        print(f"{start + len(batch)} of {len(wanted)}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
