"""The summary of a network as tables for a terminal."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.table import Column, Table

from .escape import markup
from .summary import FIXED, LayerSummary, Quantizer, Summary

_THRESHOLDS = 7  # thresholds printed: all of a 3-bit quantizer


def print_summary(summary: Summary, console: Console | None = None) -> None:
    """Print quantizers, layers with weights, real-valued layers, and notes."""
    out = console or Console()
    ends = [
        f"{what} {markup(name)} {'×'.join(map(str, shape))}"
        for what, shapes in (("input", summary.inputs), ("output", summary.outputs))
        for name, shape in shapes.items()
    ]
    out.print(", ".join(ends))
    if summary.quantizers:
        out.print(_quantizers(summary.quantizers))
    else:
        out.print("no activation quantizer was recognized")
    out.print(_layers([layer for layer in summary.layers if layer.weights]))
    macs = sum(layer.macs for layer in summary.layers)
    real = sum(layer.macs for layer in summary.layers if layer.becomes == FIXED)
    share = f", {real / macs:.1%} of them in fixed point" if macs else ""
    out.print(f"{macs / 1e6:,.1f} M multiply-accumulates per image{share}")
    for (becomes, why), ops in _others(summary.layers).items():
        counted = ", ".join(f"{count} {op}" for op, count in sorted(ops.items()))
        out.print(f"{becomes}: {counted} ({markup(why)})")
    for note in summary.notes:
        out.print(f"note: {markup(note.node)}: {markup(note.text)}")


def _quantizers(quantizers: list[Quantizer]) -> Table:
    headings = "kind", "bits", "input scale", "rule", "thresholds", "step"
    table = Table(Column("quantizer", overflow="fold"), *headings)
    for q in quantizers:
        text = _numbers(q.thresholds[0])
        if len(q.thresholds) > 1:
            text = f"{len(q.thresholds)} channels: {text}; …"
        scale, step = f"{q.input_scale:.5g}", f"{q.step:.5g}" if q.step is not None else ""
        step = step or f"levels {_numbers(q.levels)}"
        table.add_row(markup(q.name), q.kind, str(q.bits), scale, q.rule, text, step)
    return table


def _numbers(numbers: list[float]) -> str:
    text = " ".join(f"{t:.4g}" for t in numbers[:_THRESHOLDS])
    return text if len(numbers) <= _THRESHOLDS else f"{text} … {numbers[-1]:.4g}"


def _layers(layers: list[LayerSummary]) -> Table:
    headings = "input", "output", "kernel", "weights", "input bits", "M MACs", "becomes"
    table = Table(Column("layer", overflow="fold"), *headings)
    for layer in layers:
        bits = f"{layer.weight_bits} bit" if layer.weight_bits else "float"
        if layer.weight_levels:
            bits += f", levels {_numbers(layer.weight_levels[0])}"
            bits += f"; … of {len(layer.weight_levels)} channels" * (len(layer.weight_levels) > 1)
        window = "×".join(map(str, layer.kernel))
        if layer.strides and max(layer.strides) > 1:
            window += f" /{layer.strides[0]}"
        if layer.groups > 1:
            window += f" g{layer.groups}"
        becomes = layer.becomes if layer.becomes != FIXED else f"{FIXED}: {layer.why}"
        table.add_row(
            markup(layer.name),
            "×".join(map(str, layer.input_shape)),
            "×".join(map(str, layer.output_shape)),
            window,
            bits,
            str(layer.activation_bits or "real"),
            f"{layer.macs / 1e6:.2f}",
            markup(becomes),
        )
    return table


def _others(layers: list[LayerSummary]) -> dict[tuple[str, str], Counter[str]]:
    """Count layers without weights by how they will be computed, and why."""
    groups: dict[tuple[str, str], Counter[str]] = {}
    for layer in layers:
        if not layer.weights:
            groups.setdefault((layer.becomes, layer.why), Counter())[layer.op] += 1
    return groups
