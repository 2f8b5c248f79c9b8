"""``train``: a low-bit network by a recipe, and the accuracy of its integer program."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n2uqc.frontend.escape import json_text, plain, shell
from n2uqc.frontend.sheet import Column, Row, Sheet
from n2uqc.frontend.write import write_atomically
from n2uqc.models.training.read_recipe import read_recipe
from n2uqc.models.training.recipe import RecipeError

from .errors import UserError, names_missing_parts
from .progress import SILENT, Progress
from .result import Result
from .torch_work import device_of, input_range_option, program_range

if TYPE_CHECKING:
    from n2uqc.models.training.metrics import EpochRecord
    from n2uqc.models.training.recipe import Recipe
    from n2uqc.models.training.session import Training

RESULT = "result.json"
"""File in the folder of the results that holds the report."""

_PACKAGES = ("torch", "numpy", "onnxruntime")


@dataclass(frozen=True)
class MeasuredNetwork:
    """One form of the network on the samples that accuracy is measured on.

    Attributes:
        name: what it is.
        software: what ran it.
        right: samples whose class it found.
    """

    name: str
    software: str
    right: int


@dataclass(frozen=True, repr=False)
class TrainingReport(Result):
    """A network that was trained, and the accuracy of each of its forms.

    Attributes:
        network: the low-bit network's ONNX file.
        measured_on: "test" or "validation".
        samples: number of them.
        measured: the float network, the low-bit one in torch, its file, its integer program.
        epochs: what each epoch gave, as JSON values.
        input_range: least and greatest input, where programs have to be told; else None.
        facts: the recipe, device and versions, as JSON values.
    """

    network: Path
    measured_on: str
    samples: int
    measured: tuple[MeasuredNetwork, ...]
    epochs: tuple[dict[str, Any], ...]
    input_range: tuple[float, float] | None
    facts: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {
            "network": str(self.network),
            "measured_on": self.measured_on,
            "samples": self.samples,
            "networks": [
                {**asdict(each), "accuracy": each.right / self.samples} for each in self.measured
            ],
            "input_range": list(self.input_range) if self.input_range else None,
            "epochs": list(self.epochs),
            **self.facts,
        }

    def summary(self) -> str:
        last = self.measured[-1]
        return (
            f"{plain(self.network)}: {last.right} of {self.samples} right by its {last.name}, "
            f"{last.right / self.samples:.2%}"
        )

    def write(self, sheet: Sheet) -> None:
        from n2uqc.models.training.metrics import curve

        from .evaluate import interval

        for phase in ("float", "low-bit"):
            values = [e["validation_accuracy"] for e in self.epochs if e["phase"] == phase]
            if values:
                sheet.line(
                    f"validation, {phase}: {curve(values)} {values[0]:.1%} to {values[-1]:.1%} "
                    f"in {len(values)} epochs"
                )
        columns = (
            Column(f"on {self.samples} {self.measured_on} samples", left=True, least=16),
            Column("run by", left=True, least=8, drop=1),
            Column("right"),
            Column("accuracy"),
            Column("95% interval", drop=2),
        )
        rows: list[Row] = []
        for each in self.measured:
            low, high = interval(each.right, self.samples)
            share = f"{each.right / self.samples:.2%}"
            rows.append([each.name, each.software, each.right, share, f"{low:.1%} to {high:.1%}"])
        sheet.table(columns, rows)
        ranged = input_range_option(self.input_range)
        sheet.line(f"next: n2uqc compile {shell(self.network)}{ranged} --target host -o DIR")


@names_missing_parts
def train(
    recipe: Path | str | Mapping[str, Any],
    output: Path | str | None = None,
    *,
    resume: bool = False,
    device: str = "cpu",
    executor: str = "interpreter",
    progress: Progress = SILENT,
) -> TrainingReport:
    """Train a low-bit network by a recipe, export it, and measure its integer program.

    The same recipe, versions, device and number of threads give the same files, also after a kill.

    Args:
        recipe: a TOML file as ``n2uqc train --example`` prints, or what such a file holds.
        output: folder of the results, instead of the recipe's.
        resume: go on from the folder's checkpoint, if it has one.
        device: cpu, cuda or cuda:N.
        executor: what runs the integer program: interpreter, host, datapath, or a target of
            ``compile``.
        progress: what is told of the work.

    Raises:
        UserError: the recipe is wrong (names file and key), or the device is not there.
        CompileError: the executor is unknown, or the trained network cannot be compiled.
        MissingPart: torch or another package that the recipe needs is not installed.
        OSError: a file cannot be written.
    """
    from n2uqc.backends import find_target

    find_target(executor)  # a wrong name is refused before the work begins
    try:
        read = read_recipe(recipe, None if output is None else Path(output))
        import onnxruntime  # noqa: F401 - needed at the end, but told now if missing

        done = train_by(read, device, resume=resume, progress=progress)
    except RecipeError as error:
        raise UserError(str(error)) from error
    report = _measured(done, device, executor, progress)
    write_atomically(read.output / RESULT, json_text(report.to_json()).encode())
    return report


def train_by(recipe: Recipe, device: str, *, resume: bool, progress: Progress = SILENT) -> Training:
    """Train by a recipe and export, without measuring the integer program.

    Raises:
        RecipeError: something in the recipe does not fit, or the folder holds a training.
        UserError: the device is not there.
        OSError: a file cannot be written.
    """
    from n2uqc.models.training import session

    place = device_of(device)
    with ExitStack() as shown:
        return session.train(recipe, place, resume, _listener(shown, progress))


def _listener(shown: ExitStack, progress: Progress) -> Any:
    from n2uqc.models.training.metrics import curve
    from n2uqc.models.training.session import Listener

    class Told(Listener):
        def begin(self, phase: str, done: int, epochs: int) -> None:
            shown.close()
            self.phase = phase
            self.advance = shown.enter_context(progress.reporting(epochs, f"{phase} network", done))

        def epoch(self, records: Sequence[EpochRecord]) -> None:
            values = [each.validation_accuracy for each in records if each.phase == self.phase]
            self.advance(
                f"loss {records[-1].loss:.4f}, validation {values[-1]:.1%} {curve(values)}"
            )

    return Told()


def _measured(done: Training, device: str, executor: str, progress: Progress) -> TrainingReport:
    import numpy as np

    from n2uqc.passes import Options

    from .evaluate import evaluate
    from .hashes import sha256

    ranged = program_range(done.input_range)
    with tempfile.TemporaryDirectory(prefix="n2uqc-") as folder:
        images, labels = done.write_final(Path(folder))
        found = evaluate(
            done.onnx,
            np.load(images, mmap_mode="r"),
            np.load(labels),
            executor=executor,
            options=Options(input_range=ranged) if ranged else None,
            source=f"the {done.data.final_name} samples",
            progress=progress,
        )
    measured = [
        MeasuredNetwork("float network", "torch", done.float_right),
        MeasuredNetwork("low-bit network", "torch", done.low_bit_right),
    ]
    if found.beside is not None and "right" in found.beside:
        measured.append(
            MeasuredNetwork("its ONNX file", found.beside["software"], found.beside["right"])
        )
    measured.append(MeasuredNetwork("integer program", found.executor, found.right))
    facts = {
        "sha256": sha256(done.onnx.read_bytes()),
        "classes": list(done.data.names) if done.data.names else None,
        "device": device,
        "versions": {name: version(name) for name in _PACKAGES},
        "recipe": done.recipe.settings(),
    }
    epochs = tuple(asdict(record) for record in done.records)
    return TrainingReport(
        done.onnx, done.data.final_name, found.images, tuple(measured), epochs, ranged, facts
    )
