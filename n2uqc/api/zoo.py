"""``shipped_networks`` and ``reproduce``: the trained networks in the package and their recipes."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from n2uqc.frontend.escape import plain
from n2uqc.frontend.sheet import Column, Sheet, name_column
from n2uqc.models import shipped

from .errors import MissingPart, UserError
from .progress import SILENT, Progress
from .result import Result

_NEEDED = ("torch", "scikit-learn", "onnxruntime")


@dataclass(frozen=True, repr=False)
class ShippedNetworks(Result):
    """The trained networks in this package.

    Attributes:
        records: of each by name: command, data and accuracy, seed, versions, SHA-256.
    """

    records: Mapping[str, Mapping[str, Any]]

    def to_json(self) -> dict[str, Any]:
        return {
            "networks": [
                {"name": name, "file": str(shipped.path(name)), **record}
                for name, record in self.records.items()
            ]
        }

    def summary(self) -> str:
        return ", ".join(self.records)

    def write(self, sheet: Sheet) -> None:
        columns = (
            name_column("network"),
            Column("bits"),
            Column("held-back digits right"),
            Column("float"),
            Column("MACs", drop=1),
            Column("seed", drop=2),
            Column("SHA-256", left=True, least=12, end=True),
        )
        sheet.table(columns, [_row(name, record) for name, record in self.records.items()])
        folder = shipped.path(next(iter(self.records))).parent
        sheet.line(f"their files are in {plain(folder)}")
        sheet.line(
            "trained on scikit-learn's 8x8 digits; `n2uqc models reproduce NAME` does it again"
        )


def _row(name: str, record: Mapping[str, Any]) -> tuple[str | int | None, ...]:
    return (
        name,
        record["bits"] or "float",
        f"{record['correct']} of {record['of']} ({record['accuracy']:.2%})",
        f"{record['float_accuracy']:.2%}",
        record["macs_per_image"],
        record["seed"],
        record["sha256"],
    )


def shipped_networks() -> ShippedNetworks:
    """Return what the package ships, by name; needs no torch.

    Raises:
        OSError: a record is missing: the package is damaged.
    """
    return ShippedNetworks({name: shipped.record(name) for name in shipped.names()})


def shipped_file(name: str) -> Path:
    """Return the ONNX file of a shipped network.

    Raises:
        UserError: no network of that name ships.
    """
    try:
        return shipped.path(name)
    except ValueError as error:
        raise UserError(str(error)) from None


@dataclass(frozen=True, repr=False)
class Reproduction(Result):
    """A shipped network, trained once more by the command of its record.

    Attributes:
        name: of the network.
        recorded, found: records of the shipped one and of the new one.
        path: the new ONNX file; None if it was not to be kept.
    """

    name: str
    recorded: Mapping[str, Any]
    found: Mapping[str, Any]
    path: Path | None

    @property
    def identical(self) -> bool:
        """Whether the files have the same bytes."""
        return bool(self.recorded["sha256"] == self.found["sha256"])

    @property
    def compatible(self) -> bool:
        """Whether chance explains the difference of the accuracies: at most three standard errors
        of a difference of two shares of as many images (normal approximation).
        """
        right, count = (self.recorded["correct"], self.found["correct"]), self.found["of"]
        share = sum(right) / (2 * count)
        error = (2 * share * (1 - share) / count) ** 0.5
        return bool(abs(right[0] - right[1]) / count <= 3 * error)

    @property
    def other_versions(self) -> dict[str, tuple[str, str]]:
        """Recorded version and version here of each package that differs."""
        here = self.found["versions"]
        return {
            package: (recorded, here[package])
            for package, recorded in self.recorded["versions"].items()
            if recorded != here[package]
        }

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "identical": self.identical,
            "compatible": self.compatible,
            "recorded": dict(self.recorded),
            "found": dict(self.found),
            "other_versions": {k: list(v) for k, v in self.other_versions.items()},
            "file": None if self.path is None else str(self.path),
        }

    def summary(self) -> str:
        return f"{self.name}: {'the same bytes' if self.identical else 'another file'}"

    def write(self, sheet: Sheet) -> None:
        columns = (Column("", left=True), Column("recorded"), Column("found"))
        rows = [
            (f"{title} of {self.found['of']} right", self.recorded[key], self.found[key])
            for title, key in (("integer network:", "correct"), ("float network:", "float_correct"))
        ]
        rows += [
            (package, recorded, here) for package, (recorded, here) in self.other_versions.items()
        ]
        sheet.table(columns, rows)
        if self.identical:
            sheet.line(f"{self.name}: the same bytes as the shipped file")
        else:
            sheet.line(
                f"{self.name}: another file than the shipped one (float32 sums depend on the "
                "versions of n2uqc and the packages and on the processor); the accuracies differ "
                + ("by no more than chance explains" if self.compatible else "by more than chance")
            )
        if self.path is not None:
            sheet.line(f"wrote {plain(self.path)}")


def reproduce(
    name: str, output: Path | str | None = None, *, progress: Progress = SILENT
) -> Reproduction:
    """Train a shipped network once more, by the command that its record states.

    It takes minutes on one core; seed, data and order of operations are fixed, so that the same
    versions of n2uqc and the packages give the same bytes on processors of one kind.

    Args:
        name: of the network, one of ``shipped_networks().records``.
        output: ONNX file to keep, beside which a JSON file is written; None to keep none.
        progress: what is told of the work.

    Raises:
        UserError: no network of that name ships, or the training fails.
        MissingPart: torch, scikit-learn or onnxruntime is not installed.
    """
    shipped_file(name)
    for package in _NEEDED:
        try:
            version(package)
        except PackageNotFoundError:
            raise MissingPart(
                f"training needs {package}, which is not installed: pip install 'n2uqc[train]'"
            ) from None
    recorded = shipped.record(name)
    with tempfile.TemporaryDirectory(prefix="n2uqc-") as folder:
        path = Path(folder, f"{name}.onnx") if output is None else Path(output)
        words = shlex.split(recorded["command"])[1:]
        words[words.index("--output") + 1] = str(path)
        with progress.working(f"training {name} ({recorded['epochs']} epochs)"):
            done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
        if done.returncode:
            raise UserError(f"the training failed: {done.stderr.strip()[-2000:]}")
        found: dict[str, Any] = json.loads(path.with_suffix(".json").read_text("utf-8"))
    return Reproduction(name, recorded, found, None if output is None else path)
