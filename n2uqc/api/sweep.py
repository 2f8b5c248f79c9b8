"""``sweep``: a recipe, or networks, at every choice of what is varied, in one store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from n2uqc.frontend.escape import plain
from n2uqc.frontend.sheet import Column, Row, Sheet

from .errors import UserError, names_missing_parts
from .progress import SILENT, Progress
from .result import Result

_LISTED = 5  # failed points whose messages are written
_FIGURES = (
    ("float", "train", "float_right", 4),
    ("accuracy", "accuracy", "accuracy", 0),
    ("LUT", "cost", "lut", 0),
    ("DSP", "cost", "dsp", 5),
    ("BRAM18", "cost", "bram18", 6),
    ("images/s", "cost", "images_per_second", 3),
    ("instructions", "processor", "instructions", 2),
)
"""Columns: title, kind of point, key of its result, which are dropped first."""


@dataclass(frozen=True, repr=False)
class SweepReport(Result):
    """A sweep's table.

    Attributes:
        store: the SQLite file with all points and trained networks.
        rows: for each choice its ``settings``, and by kind of point what its result is; of a failed
            one ``{"failed": message}``, and None for what was not computed because a training
            failed.
        points: number of different points.
        failed: messages of those that failed, each once.
        failures: number of points that failed.
        computed, reused: points that this run computed, and those that the store had.
    """

    store: Path
    rows: tuple[dict[str, Any], ...]
    points: int
    failures: int
    failed: tuple[str, ...]
    computed: int
    reused: int

    def network(self, row: int) -> bytes:
        """Return the ONNX file that was trained for a row.

        Raises:
            UserError: the row has none.
        """
        from .sweeping import SweepStore

        trained = self.rows[row].get("train") or {}
        with SweepStore(self.store) as store:
            content = store.network(str(trained.get("point")))
        if content is None:
            raise UserError(f"row {row} of the sweep has no trained network")
        return content

    def to_json(self) -> dict[str, Any]:
        return {
            "store": str(self.store),
            "points": self.points,
            "computed": self.computed,
            "reused": self.reused,
            "failures": self.failures,
            "rows": list(self.rows),
        }

    def summary(self) -> str:
        failed = f", {self.failures} failed" if self.failures else ""
        return f"{len(self.rows)} rows of {self.points} points{failed}"

    def write(self, sheet: Sheet) -> None:
        names = list(dict.fromkeys(name for row in self.rows for name in row["settings"]))
        shown = [each for each in _FIGURES if any(each[1] in row for row in self.rows)]
        columns = [
            *(Column(name, left=True, least=6) for name in names),
            *(Column(title, drop=drop) for title, *_, drop in shown),
        ]
        rows: list[Row] = []
        for row in self.rows:
            settings = [row["settings"].get(name) for name in names]
            cells = [None if value is None else _setting(value) for value in settings]
            rows.append([*cells, *(_figure(row.get(kind), key) for _, kind, key, _ in shown)])
        sheet.table(columns, rows)
        for message in self.failed[:_LISTED]:
            sheet.line(f"failed: {message}")
        if len(self.failed) > _LISTED:
            sheet.line(f"{len(self.failed) - _LISTED} more messages: --json")
        sheet.line(
            f"{self.points} points: {self.computed} computed, {self.reused} in the store before, "
            f"{self.failures} failed; {plain(self.store)}"
        )


def _setting(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_setting(each)}" for key, each in value.items())
    return f"{value:g}" if isinstance(value, float) else plain(value)


def _figure(point: Mapping[str, Any] | None, key: str) -> str | int | None:
    if point is None:
        return None
    if "failed" in point:
        return "failed"
    value = point[key]
    if key == "float_right":
        return f"{value / point['samples']:.2%}"
    if key == "accuracy":
        return f"{value:.2%}"
    return round(float(value))


@names_missing_parts
def sweep(
    spec: Path | str | Mapping[str, Any],
    output: Path | str | None = None,
    *,
    workers: int = 0,
    scheduler: str | None = None,
    retry: bool = False,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> SweepReport:
    """Compute every choice of what a sweep varies: training, widths, foldings, devices, clocks.

    A point is computed once: the store has it by the hash of its settings, data, and code. What is
    killed goes on where it was. A point that fails is kept with its message. The same sweep gives
    the same rows in one process and on any number of workers.

    Args:
        spec: a TOML file as ``n2uqc sweep --example`` prints, or what such a file holds.
        output: folder of the store, instead of the sweep's.
        workers: processes of a Dask cluster on this machine; 0: this process.
        scheduler: address of a Dask scheduler, such as ``tcp://host:8786``, whose workers are taken
            instead; they find the recipe's files at the same paths.
        retry: try points that failed before again.
        device: what trainings run on: cpu, cuda or cuda:N.
        progress: what is told of the work.

    Raises:
        UserError: the sweep or its recipe is wrong (names file and key), or the scheduler does not
            answer.
        CompileError: a target or device is unknown.
        MissingPart: torch, Dask or another package that it needs is not installed.
        OSError: a file cannot be read, or the store cannot be written.
    """
    from .sweeping import SweepStore, plan_sweep, read_spec, run_plan
    from .sweeping.store import FILE

    if workers < 0 or (workers and scheduler is not None):
        raise UserError("--workers is the number of own processes; --scheduler has its own")
    given = read_spec(spec, None if output is None else Path(output))
    plan = plan_sweep(given, device)
    plan.output.mkdir(parents=True, exist_ok=True)
    with SweepStore(plan.output / FILE) as store:
        counts = run_plan(
            plan, store, workers=workers, scheduler=scheduler, retry=retry, progress=progress
        )
        found = {key: store.get(key) for key in plan.points}
    rows = []
    for row in plan.rows:
        points: dict[str, Any] = {}
        for kind, key in row.points.items():
            stored = found[key]
            if stored is None:
                points[kind] = None
            elif stored.result is None:
                points[kind] = {"point": key, "failed": stored.message}
            else:
                points[kind] = {"point": key, **stored.result}
        rows.append({"settings": row.settings, **points})
    messages = [str(each.message) for each in found.values() if each and each.result is None]
    return SweepReport(
        plan.output / FILE, tuple(rows), len(plan.points), len(messages),
        tuple(dict.fromkeys(messages)), counts.computed, counts.reused,
    )  # fmt: skip
