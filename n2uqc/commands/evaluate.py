"""Measures how often the network's greatest output is the label, on any executor.

The integer program classifies each image; images in an .npy file are read as they are needed, so
that their number does not matter. With an ONNX model and its reference software installed (for
standard operators ONNX Runtime), the float network classifies the same images: its own accuracy,
and on how many images both agree.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n2uqc.console.accuracy import labeled, predictions
from n2uqc.console.files import map_array, read_array
from n2uqc.console.model import add_model, add_precision, opened
from n2uqc.console.progress import wide_console, working
from n2uqc.frontend.escape import plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from n2uqc.console.accuracy import Labeled
    from n2uqc.passes.program import Program

HELP = "accuracy, confusions and agreement with the float network, on any executor"
EXAMPLES = """\
examples:
  n2uqc evaluate net.onnx --input x.npy --labels y.npy
  n2uqc evaluate net.onnx --input x.npy --labels y.npy --executor aarch64
  n2uqc evaluate net.n2uq --input x.npy --labels y.npy --executor host --json
"""
_MOST_CLASSES = 20  # of which confusions are printed


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_model(parser)
    parser.add_argument(
        "--input",
        "-i",
        metavar="X",
        type=Path,
        required=True,
        help="images as the network takes them, .npy or .npz, (N, C, H, W)",
    )
    parser.add_argument(
        "--labels",
        "-l",
        metavar="Y",
        type=Path,
        required=True,
        help="the right class of each, integers (N,), .npy or .npz",
    )
    parser.add_argument(
        "--executor",
        metavar="NAME",
        default="interpreter",
        help="what runs the program: interpreter, host, datapath, or a target of `n2uqc compile` "
        "that can run here (interpreter)",
    )
    parser.add_argument(
        "--no-float", action="store_true", help="do not run the float network beside it"
    )
    add_precision(parser)


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    import numpy as np

    from n2uqc.backends import find_target

    target = find_target(options.executor)
    images, labels = map_array(options.input), read_array(options.labels)
    data = labeled(plain(options.labels), images, labels)
    model = opened(options)
    program = model.program
    with tempfile.TemporaryDirectory(prefix="n2uqc-") as folder:
        with working(f"building: {target.executor_summary}"):
            runner = target.runner(program, Path(folder))
        predicted = predictions(runner, program, data)
    classes = int(max(predicted.max(), labels.max())) + 1
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    report: dict[str, Any] = {
        "executor": target.executor,
        "images": len(labels),
        "right": int(np.trace(confusion)),
        "accuracy": float(np.trace(confusion) / len(labels)),
        "interval_95": interval(int(np.trace(confusion)), len(labels)),
        "confusion": confusion.tolist(),
        "float": None,
    }
    if not options.no_float and model.options is not None:
        if model.options.pixels is None:
            report["float"] = _beside_float(options.model, program, data, predicted)
        else:
            report["float"] = {"not_run": "the images are raw pixels"}
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        _print(report)
    return 0


def interval(right: int, images: int) -> tuple[float, float]:
    """Return the 95% interval of a proportion (Wilson, JASA 1927, equation 4)."""
    z = 1.959964
    share, spread = right / images, z * z / images
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / images + spread / (4 * images))
    return max(0.0, middle - half), min(1.0, middle + half)


def _beside_float(
    model: Path, program: Program, data: Labeled, predicted: NDArray[Any]
) -> dict[str, Any]:
    """Return what the float network says to the same images, or why it could not be asked."""
    from n2uqc.api.as_exported import NotRun, run_as_exported
    from n2uqc.passes.program.named import by_name

    try:
        with working("float network"):
            outputs, software = run_as_exported(
                model, by_name(program.interface.inputs, data.images)
            )
    except NotRun as reason:
        return {"not_run": str(reason)}
    scores = next(iter(outputs.values()))
    classes = scores.reshape(len(scores), -1).argmax(axis=1)
    right = int((classes == data.labels).sum())
    return {
        "software": software,
        "right": right,
        "accuracy": right / len(data.labels),
        "agreement": float((classes == predicted).mean()),
    }


def _print(report: dict[str, Any]) -> None:
    low, high = report["interval_95"]
    print(
        f"{report['right']} of {report['images']} right by {report['executor']}: "
        f"{report['accuracy']:.2%} (95% interval {low:.2%} to {high:.2%})"
    )
    beside = report["float"]
    if beside is not None and "not_run" in beside:
        print(f"float network: not run: {beside['not_run']}")
    elif beside is not None:
        print(
            f"float network ({beside['software']}): {beside['accuracy']:.2%}; the same class on "
            f"{beside['agreement']:.2%} of the images"
        )
    confusion = report["confusion"]
    if len(confusion) > _MOST_CLASSES:
        wrong = sorted(
            (
                (count, label, found)
                for label, row in enumerate(confusion)
                for found, count in enumerate(row)
                if label != found and count
            ),
            reverse=True,
        )
        for count, label, found in wrong[:10]:
            print(f"  class {label} taken for {found}: {count}")
        print("every confusion: --json")
        return
    from rich.table import Table

    table = Table(title="labels (rows) and what was found (columns)")
    for name in ("", *map(str, range(len(confusion)))):
        table.add_column(name, justify="right")
    for label, row in enumerate(confusion):
        table.add_row(str(label), *(str(count) if count else "." for count in row))
    wide_console().print(table)
