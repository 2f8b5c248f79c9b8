"""A whole training: float network, low-bit twin, ONNX file; resumed where it was stopped."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from n2uqc.frontend.diagnostics import cut
from n2uqc.frontend.escape import plain
from n2uqc.frontend.write import write_atomically

from ..export import export_onnx
from .compilable import check_compilable, on_cpu
from .datasets import Normalizer, Pairs, TrainingData, evaluation_batches, length, open_data
from .loop import Trainer, evaluated
from .low_bit import low_bit_twin
from .metrics import BoardLog, EpochRecord, write_curve
from .network import float_network
from .recipe import Recipe
from .state import load_state, random_state, reproducible, save_state, seed_all, set_random_state
from .teacher import Loss, find_teacher, label_loss, taught_loss

CHECKPOINT, CURVE, NETWORK = "checkpoint.pt", "metrics.jsonl", "network.onnx"
"""Names of files in the folder of the results."""
_SEEN = 512
"""Training samples from which ranges are estimated."""


class Listener:
    """A listener to a training; this one does nothing."""

    def begin(self, phase: str, done: int, epochs: int) -> None:
        """Hear that a phase begins, or goes on after `done` of its epochs."""

    def epoch(self, records: Sequence[EpochRecord]) -> None:
        """Hear that an epoch is done; its record is the last."""


@dataclass(frozen=True)
class Training:
    """A finished training.

    Attributes:
        recipe, data: what it was made of.
        onnx: the low-bit network's file.
        records: of all epochs.
        float_right, low_bit_right: samples of `data.final` that each network classifies rightly,
            in torch.
        input_range: least and greatest value of the network's input that was seen.
    """

    recipe: Recipe
    data: TrainingData
    onnx: Path
    records: tuple[EpochRecord, ...]
    float_right: int
    low_bit_right: int
    input_range: tuple[float, float]

    def write_final(self, folder: Path) -> tuple[Path, Path]:
        """Write the samples of `data.final` as the network gets them, and their classes, as .npy.

        Raises:
            OSError: they cannot be written.
        """
        return write_samples(self.recipe, self.data.final, self.data.shape, folder)


def write_samples(
    recipe: Recipe, data: Pairs, shape: tuple[int, ...], folder: Path
) -> tuple[Path, Path]:
    """Write samples as the network of a recipe gets them, and their classes, as .npy.

    A Dataset that draws from global generators draws by the recipe's seed.

    Args:
        recipe: the recipe.
        data: the samples.
        shape: of one, as the network gets it.
        folder: where the files go.

    Raises:
        OSError: they cannot be written.
    """
    images, labels = folder / "images.npy", folder / "labels.npy"
    into = np.lib.format.open_memmap(images, "w+", np.float32, (length(data), *shape))
    classes = np.empty(length(data), np.int64)
    normalizer, begin, device = Normalizer(recipe, shape), 0, torch.device("cpu")
    with reproducible(device):
        seed_all(recipe.schedule.seed)
        for x, y in evaluation_batches(data, normalizer, device):
            part = slice(begin, begin := begin + len(x))
            into[part], classes[part] = x.numpy(), y.numpy()
    into.flush()
    np.save(labels, classes)
    return images, labels


def train(
    recipe: Recipe, device: torch.device, resume: bool, listener: Listener | None = None
) -> Training:
    """Train by a recipe and export the low-bit network.

    The folder of the results gets a checkpoint and the curve after each epoch, at the end the ONNX
    file and the state dicts of both networks. The same recipe, versions, device and number of
    threads give the same bytes, also if the training was killed and resumed.

    Args:
        recipe: the recipe.
        device: where networks are trained.
        resume: continue from the folder's checkpoint, if it has one.
        listener: what is told of phases and epochs.

    Raises:
        RecipeError: something in the recipe does not fit, or the folder holds a training.
        OSError: a file cannot be written.
        ModuleNotFoundError: Pillow, ONNX Runtime or TensorBoard is needed and not installed.
    """
    checkpoint = recipe.output / CHECKPOINT
    if checkpoint.exists() and not resume:
        raise recipe.error(
            "output", f"{plain(recipe.output)} holds a training; --resume continues it"
        )
    with reproducible(device):
        saved = load_state(checkpoint, recipe) if checkpoint.exists() else None
        session = _Session(recipe, device, listener or Listener())
        if saved is None:
            session.check_twin()
        recipe.output.mkdir(parents=True, exist_ok=True)
        return session.run(saved)


class _Session:
    """What both phases share."""

    def __init__(self, recipe: Recipe, device: torch.device, listener: Listener) -> None:
        self.recipe, self.device, self.listener = recipe, device, listener
        self.data = open_data(recipe)
        seed_all(recipe.schedule.seed)
        network, classes = float_network(recipe, self.data)
        self.network = network.to(device)
        batches = evaluation_batches(
            self.data.training, Normalizer(recipe, self.data.shape), device, _SEEN
        )
        self.samples = torch.cat([x for x, _ in batches])
        self.loss: Loss = label_loss
        if (choice := recipe.teacher) is not None:
            teacher = find_teacher(recipe, choice, self.network, self.data, classes, device)
            self.loss = taught_loss(choice, teacher)
        self.records: list[EpochRecord] = []

    def check_twin(self) -> None:
        """Refuse a network whose low-bit form cannot be compiled, before hours are spent on it.

        Raises:
            RecipeError: the exporter or the compiler's frontend refuses it, or would read a
                quantized layer as a real one.
        """
        twin = low_bit_twin(self.recipe, self.network, self.samples, ranges=False)
        check_compilable(self.recipe, twin, self.data.shape)

    def run(self, saved: dict[str, Any] | None) -> Training:
        """Train both networks, from a checkpoint on if there is one."""
        if saved is not None:
            with self._restoring():
                self.records = [EpochRecord(**record) for record in saved["records"]]
            write_curve(self.recipe.output / CURVE, self.records)
        with BoardLog(
            self.recipe.output / "tensorboard", self.recipe.tensorboard, len(self.records)
        ) as board:
            for record in self._epochs(saved):
                board.add(record, len(self.records))
                self.listener.epoch(self.records)
        return self._finished()

    def _epochs(self, saved: dict[str, Any] | None) -> Iterator[EpochRecord]:
        first, second = self.recipe.float_schedule, self.recipe.schedule
        if saved is not None and saved.get("phase") == "low-bit":
            with self._restoring():
                self.network.load_state_dict(saved["float"])
        elif first.epochs:
            trainer = Trainer(
                self.recipe, self.data, self.network, label_loss, "float", first.epochs, first.rate,
                first.decay, self.device,
            )  # fmt: skip
            yield from self._phase(trainer, saved)
            saved = None
        self.network.eval()
        self.twin = low_bit_twin(self.recipe, self.network, self.samples)
        trainer = Trainer(
            self.recipe, self.data, self.twin, self.loss, "low-bit", second.epochs, second.rate,
            second.decay, self.device,
        )  # fmt: skip
        yield from self._phase(trainer, saved)

    def _phase(self, trainer: Trainer, saved: dict[str, Any] | None) -> Iterator[EpochRecord]:
        if saved is None:
            seed_all(self.recipe.schedule.seed)
        else:
            with self._restoring():
                if saved["phase"] != trainer.phase:
                    raise ValueError(saved["phase"])
                trainer.set_state(saved["trainer"])
                set_random_state(saved["random"])
        self.listener.begin(trainer.phase, trainer.done, trainer.epochs)
        while trainer.done < trainer.epochs:
            record = trainer.epoch()
            self.records.append(record)
            state = {
                "phase": trainer.phase,
                "float": self.network.state_dict(),
                "trainer": trainer.state(),
                "random": random_state(),
                "records": [asdict(each) for each in self.records],
            }
            save_state(self.recipe.output / CHECKPOINT, self.recipe, state)
            write_curve(self.recipe.output / CURVE, self.records)
            yield record

    @contextmanager
    def _restoring(self) -> Iterator[None]:
        """Turn what a damaged checkpoint does while it is read into one message."""
        try:
            yield
        except (LookupError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            place = plain(self.recipe.output / CHECKPOINT)
            found = f"{place} is damaged: {cut(plain(error))}; remove it to train anew"
            raise self.recipe.error("output", found) from None

    def _finished(self) -> Training:
        normalizer, folder = Normalizer(self.recipe, self.data.shape), self.recipe.output
        right = {}
        for name, network in (("float", self.network), ("network", self.twin)):
            right[name], _ = evaluated(network, self.data.final, normalizer, self.device)
            buffer = io.BytesIO()
            torch.save({k: v.cpu() for k, v in network.state_dict().items()}, buffer)
            write_atomically(folder / f"{name}.pt", buffer.getvalue())
        path = folder / NETWORK
        export_onnx(on_cpu(self.twin), path, torch.zeros(1, *self.data.shape))
        low, high = float(self.samples.min()), float(self.samples.max())
        return Training(
            self.recipe, self.data, path, tuple(self.records), right["float"], right["network"],
            (low, high),
        )  # fmt: skip
