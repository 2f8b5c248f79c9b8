"""Networks of the study as sweeps: tuned on validation samples, then trained and tested."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from n2uqc.api.progress import Progress
from n2uqc.api.sweep import SweepReport, sweep
from n2uqc.api.torch_work import torch_threads
from n2uqc.models.training.read_recipe import recipe_of

from .datasets import Prepared
from .design import BATCH, TUNING_SEED, Cell, Choice, Extent

_PLACE = "n2uqc.studies.networks"
_SPLIT = {"validation": 0.02, "seed": 0}  # for the curve, which nothing is chosen by
PROCESSOR = "cortex-m7"

Sweep = Callable[[Mapping[str, Any]], SweepReport]
"""Computes a sweep in the study's store."""


@dataclass(frozen=True)
class Tuned:
    """What was chosen for a cell.

    Attributes:
        choice: of all that were tried, the best on validation samples.
        accuracy: there, mean over the tuning seeds, 0 to 1.
        tried: number of choices.
    """

    choice: Choice
    accuracy: float
    tried: int


class Laboratory:
    """Training of the networks of a study.

    Args:
        extent: how much.
        data: prepared data sets, by name.
        output: folder of the study.
        options: of ``sweep``: workers, scheduler, retry.
        progress: what is told of the work.
    """

    def __init__(
        self,
        extent: Extent,
        data: Mapping[str, Prepared],
        output: Path,
        options: Mapping[str, Any],
        progress: Progress,
    ) -> None:
        self.extent, self.data, self.output = extent, data, output.absolute()
        self.options, self.progress = options, progress

    def tune(self, cells: Sequence[Cell]) -> dict[Cell, Tuned]:
        """Choose rate, factor and decay of each cell by its accuracy on validation samples.

        A cell none of whose trainings succeeded is left out.
        """
        scores = self._scores([(cell, choice) for cell in cells for choice in self.extent.grid()])
        best = {cell: max(found, key=lambda c: found[c]) for cell, found in scores.items() if found}
        others = [
            (cell, Choice(choice.rate, choice.threshold_rate, decay))
            for cell, choice in best.items()
            for decay in self.extent.decays[1:]
        ]
        for cell, found in self._scores(others).items():
            scores[cell] |= found
        chosen = {}
        for cell in best:
            choice = max(scores[cell], key=lambda c: scores[cell][c])
            chosen[cell] = Tuned(choice, scores[cell][choice], len(scores[cell]))
        return chosen

    def _scores(self, tried: Sequence[tuple[Cell, Choice]]) -> dict[Cell, dict[Choice, float]]:
        """Return mean accuracies on validation samples, of what all tuning seeds succeeded in."""
        if not tried:
            return {}
        seeds = range(TUNING_SEED, TUNING_SEED + self.extent.tuning_seeds)
        runs = [(cell, choice, seed) for cell, choice in tried for seed in seeds]
        rows = self._sweep(runs, ("fit", "validation"), {})
        shares: dict[tuple[Cell, Choice], list[float]] = {}
        for (cell, choice, _), row in zip(runs, rows, strict=True):
            if "failed" not in row["train"]:
                share = row["train"]["low_bit_right"] / row["train"]["samples"]
                shares.setdefault((cell, choice), []).append(share)
        scores: dict[Cell, dict[Choice, float]] = {cell: {} for cell, _ in tried}
        for (cell, choice), values in shares.items():
            if len(values) == len(seeds):
                scores[cell][choice] = sum(values) / len(values)
        return scores

    def test(self, tuned: Mapping[Cell, Tuned]) -> dict[Cell, list[dict[str, Any]]]:
        """Train every cell with each seed as it was tuned; measure accuracy and cost, once.

        Returns:
            by cell the rows of the sweep, a seed each, with accuracy, cost and processor.
        """
        seeds = range(self.extent.seeds)
        runs = [(cell, each.choice, seed) for cell, each in tuned.items() for seed in seeds]
        rows = self._sweep(runs, ("train", "test"), {"accuracy": {}, "cost": {}})
        counted = runs if self.extent.every_processor else [run for run in runs if run[2] == 0]
        table = {"processor": {"target": [PROCESSOR]}}
        efforts = self._sweep(counted, ("train", "test"), table)
        found = dict(zip(runs, rows, strict=True))
        for run, row in zip(counted, efforts, strict=True):
            found[run] = {**found[run], "processor": row["processor"]}
        by_cell: dict[Cell, list[dict[str, Any]]] = {}
        for (cell, _, _), row in found.items():
            by_cell.setdefault(cell, []).append(row)
        return by_cell

    def _sweep(
        self,
        runs: Sequence[tuple[Cell, Choice, int]],
        parts: tuple[str, str],
        tables: Mapping[str, Any],
    ) -> list[dict[str, Any]]:
        """Return the rows of the networks, in their order."""
        needed = dict.fromkeys((cell.dataset, seed) for cell, _, seed in runs)
        with self.progress.counting(len(needed), "float networks") as advance:
            floats = {}
            for dataset, seed in needed:
                floats[dataset, seed] = self._float_network(dataset, seed, parts)
                advance(1)
        variants = [
            {
                "name": f"{cell.name}, seed {seed}",
                **self._recipe(cell, parts, seed),
                "float_schedule": {"epochs": 0},
                "network": {
                    **self._network(cell.dataset),
                    "weights": str(floats[cell.dataset, seed]),
                },
                "schedule": {
                    "epochs": self.extent.epochs, "batch": BATCH, "seed": seed, **asdict(choice),
                },
            }
            for cell, choice, seed in runs
        ]  # fmt: skip
        spec = {"recipe": {}, "variants": variants, **tables}
        report = sweep(spec, self.output, progress=self.progress, **self.options)
        return list(report.rows)

    def _recipe(self, cell: Cell, parts: tuple[str, str], seed: int) -> dict[str, Any]:
        data = self.data[cell.dataset]
        return {
            "data": {"format": "npz", "path": str(data.files[parts[0]])},
            "test": {"format": "npz", "path": str(data.files[parts[1]])},
            "split": _SPLIT,
            "normalize": dict(data.normalize),
            "quantizers": {
                "activation": cell.activation, "weight": cell.weight, "bits": cell.bits,
            },
        }  # fmt: skip

    def _network(self, dataset: str) -> dict[str, Any]:
        data = self.data[dataset]
        kind = "image" if len(data.shape) == 3 else "series"
        arguments = {"channels": data.shape[0], "classes": data.classes}
        return {"factory": f"{_PLACE}:{kind}", "arguments": arguments}

    def _float_network(self, dataset: str, seed: int, parts: tuple[str, str]) -> Path:
        """Return the state dict of a float network; it is trained once.

        Every low-bit network of a seed begins with it.
        """
        from n2uqc.api.train import train_by

        folder = self.output / "float" / f"{dataset}-{parts[0]}-{seed}"
        if not (folder / "network.onnx").exists():  # written last
            cell = Cell(dataset, "lsq", "lsq", 4)  # its one epoch is not used
            table = {
                **self._recipe(cell, parts, seed),
                "network": self._network(dataset),
                "float_schedule": {"epochs": self.extent.float_epochs, "rate": 1e-2},
                "schedule": {"epochs": 1, "batch": BATCH, "seed": seed},
            }
            del table["test"]  # which is not opened here
            recipe = recipe_of(table, "the study", self.output, folder)
            with torch_threads(1):
                train_by(recipe, "cpu", resume=True)
        return folder / "float.pt"
