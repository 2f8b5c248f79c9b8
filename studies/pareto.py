"""Pages of accuracy against cost, a data set each: those of ``n2uqc cost``."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from n2uqc.api.cost import CostComparison, cost
from n2uqc.api.sweeping import SweepStore
from n2uqc.backends.cost.trained import Accuracy, Effort
from n2uqc.frontend.write import write_atomically

from .findings import Record
from .training import PROCESSOR


def write_pareto(record: Record, store: SweepStore, folder: Path) -> list[Path]:
    """Write ``pareto-DATASET.html`` for each data set, with its data beside it.

    A method is costed by the network of its first seed, which the store has; its accuracy is that
    of all seeds together.

    Raises:
        MissingPart: matplotlib is not installed.
        OSError: a file cannot be written.
    """
    pages = []
    for dataset in record["extent"]["datasets"]:
        found = _networks(record, store, dataset)
        if found is not None:
            path = folder / f"pareto-{dataset}.html"
            found.to_html(path)
            pages.append(path)
    return pages


def _networks(record: Record, store: SweepStore, dataset: str) -> CostComparison | None:
    """Return the costs of the methods' networks, with accuracies; None if there is none."""
    networks = []
    with tempfile.TemporaryDirectory(prefix="n2uqc-") as folder:
        for cell in record["cells"]:
            good = [each for each in cell["networks"] if "failed" not in each]
            if cell["dataset"] != dataset or cell["method"] is None or not good:
                continue
            name = f"{cell['method']} {cell['bits']} bits"
            path = Path(folder, f"{name}.onnx")
            write_atomically(path, store.network(good[0]["point"]) or b"")
            (network,) = cost(path).networks
            accuracy = Accuracy(
                sum(each["right"] for each in good),
                sum(each["samples"] for each in good),
                "interpreter",
            )
            effort = None
            if "instructions" in good[0]:
                effort = Effort(
                    PROCESSOR, PROCESSOR, good[0]["instructions"], None, good[0]["bytes"]
                )
            networks.append(replace(network, accuracy=accuracy, effort=effort))
    return CostComparison(tuple(networks), command="n2uqc study") if networks else None
