"""`--precision auto`: the search for the smallest widths, with its table of choices."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .progress import working

if TYPE_CHECKING:
    from n2uqc.passes import Options


def search(
    model: Path,
    options: Options,
    flip_rate: float | None,
    input_shape: tuple[int, ...] | None = None,
) -> Options:
    """Search the widths, print the table to stderr, and return options with these widths.

    Raises:
        CompileError: there are no calibration images, or the rate is outside 0..1.
    """
    from n2uqc.frontend.load import load_graph
    from n2uqc.passes.search_precision import FLIP_RATE, search_precision

    graph = load_graph(model, input_shape=input_shape)
    with working("searching the smallest widths"):
        result = search_precision(
            graph, options, flip_rate=FLIP_RATE if flip_rate is None else flip_rate
        )
    width = max(len(c.tensor) for c in result.choices)
    print(f"{'fixed-point width of':{width}}  bits  exact  flips alone", file=sys.stderr)
    for c in result.choices:
        print(f"{c.tensor:{width}}  {c.bits:4}  {c.most:5}  {c.flip_rate:.2e}", file=sys.stderr)
    print(
        f"together on {result.samples} calibration images: {result.flip_rate:.2e} of the codes "
        f"flip, top-1 agrees on {result.top1}",
        file=sys.stderr,
    )
    return result.options
