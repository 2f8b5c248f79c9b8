"""The plot of one quantizer lane: thresholds and uniform quantizers by width and bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..cost.uniform import SCALES, Scale, example, uniform
from ..fpga.hdl.families import WITHOUT, Family
from ..fpga.resources import resources
from .plots import COLORS, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHANNELS = 16
"""Channels of the lanes that ``units`` draws."""


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

    return svg(name, f"LUT of one quantizer lane, {family.title}", 4.2, draw)


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
