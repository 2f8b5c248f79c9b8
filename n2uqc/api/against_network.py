"""The part of `verify` that compares a program with its network, code by code."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx_ir as ir

    from n2uqc.passes import Options
    from n2uqc.passes.program import Program
    from n2uqc.passes.program.named import Batch

DRAWN = 24
"""Most images that are drawn for this check: each kind of image three times."""


def stated(program: Program) -> Options:
    """Return the options of a saved program that determine
    how exact arithmetic reads its images.
    """
    from n2uqc.passes import Options
    from n2uqc.passes.options import without_calibration

    return Options.from_facts(without_calibration(program.metadata))


def check(
    graph: ir.Model,
    program: Program,
    options: Options,
    given: Batch | None,
    samples: int,
    seed: int,
    progress: Progress,
) -> dict[str, Any]:
    """Compare program and network on drawn and given images; return the result as JSON values.

    Args:
        graph: canonical graph of the network.
        program: the program.
        options: how the program reads its images (pixels).
        given: images (N, *port.shape) in the form that the program reads, by name where there are
            several inputs.
        samples: images to draw, at most ``DRAWN`` and fewer of a network with large maps.
        seed: seed of the drawn images.
        progress: what is told of the work.
    """
    import numpy as np

    from n2uqc.passes.checks.draw import affordable, as_images, drawn
    from n2uqc.passes.checks.evaluate import reference
    from n2uqc.passes.checks.network import hold
    from n2uqc.passes.checks.relation import Unrelated
    from n2uqc.passes.program.named import by_name

    count = affordable(program, min(samples, DRAWN))
    images = as_images(program, drawn(program, count, seed), seed)
    if given is not None:
        named = by_name(program.interface.inputs, given)
        images = {
            name: np.concatenate([own, np.asarray(named[name]).astype(own.dtype)])
            for name, own in images.items()
        }
    with progress.working("evaluating the network"):
        try:
            held = hold(reference(graph, options), program, images)
        except Unrelated as error:
            return {"unrelated": str(error), "wrong": 1}
    return {
        "drawn": count,
        "given": len(next(iter(images.values()))) - count,
        "left_fitted_ranges": held.left,
        "wrong": sum(row.wrong for row in held.rows),
        "rows": [asdict(row) for row in held.rows],
    }


def render(comparison: dict[str, Any]) -> list[str]:
    """Return lines of the certificate."""
    if "unrelated" in comparison:
        return [f"network  the program is not of this network: {comparison['unrelated']}"]
    codes = [row for row in comparison["rows"] if row["what"] == "codes"]
    outputs = [row for row in comparison["rows"] if row["what"] == "outputs"]
    output = max(outputs, key=lambda row: row["share"])
    total, unsettled = (sum(row[key] for row in codes) for key in ("values", "open"))
    lines = [
        f"network  evaluated on {comparison['drawn']} drawn and {comparison['given']} given "
        "images: "
        f"{total:,} codes, {unsettled:,} of them within the proven error of a threshold; outputs "
        f"off by at most {output['worst']:.2g}, proven {output['bound']:.2g}, spread "
        f"{output['spread']:.2g}; {comparison['wrong']} beyond their bound"
    ]
    if comparison["left_fitted_ranges"]:
        lines.append(
            f"  {comparison['left_fitted_ranges']} images left the ranges that were fitted to "
            "calibration images and were not compared from there on"
        )
    for row in comparison["rows"]:
        lines += [*_unchecked(row), *_faults(row)]
    return lines


def _unchecked(row: dict[str, Any]) -> list[str]:
    """Return a line where the proven error is so large that a fault would not be seen."""
    advice = "images by --calib give narrower ranges, and so a smaller error"
    if row["what"] == "codes" and 2 * row["open"] > row["values"]:
        return [
            f"  {row['tensor']}: hardly checked: {row['open']:,} of {row['values']:,} codes are "
            f"within the proven error, {row['bound']:.2g}, of a threshold; {advice}"
        ]
    if row["what"] == "outputs" and row["bound"] > row["spread"]:
        return [
            f"  {row['tensor']}: hardly checked: its proven error, {row['bound']:.2g}, is more "
            f"than its values spread by, {row['spread']:.2g}; {advice}"
        ]
    return []


def _faults(row: dict[str, Any]) -> list[str]:
    if not row["wrong"]:
        return []
    from n2uqc.passes.checks.network import allowed

    name, nodes = row["tensor"], ", ".join(row["origin"])
    bound = f"proven error {row['bound']:.3g}"
    lines = [f"  {name} (from {nodes}): {row['wrong']:,} of {row['values']:,} {row['what']} wrong"]
    for fault in row["faults"]:
        lines.append(
            f"    image {fault['sample']} at {_place(fault['place'])}: {fault['found']:.9g}, the "
            f"network gives {allowed(fault['low'], fault['high'])} ({bound})"
        )
    return lines


def _place(place: Sequence[int]) -> str:
    return f"[{', '.join(map(str, place))}]"
