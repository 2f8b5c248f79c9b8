"""``evaluate``: accuracy of a program on labeled images, beside the float network's."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from n2uqc.backends import find_target
from n2uqc.frontend.input_shape import InputShape
from n2uqc.frontend.sheet import Column, Sheet
from n2uqc.frontend.source import Source
from n2uqc.passes import Options
from n2uqc.passes.program import Program
from n2uqc.passes.program.named import by_name

from .accuracy import Labeled, labeled, predictions
from .as_exported import NotRun, run_as_exported
from .errors import names_missing_parts
from .model import Openable, open_model
from .progress import SILENT, Progress
from .result import Result
from .streamed import cores

_MOST_CLASSES = 12  # of which the whole table of confusions is written
_LISTED = 10  # confusions written otherwise


@dataclass(frozen=True, repr=False)
class AccuracyReport(Result):
    """How often the network's greatest output is the label.

    Attributes:
        executor: what ran the program.
        confusion: int64 (classes, classes), images by label and by class found.
        beside: what the float network says to the same images, or why it was not asked, as JSON
            values; None if it was not to be asked.
    """

    executor: str
    confusion: NDArray[np.int64]
    beside: dict[str, Any] | None = None

    @property
    def images(self) -> int:
        """Number of images."""
        return int(self.confusion.sum())

    @property
    def right(self) -> int:
        """Images whose label was found."""
        return int(np.trace(self.confusion))

    @property
    def accuracy(self) -> float:
        """Share of them, 0 to 1."""
        return self.right / self.images

    @property
    def interval_95(self) -> tuple[float, float]:
        """Interval that holds the accuracy on such images with 95% confidence."""
        return interval(self.right, self.images)

    def to_json(self) -> dict[str, Any]:
        return {
            "executor": self.executor,
            "images": self.images,
            "right": self.right,
            "accuracy": self.accuracy,
            "interval_95": list(self.interval_95),
            "confusion": self.confusion.tolist(),
            "float": self.beside,
        }

    def summary(self) -> str:
        return f"{self.right} of {self.images} right by {self.executor}, {self.accuracy:.2%}"

    def write(self, sheet: Sheet) -> None:
        low, high = self.interval_95
        sheet.line(
            f"{self.right} of {self.images} right by {self.executor}: {self.accuracy:.2%} "
            f"(95% interval {low:.2%} to {high:.2%})"
        )
        beside = self.beside
        if beside is not None and "not_run" in beside:
            sheet.line(f"float network: not run: {beside['not_run']}")
        elif beside is not None:
            sheet.line(
                f"float network ({beside['software']}): {beside['accuracy']:.2%}; the same class "
                f"on {beside['agreement']:.2%} of the images"
            )
        classes = len(self.confusion)
        if classes <= _MOST_CLASSES:
            columns = [Column("label"), *(Column(str(k)) for k in range(classes))]
            rows = [
                (str(label), *(str(count) if count else "." for count in row))
                for label, row in enumerate(self.confusion)
            ]
            sheet.table(columns, rows, "labels (rows) and what was found (columns)")
            return
        wrong = self.confusion - np.diag(np.diag(self.confusion))
        worst = np.argsort(-wrong, axis=None, kind="stable")[:_LISTED]
        for label, found in zip(*np.unravel_index(worst, wrong.shape), strict=True):
            if wrong[label, found]:
                sheet.line(f"  class {label} taken for {found}: {wrong[label, found]}")
        sheet.line("every confusion: --json")


@names_missing_parts
def evaluate(
    model: Openable,
    images: ArrayLike,
    labels: ArrayLike,
    *,
    executor: str = "interpreter",
    beside_float: bool = True,
    options: Options | None = None,
    input_shape: InputShape | None = None,
    source: str = "the data",
    progress: Progress = SILENT,
) -> AccuracyReport:
    """Measure how often a program's greatest output is the label, on any executor.

    Images are read as they are needed: a memory-mapped array may be larger than the memory.

    Args:
        model: a network (path, bytes, ``onnx.ModelProto``, ``onnx_ir.Model``), or a program.
        images: images as the network takes them, (N, C, H, W).
        labels: the index of the right output of each, integers (N,).
        executor: what runs the program: interpreter, host, datapath, or a target of ``compile``.
        beside_float: also run the float network, if a network is given, in its own software.
        options, input_shape: as for ``load``, for networks.
        source: how messages call the data.
        progress: what is told of the work.

    Raises:
        CompileError, StoreError: the model cannot be compiled or read, or the executor is unknown.
        InputError: the images do not fit.
        UserError: the labels do not fit the images or the network.
    """
    target = find_target(executor)
    right = np.asarray(labels)
    data = labeled(source, np.asarray(images), right)
    opened = open_model(model, options, input_shape)
    program = opened.program
    with tempfile.TemporaryDirectory(prefix="n2uqc-") as folder:
        with progress.working(f"building: {target.executor_summary}"):
            runner = target.runner(program, Path(folder))
        workers = cores() if target.artifact.concurrent else 1
        predicted = predictions(runner, program, data, progress, workers=workers)
    classes = int(max(predicted.max(), right.max())) + 1
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (right, predicted), 1)
    beside = None
    if beside_float and opened.network is not None and opened.options is not None:
        if opened.options.pixels is None:
            beside = _beside_float(opened.network, program, data, predicted, progress)
        else:
            beside = {"not_run": "the images are raw pixels"}
    return AccuracyReport(target.executor, confusion, beside)


def interval(right: int, images: int) -> tuple[float, float]:
    """Return the 95% interval of a proportion (Wilson, JASA 1927, equation 4)."""
    z = 1.959964
    share, spread = right / images, z * z / images
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / images + spread / (4 * images))
    return max(0.0, middle - half), min(1.0, middle + half)


def _beside_float(
    network: Source, program: Program, data: Labeled, predicted: NDArray[Any], progress: Progress
) -> dict[str, Any]:
    """Return what the float network says to the same images, or why it could not be asked."""
    try:
        with progress.working("float network"):
            outputs, software = run_as_exported(
                network, by_name(program.interface.inputs, data.images)
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
