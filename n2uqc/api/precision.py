"""``search_precision``: the smallest fixed-point widths that keep codes and classes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from n2uqc.frontend.input_shape import InputShape
from n2uqc.frontend.load import load_graph
from n2uqc.frontend.sheet import Column, Sheet, name_column
from n2uqc.frontend.source import Source
from n2uqc.passes import Options
from n2uqc.passes.search_precision import FLIP_RATE, PrecisionResult, WidthChoice
from n2uqc.passes.search_precision import search_precision as search_widths

from .errors import names_missing_parts
from .progress import SILENT, Progress
from .result import Result


@dataclass(frozen=True, repr=False)
class PrecisionSearch(Result):
    """The smallest widths that were found.

    Attributes:
        found: options, the choice for each tensor, what the whole network loses.
    """

    found: PrecisionResult

    @property
    def options(self) -> Options:
        """Options with these widths, for ``load``."""
        return self.found.options

    @property
    def choices(self) -> tuple[WidthChoice, ...]:
        """Widths by tensor."""
        return self.found.choices

    def to_json(self) -> dict[str, Any]:
        return {
            "widths": [asdict(choice) for choice in self.choices],
            "samples": self.found.samples,
            "flip_rate": self.found.flip_rate,
            "top1_agreement": self.found.top1,
        }

    def summary(self) -> str:
        bits = [choice.bits for choice in self.choices]
        most = [choice.most for choice in self.choices]
        return f"{len(bits)} widths, {sum(bits)} bits together instead of {sum(most)}"

    def write(self, sheet: Sheet) -> None:
        columns = (
            name_column("fixed-point width of"),
            Column("bits"),
            Column("exact"),
            Column("flips alone", drop=1),
        )
        sheet.table(
            columns, [(c.tensor, c.bits, c.most, f"{c.flip_rate:.2e}") for c in self.choices]
        )
        sheet.line(
            f"together on {self.found.samples} calibration images: {self.found.flip_rate:.2e} of "
            f"the codes flip, top-1 agrees on {self.found.top1}"
        )


@names_missing_parts
def search_precision(
    network: Source,
    options: Options,
    *,
    flip_rate: float = FLIP_RATE,
    input_shape: InputShape | None = None,
    progress: Progress = SILENT,
) -> PrecisionSearch:
    """Search the smallest fixed-point widths that keep codes and classes on calibration images.

    Args:
        network: a network (path, bytes, ``onnx.ModelProto``, ``onnx_ir.Model``).
        options: options with calibration images; their widths are the largest considered.
        flip_rate: share of the activation codes that may differ from exact arithmetic.
        input_shape: as for ``load``.
        progress: what is told of the work.

    Raises:
        CompileError: there are no calibration images, or the rate is outside 0..1.
    """
    graph = load_graph(network, input_shape=input_shape, integer_heads=options.integer_heads)
    with progress.working("searching the smallest widths") as step:
        return PrecisionSearch(search_widths(graph, options, flip_rate=flip_rate, progress=step))
