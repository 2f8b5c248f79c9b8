"""The plot of a page's first screen, drawn to be read on a telephone and on paper."""

from __future__ import annotations

from collections.abc import Mapping

from n2uqc.frontend.escape import html

from .rows import Report

WIDTH = 360  # of the drawing: text is as large as on the page at 390 pixels
Parts = Mapping[str, Mapping[str, float]]
_ROW, _TOP = 34, 18
_PARTS = (
    ("mac", "products", "#3b82c4", 0),
    ("quantizer", "quantizers", "#e8891d", 74),
    ("stream", "stream", "#8d929b", 158),
    ("memory", "weights, buffers", "#35a07b", 220),
)


def first_plot(report: Report) -> str:
    """LUT by dress of one network; of several, accuracy against LUT, or LUT where it is unknown."""
    if len(report.models) == 1:
        return _bars(
            [(a.title, a.cost.resources, a.dsp) for a in report.models[0].alternatives],
            f"LUT by dress, {report.models[0].model}",
        )
    if any(model.accuracy is None for model in report.models):
        return _bars(
            [(m.model, m.compiled.cost.resources, m.compiled.dsp) for m in report.models],
            "LUT by network",
        )
    return _scatter(report)


def _bars(rows: list[tuple[str, Parts, int]], title: str) -> str:
    most = max([sum(p["lut"] for p in parts.values()) for _, parts, _ in rows] + [1])
    body = []
    for k, (name, parts, dsp) in enumerate(rows):
        y, x = _TOP + k * _ROW, 0.0
        total = sum(part["lut"] for part in parts.values())
        body.append(_text(0, y + 11, _cut(name, 40)))
        for part, _, color, _ in _PARTS:
            wide = WIDTH * parts[part]["lut"] / most
            body.append(
                f'<rect x="{x:.1f}" y="{y + 15}" width="{wide:.1f}" height="9" fill="{color}"/>'
            )
            x += wide
        body.append(_text(WIDTH, y + 11, f"{total:,.0f} LUT + {dsp:,} DSP", "end"))
    high = _TOP + len(rows) * _ROW
    for _, name, color, x in _PARTS:
        body.append(f'<rect x="{x}" y="2" width="9" height="9" fill="{color}"/>')
        body.append(_text(x + 12, 10, name))
    return _svg(title, high, body)


def _scatter(report: Report) -> str:
    left, right, top, bottom = 42, WIDTH - 10, 28, 216
    lut = [model.own["lut"] for model in report.models]
    share = [100 * (model.accuracy or 0.0) for model in report.models]
    low, high = min(share), max(share)
    low, high = low - 0.1 * (high - low or 1), high + 0.1 * (high - low or 1)
    most = 1.1 * max(*lut, 1)
    body = [
        f'<path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="currentColor"/>',
        _text(left, bottom + 28, "LUT as compiled"),
        _text(0, 10, "% right"),
    ]
    for part in range(5):
        x = left + (right - left) * part / 4
        y = bottom - (bottom - top) * part / 4
        value = most * part / 4
        label = f"{value / 1000:,.0f}k" if most > 8000 else f"{value:,.0f}"
        body.append(_text(x, bottom + 13, label, "end" if part == 4 else "middle"))
        body.append(
            _text(
                left - 4, y + 4, f"{low + (high - low) * part / 4:.{1 + (high - low < 2)}f}", "end"
            )
        )
    for model, x_value, y_value in zip(report.models, lut, share, strict=True):
        x = left + (right - left) * x_value / most
        y = bottom - (bottom - top) * (y_value - low) / (high - low)
        fill = "#3b82c4" if model.pareto else "none"
        body.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{fill}" stroke="#3b82c4"/>')
        anchor = "end" if x > WIDTH / 2 else "start"
        name = f"{_cut(model.model, 22)}, {model.own['dsp']:,} DSP"
        body.append(_text(x - 8 if anchor == "end" else x + 8, y + 4, name, anchor))
    body.append(_text(WIDTH, bottom + 28, "filled: on the front", "end"))
    return _svg("Accuracy against LUT", bottom + 34, body)


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor" '
        f'font-size="11">{html(text)}</text>'
    )


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _svg(title: str, height: float, body: list[str]) -> str:
    label = html(title)
    return (
        f'<svg class="first-plot" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="{label}"><title>{label}</title>{"".join(body)}</svg>'
    )
