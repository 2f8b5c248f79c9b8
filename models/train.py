"""Train a digits network and write it as ONNX: `python -m n2uqc.models.train --help`."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

try:
    import onnxruntime  # noqa: F401 - needed only after training, but reported now if missing
    import torch
    from sklearn.model_selection import train_test_split
except ModuleNotFoundError as error:
    if __name__ != "__main__":
        raise
    raise SystemExit(
        f"training needs {error.name}, which is not installed: pip install 'n2uqc[train]'"
    ) from None

from .calibrate import initialize_from_float
from .data import Digits, Split, digits
from .export import OPSET, export_onnx, run_onnx
from .fit import count_correct, fit, predict
from .networks import ResidualNetwork, count_macs

FLOAT_RATE = 4e-3
QUANTIZED_RATE = 2e-3
PACKAGES = ("torch", "numpy", "scikit-learn", "onnxruntime")
IMAGE = torch.zeros(1, 1, 8, 8)

CLOSE = 1e-4
"""Largest difference of scores between torch and onnxruntime if no code differs."""
FLIPPED = 0.01
"""Share of images on which their rounding may move a value across a threshold."""

DESCRIPTION = """\
Train a small residual network on 8x8 handwritten digits with N2UQ quantizers and write it as
plain ONNX, the kind of file `n2uqc compile` reads.

First the float network is trained, then its quantized twin starts from the float weights and
learns its thresholds. The exported file is run by onnxruntime on the 540 held-back images; a JSON
file of the same name records command, versions and accuracies. The held-back images are used for no
choice: the network of the last epoch is written."""

EPILOG = """\
examples:
  python -m n2uqc.models.train --bits 2 --seed 0 --output digits_2bit.onnx
  python -m n2uqc.models.train --float --output digits_float.onnx
  python -m n2uqc.models.train --bits 3 --validate --output trial.onnx
"""


class ExportDiffers(Exception):
    """The exported file and torch compute different scores."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    options = _parse(arguments)
    words = sys.argv[1:] if arguments is None else list(arguments)
    console = Console(stderr=True)
    # One thread and a fixed order of operations, so that the seed determines every bit of the
    # result.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(options.seed)
    data = _validation(digits(), options.seed) if options.validate else digits()

    began = time.monotonic()
    try:
        network, twin = train(options, data, console)
    except KeyboardInterrupt:
        console.print("stopped; nothing written", style="red")
        return 130
    settings = {
        "command": shlex.join(["python", "-m", "n2uqc.models.train", *words]),
        "bits": network.bits,
        "seed": options.seed,
        "epochs": options.epochs,
        "downsample": options.downsample,
        "validate": options.validate,
    }
    try:
        record = write(network, twin, data.test, options.output, settings)
    except (ExportDiffers, OSError, RuntimeError) as error:
        console.print(
            f"{options.output} not written: {error}", style="red", highlight=False, soft_wrap=True
        )
        return 1
    console.print(
        f"{options.output}: {record['correct']} of {record['of']} images right "
        f"({record['accuracy']:.2%}), float network {record['float_correct']} "
        f"({record['float_accuracy']:.2%}), {time.monotonic() - began:.0f} s",
        highlight=False,
        soft_wrap=True,
    )
    return 0


def train(
    options: argparse.Namespace, data: Digits, console: Console
) -> tuple[ResidualNetwork, ResidualNetwork]:
    """Train according to the options; return the network to export and its float twin,
    which may be the same.
    """
    twin = ResidualNetwork(None, downsample=options.downsample)
    columns = (
        TextColumn("{task.description:>6}"),
        BarColumn(),
        TextColumn("epoch {task.completed}/{task.total}, loss {task.fields[loss]:.4f}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:

        def run(name: str, model: ResidualNetwork, epochs: int, rate: float) -> None:
            task = progress.add_task(name, total=epochs, loss=float("nan"))

            def step(loss: float) -> None:
                progress.update(task, advance=1, loss=loss)

            fit(model, data.train, epochs, rate, options.seed, step)

        run("float", twin, options.epochs, FLOAT_RATE)
        if options.float:
            return twin, twin
        network = ResidualNetwork(options.bits, downsample=options.downsample)
        initialize_from_float(network, twin, torch.tensor(data.train.images))
        run(f"{options.bits}-bit", network, 2 * options.epochs, QUANTIZED_RATE)
    return network, twin


def write(
    network: ResidualNetwork,
    twin: ResidualNetwork,
    held_back: Split,
    output: Path,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Export a network, check the file against torch, and write it with its record.

    Args:
        network: Trained network.
        twin: Its trained float twin, or the network itself.
        held_back: Images to measure accuracy on.
        output: ONNX file; the record has the same name with suffix .json. Both are replaced only
            when both are complete.
        settings: Settings of the training, the first entries of the record.

    Returns:
        The record.

    Raises:
        ExportDiffers: onnxruntime computes something else from the file than torch does.
        OSError: A file cannot be written.
    """
    partial = output.with_name(f".{output.stem}.{os.getpid()}.onnx")
    partial_record = partial.with_suffix(".json")
    try:
        export_onnx(network, partial, IMAGE)
        scores = run_onnx(partial, held_back.images)
        difference = np.abs(scores - predict(network, held_back.images)).max(1)
        flipped = int((difference > CLOSE).sum())
        if not np.isfinite(difference).all() or flipped > FLIPPED * len(held_back):
            raise ExportDiffers(
                f"onnxruntime's scores differ from torch's on {flipped} of {len(held_back)} "
                f"images, by up to {difference.max():.2g}; rounding explains a few at most"
            )
        correct = count_correct(scores, held_back.labels)
        float_correct = count_correct(predict(twin, held_back.images), held_back.labels)
        record = {
            **settings,
            "of": len(held_back),
            "correct": correct,
            "accuracy": round(correct / len(held_back), 6),
            "float_correct": float_correct,
            "float_accuracy": round(float_correct / len(held_back), 6),
            "scores_differing_from_torch": flipped,
            "macs_per_image": count_macs(network, IMAGE),
            "opset": OPSET,
            "sha256": hashlib.sha256(partial.read_bytes()).hexdigest(),
            "versions": {
                "python": platform.python_version(),
                **{name: version(name) for name in PACKAGES},
            },
        }
        partial_record.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
        os.replace(partial, output)
        os.replace(partial_record, output.with_suffix(".json"))
    finally:
        partial.unlink(missing_ok=True)
        partial_record.unlink(missing_ok=True)
    return record


def _validation(data: Digits, seed: int) -> Digits:
    """Split the training images again: four fifths to train with, one fifth to report on."""
    halves = train_test_split(
        data.train.images,
        data.train.labels,
        test_size=0.2,
        stratify=data.train.labels,
        random_state=seed,
    )
    return Digits(Split(halves[0], halves[2]), Split(halves[1], halves[3]))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m n2uqc.models.train",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--bits", type=int, choices=range(2, 5),
        help="bits of weights and activations (default 2)",
    )  # fmt: skip
    kind.add_argument("--float", action="store_true", help="only the float network, no quantizers")
    parser.add_argument(
        "--seed", type=_whole(0), default=0, metavar="N",
        help="fixes initial weights, order and shifts of the images; the same seed, versions and "
        "kind of processor give the same file (default 0)",
    )  # fmt: skip
    parser.add_argument(
        "--epochs", type=_whole(1), default=60, metavar="N",
        help="passes over the training images for the float network; the quantized one gets twice "
        "as many after it (default 60)",
    )  # fmt: skip
    parser.add_argument(
        "--downsample", choices=("quantized", "float"), default="quantized",
        help="kind of convolution in the skip connection that halves the image; the paper reports "
        "both (default quantized)",
    )  # fmt: skip
    parser.add_argument(
        "--validate", action="store_true",
        help="for comparing settings: hold back a fifth of the training images and report on "
        "these, so that the held-back test images stay unseen",
    )  # fmt: skip
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE.onnx",
        help="file to write; FILE.json is written beside it",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if options.bits is None:  # not a default of argparse, which would accept `--bits 2 --float`
        options.bits = 2
    if options.output.suffix != ".onnx":
        parser.error(f"--output {options.output}: the name must end in .onnx")
    if not options.output.parent.is_dir():
        parser.error(f"--output {options.output}: there is no directory {options.output.parent}")
    if not os.access(options.output.parent, os.W_OK):
        parser.error(f"--output {options.output}: {options.output.parent} cannot be written to")
    return options


def _whole(least: int) -> Any:
    def whole(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of {least} or more")
        return value

    return whole


if __name__ == "__main__":
    raise SystemExit(main())
