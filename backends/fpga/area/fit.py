"""Fits the area formulas to the measurements: ``python -m n2uqc.backends.fpga.area.fit``.

Coefficients are those, none below zero, of the least squares of relative errors.  A fourth of the
engines, by their number, is held back and only judged.  Needs scipy.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from .count import Structure
from .grid import draw
from .measurements import HELD_BACK, read
from .model import FITTED, predicted
from .structure import structure

EXACT = frozenset(
    {
        "accumulator",
        "adder",
        "block choice",
        "clamped",
        "ram",
        "rom",
        "select",
        "sum",
        "table",
    }
)
"""Terms that count cells one by one, so that there is nothing to fit: their coefficient is 1."""

FLOOR = 24
"""LUT or FF below which an error counts as if there were so many."""


def points(family: str) -> list[tuple[dict[str, str], Structure]]:
    """Every measurement with the engine's structure."""
    result = []
    for row in read(family):
        engine, form = draw(row["kind"], int(row["number"]))
        result.append((row, structure(engine, form, family)))
    return result


def is_held_back(row: dict[str, str]) -> bool:
    """Whether an engine is judged only."""
    return int(row["number"]) % HELD_BACK == HELD_BACK - 1


def fit(rows: Sequence[tuple[dict[str, str], Structure]], resource: str) -> dict[str, float]:
    """Coefficients of one resource."""
    from scipy.optimize import nnls

    counted = [getattr(terms, resource) for _, terms in rows]
    names = sorted({name for terms in counted for name in terms} - EXACT)
    matrix = np.array([[terms[name] for name in names] for terms in counted], float)
    wanted = np.array([float(row[resource]) for row, _ in rows])
    weight = 1 / np.maximum(wanted, FLOOR)
    wanted -= [sum(terms[name] for name in EXACT) for terms in counted]
    # a little pull to 1, what the structure says, where the measurements do not decide
    pull = 0.2 * np.sqrt(len(rows)) * np.eye(len(names))
    found, _ = nnls(
        np.vstack([matrix * weight[:, None], pull * (matrix * weight[:, None]).mean(axis=0)]),
        np.concatenate([wanted * weight, (pull * (matrix * weight[:, None]).mean(axis=0)).sum(1)]),
    )
    return {name: round(float(v), 4) for name, v in zip(names, found, strict=True)}


def errors(
    rows: Sequence[tuple[dict[str, str], Structure]], fitted: Any, resource: str
) -> np.ndarray[Any, Any]:
    """Relative errors of the estimates."""
    guessed = np.array([getattr(predicted(terms, fitted), resource) for _, terms in rows])
    wanted = np.array([float(row[resource]) for row, _ in rows])
    return np.asarray((guessed - wanted) / np.maximum(wanted, FLOOR))


def main(argv: Sequence[str] | None = None) -> int:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--family", default="xc7")
    parser.add_argument("--worst", type=int, default=12, help="engines to list")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    options = parser.parse_args(argv)
    rows = points(options.family)
    used = [p for p in rows if not is_held_back(p[0])]
    held = [p for p in rows if is_held_back(p[0])]
    fitted: dict[str, Any] = {resource: fit(used, resource) for resource in ("lut", "ff")}
    for resource in ("lut", "ff"):
        for name, part in (("fitted to", used), ("held back", held)):
            found = np.abs(errors(part, fitted, resource))
            print(
                f"{resource.upper():4} {name}: {len(part)} engines, median "
                f"{np.median(found):.1%}, 90% within {np.quantile(found, 0.9):.1%}, "
                f"worst {found.max():.1%}"
            )
            fitted[f"{resource} {name}"] = {
                "engines": len(part),
                "median": round(float(np.median(found)), 4),
                "worst": round(float(found.max()), 4),
            }
    for kind in dict.fromkeys(row["kind"] for row, _ in rows):
        part = [p for p in rows if p[0]["kind"] == kind]
        found = np.abs(errors(part, fitted, "lut"))
        print(
            f"  {kind:12} {len(part):3} engines, median {np.median(found):.1%}, worst "
            f"{found.max():.1%}"
        )
    found = errors(rows, fitted, "lut")
    for k in np.argsort(-np.abs(found))[: options.worst]:
        row, terms = rows[k]
        print(
            f"{row['kind']:11} {row['number']:>3} {row['form']:13} LUT {row['lut']:>5} "
            f"{found[k]:+.0%}  DSP {row['dsp']}/{terms.dsp} BRAM {row['bram18']}/{terms.bram18}"
            f"  {row['engine']}"
        )
    fitted["yosys"] = rows[0][0]["yosys"]
    if not options.dry:
        path = FITTED / f"coefficients_{options.family}.json"
        path.write_text(json.dumps(fitted, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
