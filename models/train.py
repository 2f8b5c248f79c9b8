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
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from sklearn.model_selection import train_test_split

from .calibrate import initialise_from_float
from .data import Digits, Split, digits
from .export import OPSET, export_onnx, run_onnx
from .fit import count_correct, fit, predict
from .networks import ResidualNetwork, count_macs

FLOAT_RATE = 4e-3
QUANTIZED_RATE = 2e-3
PACKAGES = ("torch", "numpy", "scikit-learn", "onnxruntime")
CLOSE = 1e-4
"""Largest difference of a score between torch and onnxruntime that rounding may cause."""

DESCRIPTION = """\
Train a small residual network on 8x8 handwritten digits with N2UQ quantizers and write it as
plain ONNX, the kind of file `n2uqc compile` reads.

First the float network is trained, then its quantized twin starts from the float weights and
learns its thresholds. The exported file is run by onnxruntime on the 540 held-back images; a JSON
file of the same name beside it records command, versions and accuracies. The held-back images
choose nothing: the last epoch is what is written."""

EPILOG = """\
examples:
  python -m n2uqc.models.train --bits 2 --seed 0 --output digits_2bit.onnx
  python -m n2uqc.models.train --float --output digits_float.onnx
  python -m n2uqc.models.train --bits 3 --validate --output trial.onnx
"""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m n2uqc.models.train",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--bits", type=int, choices=range(2, 5), default=2,
        help="bits of weights and activations (default 2)",
    )  # fmt: skip
    kind.add_argument("--float", action="store_true", help="only the float network, no quantizers")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights, order and shifts")
    parser.add_argument(
        "--epochs", type=_positive, default=60, metavar="N",
        help="passes over the training images for the float network, and twice as many again for "
        "the quantized one (default 60)",
    )  # fmt: skip
    parser.add_argument(
        "--downsample", choices=("quantized", "float"), default="quantized",
        help="skip connection of the stride-2 block (default quantized)",
    )  # fmt: skip
    parser.add_argument(
        "--validate", action="store_true",
        help="to compare settings: hold back a fifth of the training images and report on these, "
        "so that the held-back test images stay unseen",
    )  # fmt: skip
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE.onnx",
        help="file to write; FILE.json is written beside it",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if options.output.suffix != ".onnx":
        parser.error(f"--output {options.output}: the name must end in .onnx")
    if not options.output.parent.is_dir():
        parser.error(f"--output {options.output}: no directory {options.output.parent}")
    return options


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value}: at least 1")
    return value


def validation(data: Digits, seed: int) -> Digits:
    """The training images alone, split again: four fifths to train with, one to report on."""
    halves = train_test_split(
        data.train.images,
        data.train.labels,
        test_size=0.2,
        stratify=data.train.labels,
        random_state=seed,
    )
    return Digits(Split(halves[0], halves[2]), Split(halves[1], halves[3]))


def train(options: argparse.Namespace, data: Digits, console: Console) -> tuple[Any, int]:
    """Train as the options say; returns the network to export and the float twin's correct count."""
    bits = None if options.float else options.bits
    twin = ResidualNetwork(None, downsample=options.downsample)
    network = twin if bits is None else ResidualNetwork(bits, downsample=options.downsample)
    columns = (
        TextColumn("{task.description:>8}"),
        BarColumn(),
        TextColumn("epoch {task.completed}/{task.total}  loss {task.fields[loss]:.4f}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:

        def run(name: str, model: ResidualNetwork, epochs: int, rate: float) -> None:
            task = progress.add_task(name, total=epochs, loss=float("nan"))

            def step(loss: float) -> None:
                progress.update(task, advance=1, loss=loss)

            fit(model, data.train, epochs, rate, options.seed, step)

        run("float", twin, options.epochs, FLOAT_RATE)
        if bits is not None:
            initialise_from_float(network, twin, torch.tensor(data.train.images))
            run(f"{bits}-bit", network, 2 * options.epochs, QUANTIZED_RATE)
    return network, count_correct(predict(twin, data.test.images), data.test.labels)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    options = parse(arguments)
    words = sys.argv[1:] if arguments is None else arguments
    console = Console(stderr=True)
    # One thread and a fixed order of operations: the seed then fixes every bit of the result.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(options.seed)
    data = validation(digits(), options.seed) if options.validate else digits()

    began = time.monotonic()
    network, float_correct = train(options, data, console)
    partial = options.output.with_name(f".{options.output.stem}.{os.getpid()}.onnx")
    try:
        export_onnx(network, partial, torch.zeros(1, 1, 8, 8))
        scores = run_onnx(partial, data.test.images)
        difference = float(np.abs(scores - predict(network, data.test.images)).max())
        if difference > CLOSE:
            console.print(
                f"onnxruntime and torch differ by {difference:.2g} in a score, more than rounding "
                f"explains ({CLOSE:g}); nothing written",
                style="red",
            )
            return 1
        correct, total = count_correct(scores, data.test.labels), len(data.test)
        record = {
            "command": shlex.join(["python", "-m", "n2uqc.models.train", *words]),
            "bits": None if options.float else options.bits,
            "seed": options.seed,
            "images": "a fifth of the training half" if options.validate else "held-back half",
            "correct": correct,
            "of": total,
            "accuracy": round(correct / total, 6),
            "float_correct": float_correct,
            "float_accuracy": round(float_correct / total, 6),
            "macs_per_image": count_macs(network, torch.zeros(1, 1, 8, 8)),
            "opset": OPSET,
            "sha256": hashlib.sha256(partial.read_bytes()).hexdigest(),
            "versions": {
                "python": platform.python_version(),
                **{name: version(name) for name in PACKAGES},
            },
        }
        text = json.dumps(record, indent=2) + "\n"
        record_partial = partial.with_suffix(".json")
        record_partial.write_text(text)
        os.replace(partial, options.output)
        os.replace(record_partial, options.output.with_suffix(".json"))
    finally:
        partial.unlink(missing_ok=True)
        partial.with_suffix(".json").unlink(missing_ok=True)
    console.print(
        f"{options.output}: {correct} of {total} right ({correct / total:.2%}), "
        f"float {float_correct} ({float_correct / total:.2%}); "
        f"{time.monotonic() - began:.0f} s"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
