"""The figures of a report as CSV, one row a network and alternative."""

from __future__ import annotations

import csv
import io

from .rows import Report

COLUMNS = ("model", "alternative", "title", "form", "lut", "ff", "carry", "dsp", "bram18",
           "memory_kbit", "energy_nj", "cycles", "macs", "low_bit_macs", "accuracy", "images",
           "pareto", "processor", "instructions", "evidence")  # fmt: skip
"""Documented in ``SCHEMA.md``."""


def to_csv(report: Report) -> str:
    """Return the totals as CSV with a head line; nothing stands where a figure is not known."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for m in report.models:
        rows = [*m.alternatives]
        if m.compiled.id not in {row.id for row in rows}:
            rows.insert(0, m.compiled)
        for row in rows:
            own = row.id == m.itself  # accuracy is that of the program itself alone
            writer.writerow(
                (
                    m.model, row.id, row.title, row.form, row.lut, row.ff, row.carry, row.dsp,
                    row.bram18, row.cost.memory_bits / 1000, row.energy_nj, m.interval, m.macs,
                    m.low_bit_macs,
                    m.accuracy if own and m.accuracy is not None else "",
                    m.images if own and m.images else "",
                    m.pareto if own and m.pareto is not None else "",
                    m.processor.target if own and m.processor else "",
                    m.processor.instructions if own and m.processor else "",
                    row.evidence,
                )
            )  # fmt: skip
    return stream.getvalue()
