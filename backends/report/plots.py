"""Plots of a cost report as self-contained SVG text; the same data gives the same bytes."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from n2uqc.frontend.diagnostics import CompileError, Problem
from n2uqc.frontend.escape import html

from .rows import CostRow, ModelReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#010203"  # placeholder, replaced by the page's text color below
COLORS = {
    "mac": "#3b82c4",
    "quantizer": "#e8891d",
    "tables": "#f3b95f",
    "stream": "#8d929b",
    "memory": "#35a07b",
    "weights": "#35a07b",
    "activations": "#8fd0b8",
    "buffers": "#8fd0b8",
}
WIDTH = 10.0  # inches


def require_matplotlib() -> None:
    """Raise a CompileError that names the extra to install if matplotlib is missing."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise CompileError(
            Problem(
                "--html",
                "",
                "the plots need matplotlib, which is not installed",
                "",
                "pip install 'n2uqc[report]', or leave --html out for the tables alone",
            )
        ) from error


def svg(name: str, title: str, height: float, draw: Callable[[Figure], None]) -> str:
    """Draw a figure and return an ``<svg>`` element with unique ids and a title."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "svg.hashsalt": name,
                "svg.fonttype": "none",
                "font.size": 9.0,
                "text.parse_math": False,  # node names may contain dollar signs
                "font.family": "sans-serif",
                "text.color": INK,
                "axes.labelcolor": INK,
                "axes.edgecolor": INK,
                "xtick.color": INK,
                "ytick.color": INK,
                "axes.titlesize": 9.5,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.grid": True,
                "grid.color": INK,
                "grid.alpha": 0.15,
                "axes.axisbelow": True,
                "axes.linewidth": 0.6,
                "legend.frameon": False,
                "figure.constrained_layout.use": True,
            }
        )
        figure = Figure(figsize=(WIDTH, height))
        draw(figure)
        figure.patch.set_alpha(0)
        for axes in figure.axes:
            axes.patch.set_alpha(0)
        buffer = io.StringIO()
        # The browser's font draws characters that matplotlib's font does not have.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        none: dict[str, Any] = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=none)
    return _embeddable(buffer.getvalue(), name, title)


def _embeddable(text: str, name: str, title: str) -> str:
    text = text[text.index("<svg") :]
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", text)
    text = text.replace('xlink:href="#', 'href="#').replace(INK, "currentColor")
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text)
    head, body = text.split(">", 1)
    head = re.sub(r' (width|height)="[^"]*"', "", head)
    label = html(title)
    return f'{head} role="img" aria-label="{label}"><title>{label}</title>{body.strip()}'


def _stack(
    axes: Axes,
    labels: Sequence[str],
    parts: Mapping[str, Sequence[float]],
    colors: Sequence[str],
) -> None:
    """Draw horizontal stacked bars, the first label on top."""
    left = [0.0] * len(labels)
    for (title, values), color in zip(parts.items(), colors, strict=True):
        axes.barh(range(len(labels)), values, left=left, color=color, label=title, height=0.75)
        left = [a + b for a, b in zip(left, values, strict=True)]
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def _short(title: str, length: int = 26) -> str:
    """Return the end of an ONNX node name, which distinguishes layers."""
    parts = [p for p in title.split("/") if p]
    if len(parts) > 2 and parts[1].startswith(parts[0]):
        parts = parts[1:]
    if len(parts) > 1:
        parts = parts[:-1]
    text = "/".join(parts) or title
    return text if len(text) <= length else "…" + text[1 - length :]


def lut_by_layer(model: ModelReport, name: str) -> str:
    """Plot the LUTs of every layer under every alternative, by MAC, quantizer and rest."""
    alternatives = model.alternatives
    columns = 3
    rows = -(-len(alternatives) // columns)
    labels = [_short(layer.title) for layer in model.layers]

    def draw(figure: Figure) -> None:
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes, row in zip(grid.flat, alternatives, strict=False):
            costs = [layer.costs[row.id].resources for layer in model.layers]
            parts = {
                "MAC": [c["mac"]["lut"] for c in costs],
                "quantizer": [c["quantizer"]["lut"] for c in costs],
                "stream": [c["stream"]["lut"] for c in costs],
                "weights, buffers": [c["memory"]["lut"] for c in costs],
            }
            _stack(
                axes, labels, parts, [COLORS[k] for k in ("mac", "quantizer", "stream", "memory")]
            )
            dsp = row.cost.total("dsp")
            axes.set_title(f"{row.title}\n{row.cost.total('lut'):,.0f} LUT, {dsp:,.0f} DSP")
            axes.locator_params(axis="x", nbins=5)
        for axes in grid.flat[len(alternatives) :]:
            axes.set_visible(False)
        handles, names = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=4)

    height = rows * (0.19 * len(labels) + 0.75) + 0.4
    return svg(name, f"LUT by layer and alternative, {model.model}", height, draw)


def by_alternative(
    model: ModelReport,
    name: str,
    title: str,
    unit: str,
    parts: Mapping[str, tuple[str, Callable[[CostRow], float]]],
) -> str:
    """Plot one stacked bar per alternative.

    Args:
        model: the model.
        name: prefix of the ids.
        title: title for screen readers.
        unit: label of the axis.
        parts: by title, the color and the function that reads the value from the totals.
    """

    def values(read: Callable[[CostRow], float]) -> list[float]:
        return [read(row.cost) for row in model.alternatives]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        labels = [row.title for row in model.alternatives]
        _stack(
            axes,
            labels,
            {k: values(read) for k, (_, read) in parts.items()},
            [COLORS[color] for color, _ in parts.values()],
        )
        axes.set_xlabel(unit)
        figure.legend(loc="outside lower center", ncols=len(parts))

    return svg(name, f"{title}, {model.model}", 0.27 * len(model.alternatives) + 0.9, draw)


def energy(model: ModelReport, name: str) -> str:
    """Plot the energy per image by part."""
    kinds = {
        "MAC": "mac",
        "quantizer": "quantizer",
        "its tables": "tables",
        "stream": "stream",
        "weight reads": "weights",
        "activation reads": "activations",
    }
    return by_alternative(
        model,
        name,
        "Energy per image",
        "nJ per image (45 nm model)",
        {
            title: (kind, lambda c, kind=kind: c.energy[kind] / 1000)  # type: ignore[misc]
            for title, kind in kinds.items()
        },
    )


def memory(model: ModelReport, name: str) -> str:
    """Plot memory bits by use."""
    kinds = {
        "weights": "weights",
        "quantizers' tables": "quantizer",
        "stream's parameters": "stream",
        "line buffers": "buffers",
    }
    return by_alternative(
        model,
        name,
        "Memory",
        "kbit",
        {
            title: (kind, lambda c, kind=kind: c.bits[kind] / 1000)  # type: ignore[misc]
            for title, kind in kinds.items()
        },
    )
