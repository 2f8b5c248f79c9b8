"""Hold counted resources against synthesis: ``python -m n2uqc.backends.fpga.measure --seed 7``.

Engines of every kind are drawn with the seed (bits 1 to 4, depthwise, 1x1, stems, one tap, up to
512 channels, all forms), synthesized with yosys, and the error of the count is printed by kind.
With ``--record`` they are added to the recorded engines, which the tests hold the count against;
``--recorded`` prints the table of those without any synthesis.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

import numpy as np

from .hdl.families import FAMILIES
from .hdl.terms import Cells
from .measured.draws import KINDS, draw
from .measured.records import Point, counted, read, table, write
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


def _luts(kind: str, number: int, family: str) -> int:
    return resources(*draw(kind, number), family).total.lut


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--family", default="xc7", choices=list(FAMILIES))
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    parser.add_argument("--rounds", type=int, default=1, help=f"of {sum(SHARE.values())} engines")
    parser.add_argument("--batch", type=int, default=6, help="engines a run of yosys")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--most", type=int, help="only engines that are counted at so many LUTs")
    parser.add_argument("--record", action="store_true", help="keep them for the tests")
    parser.add_argument("--recorded", action="store_true", help="those that are kept, no synthesis")
    options = parser.parse_args(argv)
    points = read(options.family) if options.recorded else []
    wanted = [] if options.recorded else list(fresh(options.seed, options.rounds))
    wanted = [point for point in wanted if point[0] in options.kinds]
    if options.most is not None:
        wanted = [p for p in wanted if _luts(*p, options.family) <= options.most]
    for start in range(0, len(wanted), options.batch):
        made = synthesized(wanted[start : start + options.batch], options.family)
        if options.record:
            from .rtl.synthesis import yosys_version

            write(options.family, made, yosys_version())
        points += made
        print(f"{start + len(made)} of {len(wanted)}", flush=True)
    print("\n".join(table(points)))
    for p in sorted(points, key=lambda p: -abs(p.error("lut")))[:5]:
        print(f"{p.error('lut'):+.0%} LUT: {p.kind} {p.number} {p.form}, {p.engine}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
