"""What the accuracies of a run show: paired differences, corrected, and means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .design import FIRST, METHODS, PRIMARY_BITS
from .statistics import LEVEL, Difference, corrected, difference, verdict

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Compared:
    """N2UQ beside a rival on a data set.

    Attributes:
        dataset, bits, rival: where, and with whom.
        found: N2UQ minus the rival, in points.
        p, p_equivalent: corrected in their family; of secondary hypotheses as they are.
        verdict: wins, loses, equivalent or undecided; "" for secondary hypotheses.
    """

    dataset: str
    bits: int
    rival: str
    found: Difference
    p: float | None
    p_equivalent: float | None
    verdict: str = ""


def points(cell: Record, which: str = "right") -> dict[int, float]:
    """Return accuracies in points by seed, of what succeeded."""
    return {
        each["seed"]: 100 * each[which] / each["samples"]
        for each in cell["networks"]
        if "failed" not in each
    }


def cell_of(record: Record, dataset: str, activation: str, weight: str, bits: int) -> Record | None:
    """Return a cell; None if the run has none."""
    wanted = dataset, activation, weight, bits
    return next(
        (
            each
            for each in record["cells"]
            if (each["dataset"], each["activation"], each["weight"], each["bits"]) == wanted
        ),
        None,
    )


def method_cell(record: Record, dataset: str, method: str, bits: int) -> Record | None:
    """Return the cell of a method."""
    return cell_of(record, dataset, *METHODS[method], bits)


def primary(record: Record) -> list[Compared]:
    """Return the primary hypotheses, corrected as one family."""
    raw = list(_compared(record, [PRIMARY_BITS]))
    ps = corrected([each.found.p for each in raw])
    equivalents = corrected([each.found.p_equivalent for each in raw])
    return [
        Compared(
            each.dataset, each.bits, each.rival, each.found, p, equivalent,
            verdict(each.found, p, equivalent),
        )
        for each, p, equivalent in zip(raw, ps, equivalents, strict=True)
    ]  # fmt: skip


def secondary(record: Record) -> list[Compared]:
    """Return the same at other bits, not corrected."""
    return list(_compared(record, [b for b in record["extent"]["bits"] if b != PRIMARY_BITS]))


def _compared(record: Record, bits: Sequence[int]) -> Iterator[Compared]:
    for dataset in record["extent"]["datasets"]:
        for width in bits:
            first = method_cell(record, dataset, FIRST, width)
            for rival in (name for name in METHODS if name != FIRST):
                second = method_cell(record, dataset, rival, width)
                if first is None or second is None:
                    continue
                a, b = points(first), points(second)
                seeds = sorted(a.keys() & b.keys())
                if seeds:
                    found = difference([a[s] for s in seeds], [b[s] for s in seeds])
                    yield Compared(dataset, width, rival, found, found.p, found.p_equivalent)


def mean(values: Sequence[float]) -> float:
    """Return the mean of at least one value."""
    return sum(values) / len(values)


def interval_of_mean(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95% t interval of a mean; None for fewer than two values."""
    if len(values) < 2:
        return None
    import numpy as np
    from scipy import stats

    half = stats.sem(values) * stats.t.ppf(1 - LEVEL / 2, len(values) - 1)
    return float(np.mean(values) - half), float(np.mean(values) + half)
