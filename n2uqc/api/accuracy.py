"""The accuracy of an integer program on labeled images."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UserError
from .progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from n2uqc.backends.cost.trained import Accuracy
    from n2uqc.passes.program import Program

_MANY = 2e10  # multiplications of all images from which on compiling for this machine pays


@dataclass(frozen=True)
class Labeled:
    """Images with their labels.

    Attributes:
        source: the file's name.
        images: (N, ...) as the network takes them.
        labels: int (N,), the index of the right output.
    """

    source: str
    images: NDArray[Any]
    labels: NDArray[Any]


def labeled(source: str, images: NDArray[Any], labels: NDArray[Any]) -> Labeled:
    """Return images with their labels.

    Raises:
        UserError: there are not as many as images, or they are no class numbers.
    """
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise UserError(
            f"{source}: labels have shape {labels.shape} and dtype {labels.dtype}; they are one "
            "integer an image, the index of the right output"
        )
    if images.ndim == 0 or len(images) != len(labels) or not len(labels):
        count = len(images) if images.ndim else 0
        raise UserError(f"{source}: {count} images and {len(labels)} labels")
    return Labeled(source, images, labels)


def measure(program: Program, data: Labeled, macs: int, progress: Progress) -> Accuracy:
    """Run the integer program on all images, in batches; all executors give the same integers.

    Args:
        program: the program.
        data: images in the form that it takes, and labels.
        macs: multiplications of an image; with many in all, a binary for this machine runs them.
        progress: what is told of the work.

    Raises:
        InputError: the images do not fit the program.
        UserError: the outputs are not scores of classes that the labels name.
    """
    from n2uqc.backends import ToolchainError, find_target
    from n2uqc.backends.cost.trained import Accuracy
    from n2uqc.passes.program import run as run_program

    from .streamed import cores

    if macs * len(data.labels) < _MANY:
        return Accuracy(
            _right(lambda x: run_program(program, x), program, data, progress),
            len(data.labels),
            "interpreter",
        )
    with tempfile.TemporaryDirectory(prefix="n2uqc-") as folder:
        try:
            with progress.working("building the binary for this machine"):
                runner = find_target("host").runner(program, Path(folder))
            right = _right(runner, program, data, progress, workers=cores())
            executor = "host"
        except (ToolchainError, ModuleNotFoundError):
            right = _right(lambda x: run_program(program, x), program, data, progress)
            executor = "interpreter"
    return Accuracy(right, len(data.labels), executor)


def _right(
    runner: Any, program: Program, data: Labeled, progress: Progress, *, workers: int = 1
) -> int:
    found = predictions(runner, program, data, progress, workers=workers)
    return int((found == data.labels).sum())


def predictions(
    runner: Any, program: Program, data: Labeled, progress: Progress, *, workers: int = 1
) -> NDArray[np.int64]:
    """Return the index of the greatest output for each image, int64 (N,); of equal ones the first.
    A network that ends in ArgMax gives the index itself.

    Images are read and run in pieces: with a memory-mapped array the whole takes no more memory
    than a few of them.

    Args:
        runner: from the program's input integers to its output integers.
        program: the program.
        data: images in the form that it takes, and labels.
        progress: what is told of the work.
        workers: pieces that run at the same time.

    Raises:
        InputError: the images do not fit the program.
        UserError: the outputs are neither indices nor scores of classes that the labels name.
    """
    import numpy as np

    from n2uqc.passes.program import real_outputs
    from n2uqc.passes.program.boundary import result_names
    from n2uqc.passes.program.interface import only

    from .streamed import run_pieces

    names = result_names(program)
    only(names, names, "outputs")
    predicted = np.empty(len(data.labels), np.int64)
    pieces = run_pieces(runner, program, data.images, "classifying", progress, workers=workers)
    for part, integers in pieces:
        labels = data.labels[part]
        (scores,) = real_outputs(program, integers).values()
        if scores.dtype.kind == "i" and scores.size == len(labels):  # it ends in ArgMax
            predicted[part] = scores.reshape(-1)
            continue
        classes = scores.shape[1] if scores.ndim > 1 else 1
        if scores.size != len(labels) * classes:
            raise UserError(
                f"{data.source}: the network's output has shape {scores.shape[1:]}; accuracy "
                "needs one score a class"
            )
        if labels.min() < 0 or labels.max() >= classes:
            raise UserError(
                f"{data.source}: labels reach from {labels.min()} to {labels.max()}; the "
                f"network has the classes 0 to {classes - 1}"
            )
        predicted[part] = scores.reshape(len(labels), -1).argmax(axis=1)
    return predicted
