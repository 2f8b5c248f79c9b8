"""The record of a run: everything its page states, as JSON values taken from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from .datasets import TITLES, Prepared
from .design import EXTENTS, Cell, Extent
from .sources import PACKAGES
from .training import PROCESSOR, Tuned

FORMAT = 1
_COSTS = ("lut", "ff", "dsp", "bram18", "cycles", "energy_nj")

Values = dict[str, Any]


def record_of(
    extent: Extent,
    data: Mapping[str, Prepared],
    tuned: Mapping[Cell, Tuned],
    rows: Mapping[Cell, Sequence[Mapping[str, Any]]],
    code: str,
) -> Values:
    """Return the record of a run.

    Args:
        extent: how much was done.
        data: by name.
        tuned: what was chosen for each cell; a cell that is missing could not be trained at all.
        rows: of the sweep, by cell, a seed each.
        code: versions that the figures depend on.
    """
    return {
        "format": FORMAT,
        "extent": extent.to_json(),
        "whole": extent == EXTENTS[extent.name],
        "processor": PROCESSOR,
        "code": code,
        "data": [_data(each) for each in data.values()],
        "cells": [
            _cell(extent, cell, tuned.get(cell), rows.get(cell, ())) for cell in extent.cells()
        ],
    }


def _data(data: Prepared) -> Values:
    package = PACKAGES[data.name]
    fetch = ["python", *package.fetch[1:]] if package.fetch[1] == "-m" else list(package.fetch)
    return {
        "name": data.name,
        "title": TITLES[data.name],
        "shape": list(data.shape),
        "classes": data.classes,
        "samples": dict(data.counts),
        "fetch": " ".join(fetch),
        "license": package.license,
        "sha256": package.sha256,
    }


def _cell(
    extent: Extent, cell: Cell, tuned: Tuned | None, rows: Sequence[Mapping[str, Any]]
) -> Values:
    values: Values = {**asdict(cell), "method": cell.method, "tuned": None}
    if tuned is not None:
        values["tuned"] = {
            **asdict(tuned.choice),
            "at_the_edge": extent.at_the_edge(tuned.choice),
            "validation": tuned.accuracy,
            "tried": tuned.tried,
        }
    values["networks"] = [_network(seed, row) for seed, row in enumerate(rows)]
    return values


def _network(seed: int, row: Mapping[str, Any]) -> Values:
    train, accuracy, cost = (row.get(kind) for kind in ("train", "accuracy", "cost"))
    failed = [each["failed"] for each in (train, accuracy, cost) if each and "failed" in each]
    if failed or train is None or accuracy is None or cost is None:
        return {"seed": seed, "failed": (failed or ["not computed"])[0]}
    values = {
        "seed": seed,
        "point": train["point"],
        "samples": accuracy["images"],
        "float_right": train["float_right"],
        "torch_right": train["low_bit_right"],
        "right": accuracy["right"],
        **{name: cost[name] for name in _COSTS},
    }
    effort = row.get("processor")
    if effort is not None and "failed" not in effort:
        values |= {"instructions": effort["instructions"], "bytes": effort["bytes"]}
    elif effort is not None:
        values["processor_failed"] = effort["failed"]
    return values
