"""Plots of a cost report as self-contained SVG text; the same data gives the same bytes."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from n2uqc.frontend.diagnostics import CompileError, Problem
from n2uqc.frontend.escape import html

from ..cost.uniform import SCALES, Scale, example, uniform
from ..fpga.hdl.families import WITHOUT, Family
from ..fpga.resources import resources
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


def _svg(name: str, title: str, height: float, draw: Callable[[Figure], None]) -> str:
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
    return _svg(name, f"LUT by layer and alternative, {model.model}", height, draw)


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

    return _svg(name, f"{title}, {model.model}", 0.27 * len(model.alternatives) + 0.9, draw)


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


CHANNELS = 16
"""Of the lanes of ``units``."""


def units(family: Family, name: str) -> str:
    """LUT of one quantizer lane against accumulator width and bits, as counted."""

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        widths = list(range(8, 33, 4))
        for bits, color in ((2, "#3b82c4"), (3, "#35a07b"), (4, "#c45ab3")):
            for form in ("parallel", "binary search"):
                left.plot(
                    widths,
                    [_thresholds(w, bits, form, family) for w in widths],
                    "-o",
                    markersize=3.5,
                    color=color,
                    label=f"{bits} bit, {form}",
                    alpha=1.0 if form == "binary search" else 0.45,
                )
        shown: tuple[tuple[Scale, str], ...] = (
            ("multiply-shift", "#e8891d"),
            ("power of two", "#8d929b"),
        )
        for scale, color in shown:
            lanes = [_uniform(w, 2, scale, family.id)[0] for w in widths]
            left.plot(widths, lanes, "-o", markersize=3.5, color=color, label=scale)
        left.set(
            xlabel="bits of the accumulator",
            ylabel=f"LUT of a lane, table of {CHANNELS} channels",
            title="Against accumulator width",
        )
        left.set_ylim(bottom=0)
        left.legend(fontsize=7.5)
        _bars(right, family)

    return _svg(name, f"LUT of one quantizer lane, {family.title}", 4.2, draw)


def _thresholds(width: int, bits: int, form: str, family: Family) -> int:
    return resources(example(width, bits, CHANNELS), form, family.id).total.lut


def _uniform(width: int, bits: int, scale: Scale, family: str) -> tuple[int, int]:
    cells = uniform(example(width, bits, CHANNELS), scale, family, bent=False).cells
    return cells.lut, cells.dsp


def _bars(axes: Axes, family: Family) -> None:
    """Lanes of a 16-bit accumulator side by side."""
    width, found = 16, []
    for bits in (2, 3, 4):
        for form in ("parallel", "binary search"):
            found.append((f"{bits} bit, {form}", _thresholds(width, bits, form, family), 0, "mac"))
    for scale in SCALES:
        lut, dsp = _uniform(width, 2, scale, family.id)
        found.append((scale, lut, dsp, "quantizer"))
        if dsp:
            lut, dsp = _uniform(width, 2, scale, family.id + WITHOUT)
            found.append((f"{scale}, no DSP", lut, dsp, "quantizer"))
    for k, (_, lut, dsp, color) in enumerate(found):
        axes.barh(k, lut, color=COLORS[color], height=0.75)
        extra = f" + {dsp} DSP" if dsp else ""
        axes.text(lut, k, f" {lut:,}{extra}", va="center", fontsize=8)
    axes.set_yticks(range(len(found)), [title for title, *_ in found])
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.margins(x=0.25)
    axes.grid(axis="y", visible=False)
    axes.set(xlabel="LUT of a lane", title="At a 16-bit accumulator")
