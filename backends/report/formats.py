"""Figures as text, for terminal and page."""

from __future__ import annotations

from n2uqc.frontend.escape import plain

from .rows import ModelReport, OperatorRow, Report


def number(value: float) -> str:
    """Format a count with thousands separators; with one decimal below ten unless it is whole."""
    return f"{value:,.1f}" if 0 < value < 10 and value != int(value) else f"{value:,.0f}"


def products(operators: OperatorRow, limit: int = 3) -> str:
    """Format the multiplications by width, most frequent first."""
    entries = sorted(operators.multiplies, key=lambda m: (-m[2], -m[0], -m[1]))
    shown = [f"{n:,} of {a}x{b}" for a, b, n in entries[:limit]]
    rest = sum(n for *_, n in entries[limit:])
    return ", ".join(shown + ([f"{rest:,} other"] if rest else [])) or "none"


def accuracy(model: ModelReport) -> str:
    """Format an accuracy with the number of images."""
    return "-" if model.accuracy is None else f"{model.accuracy:.2%} of {model.images:,}"


def standing(data: Report, model: ModelReport) -> str:
    """Whether a network is on the Pareto front, else which one beats it."""
    if model.pareto is None:
        return "-"
    if model.beaten_by is None:
        return "on the front"
    return f"beaten by {plain(data.models[model.beaten_by].model)}"
