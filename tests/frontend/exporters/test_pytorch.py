"""Both of PyTorch's exporters, opset by opset: the network itself says what is right."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")

from n2uqc.frontend.load import load_graph  # noqa: E402
from n2uqc.frontend.reference import evaluate  # noqa: E402
from tests.frontend.exporters.blocks import (  # noqa: E402
    NETWORKS,
    exported,
    images,
    network,
    optimized,
)

OLD, NEW = (11, 13, 14, 17, 20), (18, 20, 21, 23)
"""Opset 9 and 10 have no Round; the older exporter ends at 20, the newer begins at 18."""

QUICK = [
    (name, bool(k % 2), (NEW if k % 2 else OLD)[k // 2 % (4 if k % 2 else 5)])
    for k, name in enumerate(name for name in sorted(NETWORKS) for _ in range(2))
]
"""Each network once by each exporter, over all opsets."""


def check(name: str, model: onnx.ModelProto) -> Counter[str]:
    """Hold the canonical graph against PyTorch; return its quantizers and layers, counted."""
    with torch.no_grad():
        want = network(name)(images()).numpy()
    graph = load_graph(model)
    got = evaluate(graph, images().numpy())
    # float32 may decide a code otherwise; one code of 288 or 144 that are averaged, or weighed
    assert (np.abs(got - want) > 1e-4).mean() <= 0.34
    assert np.abs(got - want).max() < 0.02 * max(1.0, np.ptp(want))
    assert np.abs(got - want).min() < 1e-5
    counted = ("Threshold", "Weight", "Function", "Conv", "Gemm")
    return Counter(n.op_type for n in graph.graph if n.op_type in counted)


@pytest.mark.parametrize(("name", "dynamo", "opset"), QUICK)
def test_each_network(name: str, dynamo: bool, opset: int) -> None:
    ops = check(name, exported(network(name), dynamo, opset))
    assert ops["Threshold"] >= 2
    assert ops["Weight"] == {"skip": 2, "sequence": 0}.get(name, 1)


@pytest.mark.parametrize("name", ["padded", "skip", "squeeze-and-excite", "SiLU"])
@pytest.mark.parametrize("level", ["BASIC", "EXTENDED"])
def test_optimized(name: str, level: str, tmp_path: Path) -> None:
    """Optimizers leave the same layers: BatchNorm and weight quantizers folded, nodes fused."""
    model = exported(network(name), dynamo=False, opset=17)
    assert check(name, optimized(model, tmp_path, level))["Weight"] == check(name, model)["Weight"]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(NETWORKS))
@pytest.mark.parametrize("dynamo", [False, True])
def test_every_opset_gives_one_graph(name: str, dynamo: bool) -> None:
    found = {
        opset: check(name, exported(network(name), dynamo, opset))
        for opset in (NEW if dynamo else OLD)
    }
    assert all(ops == found[20] for ops in found.values()), found
