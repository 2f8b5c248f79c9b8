"""The page of a study, Markdown made of its record alone: tables for ``study.md.j2``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from n2uqc.backends.templating import render

from .design import BATCH, EXTENTS, METHODS, PRIMARY_BITS
from .findings import (
    Compared,
    Record,
    cell_of,
    interval_of_mean,
    mean,
    method_cell,
    points,
    primary,
    secondary,
)
from .statistics import MARGIN

_SAID = {
    "wins": "N2UQ wins",
    "loses": "N2UQ loses",
    "equivalent": f"Equivalent within {MARGIN} points",
    "undecided": "Undecided",
}
_DIFFERENCE = (
    "data", "bits", "rival", "seeds", "N2UQ minus rival, points", "95% interval", "deviation",
)  # fmt: skip
_COSTS = ("lut", "dsp", "bram18", "cycles", "energy_nj")


def page(record: Record) -> str:
    """Return the page of a record."""
    compared, tuned = primary(record), [c["tuned"] for c in record["cells"] if c["tuned"]]
    least = [each.found.detectable for each in compared if each.found.detectable is not None]
    values = {
        "extent": record["extent"],
        "whole": record["whole"],
        "planned": EXTENTS[record["extent"]["name"]],
        "processor": record["processor"],
        "code": record["code"],
        "batch": BATCH,
        "margin": MARGIN,
        "primary_bits": PRIMARY_BITS,
        "primary_count": len(compared),
        "counts": {key: sum(each.verdict == key for each in compared) for key in _SAID},
        "verdicts": list(_verdicts(compared)),
        "detectable": (min(least), max(least)) if least else None,
        "primary_table": _primary(compared),
        "accuracy_table": _accuracy(record),
        "secondary_table": _secondary(record),
        "crossed": [(dataset, _crossed(record, dataset)) for dataset in _crossed_datasets(record)],
        "cost_table": _cost(record),
        "edge": sum(each["at_the_edge"] for each in tuned),
        "tuned_count": len(tuned),
        "tuning_table": _tuning(record),
        "failed_table": _failed(record),
        "data_table": _data(record),
        "command": command(record),
    }
    return render(Path(__file__).parent, "study.md.j2", values)


def command(record: Record) -> str:
    """Return the command that makes the same study."""
    extent = record["extent"]
    words = ["n2uqc", "study", f"--{extent['name']}", "--output", "out/study"]
    if not record["whole"]:
        words += ["--datasets", *extent["datasets"], "--bits", *map(str, extent["bits"])]
        words += ["--seeds", str(extent["seeds"])]
        words += [] if extent["crossed_datasets"] else ["--not-crossed"]
    return " ".join(words)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [[text.replace("|", "\\|").replace("<", "&lt;") for text in row] for row in rows]
    lines = [heads, ["---"] * len(heads), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _verdicts(compared: Sequence[Compared]) -> Iterator[tuple[str, list[str]]]:
    for key, words in _SAID.items():
        pairs = [f"{each.rival} on {each.dataset}" for each in compared if each.verdict == key]
        if pairs:
            yield words, pairs


def _differences(
    compared: Sequence[Compared], last: Callable[[Compared], Sequence[str]]
) -> list[list[str]]:
    rows = []
    for each in compared:
        found = each.found
        ends = "" if found.low is None else f"{found.low:+.2f} to {found.high:+.2f}"
        spread = "" if found.deviation is None else f"{found.deviation:.2f}"
        told = [each.dataset, str(each.bits), each.rival, str(found.seeds), f"{found.mean:+.2f}"]
        rows.append([*told, ends, spread, *last(each)])
    return rows


def _p(value: float | None) -> str:
    if value is None:
        return "none"
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _primary(compared: Sequence[Compared]) -> str:
    rows = _differences(
        compared, lambda each: (_p(each.p), _p(each.p_equivalent), _SAID[each.verdict])
    )
    return _table([*_DIFFERENCE, "p, Holm", "p of equivalence, Holm", "shown"], rows)


def _secondary(record: Record) -> str:
    rows = _differences(secondary(record), lambda each: (_p(each.p), _p(each.p_equivalent)))
    return _table([*_DIFFERENCE, "p", "p of equivalence"], rows) if rows else ""


def _accuracy(record: Record) -> str:
    rows = []
    for dataset in record["extent"]["datasets"]:
        for bits in record["extent"]["bits"]:
            cells = [method_cell(record, dataset, method, bits) for method in METHODS]
            floats = [list(points(cell, "float_right").values()) for cell in cells if cell]
            row = [_mean(list(points(cell).values())) if cell else "" for cell in cells]
            rows.append([dataset, str(bits), *row, _mean(max(floats, key=len, default=[]))])
    return _table(["data", "bits", *METHODS, "float"], rows)


def _mean(values: Sequence[float]) -> str:
    if not values:
        return "failed"
    interval = interval_of_mean(values)
    ends = "" if interval is None else f" ({interval[0]:.1f} to {interval[1]:.1f})"
    return f"{mean(values):.2f}{ends}"


def _crossed_datasets(record: Record) -> Sequence[str]:
    found: Sequence[str] = record["extent"]["crossed_datasets"]
    return found


def _crossed(record: Record, dataset: str) -> str:
    names = record["extent"]["crossed"]
    rows = []
    for activation in names:
        row = [activation]
        for weight in names:
            cell = cell_of(record, dataset, activation, weight, PRIMARY_BITS)
            values = list(points(cell).values()) if cell else []
            row.append(f"{mean(values):.2f}" if values else "failed")
        rows.append(row)
    return _table(["activations", *names], rows)


def _cost(record: Record) -> str:
    rows = []
    for cell in record["cells"]:
        good = [each for each in cell["networks"] if "failed" not in each]
        if cell["method"] is None or not good:
            continue
        counted = [each["instructions"] for each in good if "instructions" in each]
        share = mean(list(points(cell).values()))
        row = [cell["dataset"], str(cell["bits"]), cell["method"], f"{share:.2f}"]
        row += [f"{mean([each[name] for each in good]):,.0f}" for name in _COSTS]
        rows.append([*row, f"{mean(counted):,.0f}" if counted else "failed"])
    heads = ["data", "bits", "method", "accuracy", "LUT", "DSP", "BRAM18", "cycles", "nJ"]
    return _table([*heads, "instructions"], rows)


def _tuning(record: Record) -> str:
    rows = []
    for cell in record["cells"]:
        if chosen := cell["tuned"]:
            pair = f"{cell['activation']} x {cell['weight']}"
            numbers = f"{chosen['rate']:g}", f"{chosen['threshold_rate']:g}", chosen["decay"]
            told = f"{100 * chosen['validation']:.2f}"
            rows.append([cell["dataset"], str(cell["bits"]), pair, *numbers, told])
    heads = ["data", "bits", "activations x weights", "rate", "factor", "decay", "validation, %"]
    return _table(heads, rows)


def _failed(record: Record) -> str:
    rows = []
    for cell in record["cells"]:
        pair = f"{cell['activation']} x {cell['weight']}"
        messages = [
            each[key]
            for each in cell["networks"]
            for key in ("failed", "processor_failed")
            if key in each
        ]
        if cell["tuned"] is None:
            messages = ["no choice of the grid could be trained"]
        rows += [
            [cell["dataset"], str(cell["bits"]), pair, text] for text in dict.fromkeys(messages)
        ]
    return _table(["data", "bits", "activations x weights", "message"], rows) if rows else ""


def _data(record: Record) -> str:
    rows = []
    for each in record["data"]:
        counts = [f"{each['samples'][part]:,}" for part in ("fit", "validation", "test")]
        package = f"`{each['fetch']}`", each["license"], f"`{each['sha256'][:16]}…`"
        rows.append([each["title"], *counts, str(each["classes"]), *package])
    heads = ["data", "fit", "validation", "test", "classes", "fetched by", "license", "SHA-256"]
    return _table(heads, rows)
