"""Small drawings for notebooks, as SVG elements: staircases of quantizers, bars of costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from n2uqc.frontend.escape import plain

_STAIR = 120, 36  # width and height, pixels
_BAR = 360, 14
_NAME = 190  # pixels for names at the left of bars
_COLORS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")


def staircase(thresholds: Sequence[float], levels: Sequence[float]) -> str:
    """Return a quantizer as a function: the level of each real number.

    Args:
        thresholds: where it steps, ascending.
        levels: value of each code, one more than thresholds.
    """
    width, height = _STAIR
    first, last = thresholds[0], thresholds[-1]
    margin = (last - first) / max(len(thresholds) - 1, 1) or abs(first) or 1.0
    low, span = first - margin, last - first + 2 * margin
    bottom, rise = min(levels), (max(levels) - min(levels)) or 1.0

    def x(value: float) -> str:
        return f"{1 + (width - 2) * (value - low) / span:.1f}"

    def y(value: float) -> str:
        return f"{height - 2 - (height - 4) * (value - bottom) / rise:.1f}"

    path = f"M1,{y(levels[0])}"
    for threshold, level in zip(thresholds, levels[1:], strict=True):
        path += f"H{x(threshold)}V{y(level)}"
    return (
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'xmlns="http://www.w3.org/2000/svg"><path d="{path}H{width - 1}" fill="none" '
        f'stroke="{_COLORS[0]}" stroke-width="1.5"/></svg>'
    )


def bars(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Return a bar for each row, of parts in colors, with a legend.

    Args:
        rows: by name, the size of each part by its name; the same parts in each row.
    """
    wide, high = _BAR
    most = max((sum(parts.values()) for parts in rows.values()), default=0) or 1.0
    parts = list(next(iter(rows.values()), {}))
    drawn = []
    for k, (name, sizes) in enumerate(rows.items()):
        top, left = k * (high + 6), float(_NAME)
        drawn.append(
            f'<text x="{_NAME - 6}" y="{top + high - 3}" text-anchor="end">{_t(name)}</text>'
        )
        for color, part in zip(_COLORS, parts, strict=False):
            size = wide * sizes[part] / most
            drawn.append(
                f'<rect x="{left:.1f}" y="{top}" width="{size:.1f}" height="{high}" '
                f'fill="{color}"><title>{_t(part)}: {sizes[part]:,.0f}</title></rect>'
            )
            left += size
        drawn.append(
            f'<text x="{left + 4:.1f}" y="{top + high - 3}">{sum(sizes.values()):,.0f}</text>'
        )
    top, left = len(rows) * (high + 6), _NAME
    for color, part in zip(_COLORS, parts, strict=False):
        drawn.append(f'<rect x="{left}" y="{top}" width="10" height="10" fill="{color}"/>')
        drawn.append(f'<text x="{left + 14}" y="{top + 9}">{_t(part)}</text>')
        left += 30 + 7 * len(part)
    width, height = _NAME + wide + 80, top + 16
    return (
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-size="11" '
        f'font-family="sans-serif" xmlns="http://www.w3.org/2000/svg">{"".join(drawn)}</svg>'
    )


def _t(text: str) -> str:
    return escape(plain(text))
