"""Plots of a cost report as self-contained SVG text; the same data gives the same bytes."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from n2uqc.frontend.diagnostics import CompileError, Problem
from n2uqc.frontend.escape import html

from ..cost.technology import Curve, Technology
from ..cost.units.requantizer import requantizer
from ..cost.units.thresholds import Table, binary_search, parallel
from .data import CostRow, ModelReport

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


def units(technology: Technology, name: str) -> str:
    """Plot LUTs of a quantizer lane by accumulator width and bits; extrapolation is dashed."""
    channels = 16

    def dashed(axes: Axes, curve: Curve, read: Callable[[int], float], **style: Any) -> None:
        low, high = int(curve.points[0][0]), int(curve.points[-1][0])
        label = style.pop("label")
        for run, dash in (
            (range(6, low + 1), ":"),
            (range(low, high + 1), "-"),
            (range(high, 35), ":"),
        ):
            axes.plot(list(run), [read(w) for w in run], dash, **style)
        measured = [int(x) for x, _ in curve.points]
        axes.plot(measured, [read(w) for w in measured], "o", markersize=3.5, label=label, **style)

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        for bits, color in ((2, "#3b82c4"), (3, "#35a07b"), (4, "#c45ab3")):
            steps = (1 << bits) - 1
            for form, curve, label in (
                (parallel, technology.comparator, "parallel"),
                (binary_search, technology.binary_comparator, "binary search"),
            ):

                def cost(w: int, form: Any = form, bits: int = bits, steps: int = steps) -> float:
                    lane = form(Table(w, steps, bits), channels, technology)
                    return float(lane.resources.lut)

                dashed(
                    left,
                    curve,
                    cost,
                    color=color,
                    label=f"{bits} bit, {label}",
                    alpha=1.0 if form is binary_search else 0.45,
                )
        dashed(
            left,
            technology.requantizer[16],
            lambda w: requantizer(w, 2, channels, technology).resources.lut,
            color="#e8891d",
            label="multiply-shift + DSP",
        )
        left.set(
            xlabel="bits of the accumulator",
            ylabel="LUT of a lane, table of 16 channels",
            title="Against accumulator width",
        )
        left.set_ylim(bottom=0)
        left.legend(fontsize=7.5)
        _bars(right, technology, channels)

    return _svg(name, f"LUT of one quantizer lane, {technology.title}", 4.2, draw)


def _bars(axes: Axes, technology: Technology, channels: int) -> None:
    """Draw the units for a 16-bit accumulator side by side."""
    width, bars = 16, []
    for bits in (2, 3, 4):
        table = Table(width, (1 << bits) - 1, bits)
        bars += [
            (f"{bits} bit, parallel", parallel(table, channels, technology), "mac"),
            (f"{bits} bit, binary search", binary_search(table, channels, technology), "mac"),
        ]
    for multiplier, dsp, title in (
        (16, True, "multiply-shift, 16 bit"),
        (32, True, "multiply-shift, 32 bit"),
        (16, False, "multiply-shift, no DSP"),
    ):
        lane = requantizer(width, 2, channels, technology, multiplier=multiplier, dsp=dsp)
        bars.append((title, lane, "quantizer"))
    labels = [title for title, *_ in bars]
    for k, (_, lane, color) in enumerate(bars):
        logic, storage = lane.logic.lut, lane.storage.lut
        axes.barh(k, logic, color=COLORS[color], height=0.75)
        axes.barh(k, storage, left=logic, color=COLORS["memory"], height=0.75)
        extra = f" + {lane.logic.dsp:.0f} DSP" if lane.logic.dsp else ""
        axes.text(logic + storage, k, f" {logic + storage:,.0f}{extra}", va="center", fontsize=8)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.margins(x=0.25)
    axes.grid(axis="y", visible=False)
    axes.set(xlabel="LUT of a lane (green: its table)", title="At a 16-bit accumulator")
