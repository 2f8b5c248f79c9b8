"""What ``convert`` returns: what became of each layer, and how far the network agrees."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n2uqc.frontend.escape import plain, shell
from n2uqc.frontend.sheet import Column, Row, Sheet
from n2uqc.passes.pixels import Pixels

from .result import Result
from .torch_work import input_range_option

if TYPE_CHECKING:
    from n2uqc.models.conversion.session import ConvertedLayer

PROGRAM = "integer program"
"""Name of the last form that is measured."""


@dataclass(frozen=True)
class MeasuredConversion:
    """One form of the network beside the float network, on samples that were held out.

    Attributes:
        name: what it is.
        samples: on which both ran.
        same: share of the decisions that are the float network's; None where outputs are values.
        error: root mean square of the difference of outputs, divided by the deviation of the float
            network's.
    """

    name: str
    samples: int
    same: float | None
    error: float


@dataclass(frozen=True, repr=False)
class Conversion(Result):
    """A float network that became a low-bit one.

    Attributes:
        network: the low-bit network's ONNX file.
        layers: what became of each layer, in the order of execution.
        goal: "scores" or "values".
        measured: the network as calibrated, as fine-tuned, and its integer program.
        epochs: what each epoch of fine-tuning gave, as JSON values.
        input_range: least and greatest input, where programs have to be told; else None.
        pixels: the raw pixels that samples were; else None.
        facts: what was chosen, and versions, as JSON values.
    """

    network: Path
    layers: tuple[ConvertedLayer, ...]
    goal: str
    measured: tuple[MeasuredConversion, ...]
    epochs: tuple[dict[str, Any], ...]
    input_range: tuple[float, float] | None
    pixels: Pixels | None
    facts: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {
            "network": str(self.network),
            "layers": [asdict(each) for each in self.layers],
            "goal": self.goal,
            "measured": [asdict(each) for each in self.measured],
            "input_range": list(self.input_range) if self.input_range else None,
            "epochs": list(self.epochs),
            **self.facts,
        }

    def summary(self) -> str:
        low = sum(each.weight_bits is not None for each in self.layers)
        last = self.measured[-1]
        agreeing = f"error {last.error:.1%}" if last.same is None else f"{last.same:.1%} the same"
        return f"{plain(self.network)}: {low} of {len(self.layers)} layers low-bit, {agreeing}"

    def write(self, sheet: Sheet) -> None:
        columns = (
            Column("layer", left=True, least=12),
            Column("kind", left=True, least=6, drop=2),
            Column("activation bits"),
            Column("weight bits"),
            Column("stays real", left=True, least=10),
        )
        rows: list[Row] = [
            [plain(each.name), each.kind, each.activation_bits, each.weight_bits, each.why]
            for each in self.layers
        ]
        sheet.table(columns, rows)
        sheet.line()
        scores = self.goal == "scores"
        measured = [Column("beside the float network", left=True, least=16), Column("samples")]
        measured += [Column("same decision")] if scores else []
        measured += [Column("error of outputs")]
        lines: list[Row] = []
        for each in self.measured:
            same = [] if each.same is None else [f"{each.same:.2%}"]
            lines.append([each.name, each.samples, *same, f"{each.error:.2%}"])
        sheet.table(tuple(measured), lines)
        sheet.line(
            "error: root mean square of the difference / deviation of the float network's outputs"
        )
        calibrated, *tuned = [e.error for e in self.measured if e.name != PROGRAM]
        if tuned and tuned[0] > calibrated:
            sheet.line(
                "fine-tuning did not come nearer: a lower --rate, more --epochs or more samples may"
            )
        told = input_range_option(self.input_range) + _pixels_option(self.pixels)
        sheet.line(f"next: n2uqc compile {shell(self.network)}{told} --target host -o DIR")


def _pixels_option(pixels: Pixels | None) -> str:
    if pixels is None:
        return ""
    found = f" --pixels {pixels.scale:.9g}"
    for name, row, usual in (("mean", pixels.mean, 0.0), ("std", pixels.std, 1.0)):
        if {*row} != {usual}:
            found += f" --{name} {','.join(f'{each:.9g}' for each in row)}"
    return found
