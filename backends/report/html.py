"""The cost report as one self-contained HTML file; the same input gives the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from n2uqc.frontend.escape import html
from n2uqc.frontend.write import write_atomically

from ..cost.compare import Comparison
from . import plots
from .data import ModelReport, Report, report
from .table import LEGEND, number, products

TEMPLATE = "report.html.j2"


def write_html(comparisons: Sequence[Comparison] | Comparison, path: Path | str) -> None:
    """Write the report to a file, completely or not at all.

    Raises:
        CompileError: matplotlib is not installed; the message names the extra to install.
        OSError: the file cannot be written.
    """
    write_atomically(Path(path), to_html(comparisons).encode())


def to_html(comparisons: Sequence[Comparison] | Comparison) -> str:
    """Return the page as text.

    Raises:
        CompileError: matplotlib is not installed.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    plots.require_matplotlib()
    data = report(comparisons)
    technology = (comparisons if isinstance(comparisons, Comparison) else comparisons[0]).technology
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, products=products, breakable=_breakable)
    return environment.get_template(TEMPLATE).render(
        report=data,
        legend=LEGEND,
        title=_title(data),
        figures=[_figures(model, k) for k, model in enumerate(data.models)],
        units=_markup(plots.units(technology, "units")),
    )


def _title(data: Report) -> str:
    return f"Hardware cost of {', '.join(m.model for m in data.models)}"


def _figures(model: ModelReport, index: int) -> dict[str, object]:
    return {
        "lut": _markup(plots.lut_by_layer(model, f"lut{index}")),
        "energy": _markup(plots.energy(model, f"energy{index}")),
        "memory": _markup(plots.memory(model, f"memory{index}")),
    }


def _breakable(name: str) -> object:
    """Return a node name, escaped, with line breaks allowed after its slashes."""
    from markupsafe import Markup

    return Markup("/<wbr>").join(html(part) for part in name.split("/"))


def _markup(svg: str) -> object:
    """Mark SVG of matplotlib as safe; matplotlib escapes its texts."""
    from markupsafe import Markup

    return Markup(svg)
