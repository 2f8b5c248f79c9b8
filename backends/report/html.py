"""The cost report as one self-contained HTML file; the same input gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from n2uqc.frontend.escape import html, json_text
from n2uqc.frontend.write import is_stream, write_atomically

from . import plots
from .data import Compared, networks_of, report, to_json
from .evidence import MARKS
from .first_plot import first_plot
from .formats import accuracy, number, products, standing
from .rows import ModelReport, Report
from .table import HARDWARE_ONLY, LEGEND
from .tabular import to_csv
from .unit_plot import units

TEMPLATE = "report.html.j2"


def write_html(
    compared: Compared,
    path: Path | str,
    *,
    command: str = "",
    synthesis: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write the report to a file, completely or not at all, and its data beside it.

    The data stand in files of the same name that end in .json and .csv (``SCHEMA.md``); a stream
    such as /dev/stdout gets the page alone.

    Args:
        compared: what is reported.
        path: of the page.
        command: that makes the page again, shown on it.
        synthesis: what yosys makes of each network's engines.

    Raises:
        CompileError: matplotlib is not installed; the message names the extra to install.
        OSError: the file cannot be written.
    """
    path = Path(path)
    page = to_html(compared, command, "" if is_stream(path) else path.stem, synthesis)
    write_atomically(path, page.encode())
    if not is_stream(path):
        data = json_text(to_json(compared, command, synthesis))
        write_atomically(path.with_suffix(".json"), data.encode())
        write_atomically(path.with_suffix(".csv"), to_csv(report(compared)).encode())


def to_html(
    compared: Compared,
    command: str = "",
    beside: str = "",
    synthesis: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return the page as text.

    Args:
        compared: what is reported.
        command: that makes the page again; "" if none does.
        beside: name of the files with its data, without their ends; "" without such.
        synthesis: what yosys makes of each network's engines.

    Raises:
        CompileError: matplotlib is not installed.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    plots.require_matplotlib()
    data = report(compared, command, synthesis)
    technology = networks_of(compared)[0].comparison.technology
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=number, products=products, breakable=_breakable, standing=standing, accuracy=accuracy
    )
    return environment.get_template(TEMPLATE).render(
        report=data,
        legend=LEGEND,
        hardware_only=HARDWARE_ONLY,
        marks=MARKS,
        beside=beside,
        first_plot=_markup(first_plot(data)),
        title=_title(data),
        figures=[_figures(model, k) for k, model in enumerate(data.models)],
        units=_markup(units(technology, "units")),
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
