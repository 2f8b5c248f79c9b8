"""``cost``: what networks cost as hardware, by the way their activations are quantized."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from n2uqc.backends.cost import DRESSES, Trained, compare
from n2uqc.backends.fpga import Folding
from n2uqc.backends.fpga.design import CLOCK_HZ
from n2uqc.backends.report import Report, report, to_json, write_html, write_report
from n2uqc.backends.report.data import PARTS
from n2uqc.frontend.escape import plain
from n2uqc.frontend.input_shape import InputShape
from n2uqc.frontend.sheet import Picture, Sheet
from n2uqc.passes import Options

from .accuracy import Labeled, labeled, measure
from .design import design
from .drawings import bars
from .effort import measure_effort
from .errors import UserError, names_missing_parts
from .model import Openable, open_model
from .progress import SILENT, Progress
from .result import Result
from .synthesis import synthesize_model, write_synthesis


@dataclass(frozen=True, repr=False)
class CostComparison(Result):
    """What networks cost as hardware; SCHEMA.md of the report describes its JSON values.

    Attributes:
        networks: the networks with their costs, accuracies and instructions.
        synthesis: what yosys makes of each, as JSON values; empty unless it was asked for.
        command: command that makes the same; "" if none did.
    """

    networks: tuple[Trained, ...]
    synthesis: tuple[dict[str, Any], ...] = ()
    command: str = ""

    @property
    def report(self) -> Report:
        """Alternatives, layers, findings and assumptions as plain data."""
        return report(self.networks, self.command, self.synthesis)

    def to_json(self) -> dict[str, Any]:
        return to_json(self.networks, self.command, self.synthesis)

    def to_html(self, path: Path | str) -> None:
        """Write a self-contained page with plots, and its data beside it as JSON and CSV.

        Raises:
            CompileError: matplotlib is not installed.
            OSError: the file cannot be written.
        """
        write_html(self.networks, path, command=self.command, synthesis=self.synthesis)

    def summary(self) -> str:
        family = self.networks[0].comparison.technology.id
        shown = [
            f"{network.comparison.model} {network.comparison.own['lut']:,} LUT"
            for network in self.networks
        ]
        if len(shown) > 3:
            shown[3:] = [f"{len(shown) - 3} more"]
        return f"{', '.join(shown)}, on {family}"

    def write(self, sheet: Sheet) -> None:
        for model in self.report.models:
            lut = {
                row.short: {part: row.cost.resources[part]["lut"] for part in PARTS}
                for row in model.alternatives
            }
            sheet.picture(Picture(f"LUT of {model.model}", bars(lut)))
        write_report(sheet, self.networks)
        for rows in self.synthesis:
            write_synthesis(sheet, rows)


@names_missing_parts
def cost(
    *models: Openable,
    dresses: Sequence[str] = (),
    data: tuple[ArrayLike, ArrayLike] | Labeled | None = None,
    processor: str | None = None,
    folding: Folding | None = None,
    target_cycles: int | None = None,
    target_fps: float | None = None,
    device: str | None = None,
    technology: str | None = None,
    clock_hz: float = CLOCK_HZ,
    fill: float | None = None,
    synthesize: bool = False,
    options: Options | None = None,
    input_shape: InputShape | None = None,
    command: str = "",
    progress: Progress = SILENT,
) -> CostComparison:
    """Estimate what networks cost as hardware.

    One network is shown in other dresses: the same network with other quantizers and levels.
    Several are costed each as what it is.

    Args:
        models: networks (paths, bytes, ``onnx.ModelProto``, ``onnx_ir.Model``) or programs.
        dresses: which dresses of one network are shown: uniform, n2uq, codebook, apot, lq; all if
            empty.
        data: images (N, C, H, W) and the index of the right output of each, int (N,), that
            accuracies are measured on.
        processor: also compile for this ARM target, and count instructions of an image.
        folding, target_cycles, target_fps, device, technology, clock_hz, fill: as for ``design``.
        synthesize: run yosys on every engine, and state what it makes of it.
        options, input_shape: as for ``load``, for networks.
        command: command line that makes the same, for the report.
        progress: what is told of the work.

    Raises:
        CompileError, StoreError: a model cannot be compiled or read; or as for ``design``.
        InputError: the images do not fit.
        UserError: there is no model, or a request that contradicts itself.
        ToolchainError: a tool for ``processor`` or ``synthesize`` is missing.
    """
    if not models:
        raise UserError("name at least one model")
    check_request(len(models), dresses, folding is not None)
    measured = data if isinstance(data, Labeled) else None
    if isinstance(data, tuple):
        measured = labeled("the data", *map(np.asarray, data))
    networks: list[Trained] = []
    with progress.counting(len(models), "compiling and counting") as advance:
        for model in models:
            opened = open_model(model, options, input_shape)
            planned = design(
                opened,
                folding=folding,
                target_cycles=target_cycles,
                target_fps=target_fps,
                device=device,
                technology=technology,
                clock_hz=clock_hz,
                fill=fill,
                progress=progress,
            )
            comparison = compare(
                planned.plan, name=plain(opened.name), dresses=dresses, device=planned.device
            )
            accuracy = effort = None
            if measured is not None:
                accuracy = measure(opened.program, measured, comparison.macs, progress)
            if processor is not None:
                effort = measure_effort(opened.program, processor, progress)
            networks.append(Trained(comparison, accuracy, effort))
            advance(1)
    rows: tuple[dict[str, Any], ...] = ()
    if synthesize:
        rows = tuple(
            synthesize_model(network.comparison.model, network.comparison.design, progress)
            for network in networks
        )
    return CostComparison(tuple(networks), rows, command)


def check_request(models: int, dresses: Sequence[str], folding: bool) -> None:
    """Refuse what cannot be asked of a number of networks.

    Raises:
        UserError: a dress is unknown, or dresses or a folding for several networks.
    """
    for name in dresses:
        if name not in DRESSES:
            raise UserError(f"--as {plain(name)!r}: not one of {', '.join(DRESSES)}")
    if dresses and models > 1:
        raise UserError(
            "--as shows one network in other dresses; networks trained apart are costed as what "
            "they are: name one MODEL, or leave --as out"
        )
    if folding and models > 1:
        raise UserError("--folding belongs to one model; compare several without it")
