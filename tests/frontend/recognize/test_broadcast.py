"""Constants that make several images of one, or move the batch, are refused, not read as channels.

Their number of values alone looks like one value a channel.
"""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.frontend.load import load_graph
from tests.frontend.networks import build, refused

BEHIND = "m = MatMul (x, W)\ny = {} (m, c)"
BEFORE = "m = {} (x, c)\ny = MatMul (m, W)"


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "PRelu", "Max", "Greater"])
@pytest.mark.parametrize(
    ("body", "batch", "shape"),
    [
        (BEHIND, 1, (4, 1)),
        (BEHIND, 1, (4, 4)),
        (BEHIND, "N", (1, 1, 4)),
        (BEFORE, 1, (4, 1)),
        (BEFORE, "N", (1, 1, 4)),
        (BEFORE, "N", (5, 1, 4)),
    ],
)
def test_the_batch_stays(op: str, body: str, batch: object, shape: tuple[int, ...]) -> None:
    if op == "PRelu" and len(shape) > 2:
        pytest.skip("ONNX's own definition refuses it: a slope broadcasts one way")
    parameters = {"W": np.eye(4, dtype=np.float32), "c": np.ones(shape, np.float32)}
    model = build(body.format(op), parameters, x=f"float[{batch},4] x")
    refused(model, "" if op == "Greater" else op)  # which may be part of a ladder


@pytest.mark.parametrize("shape", [(4,), (1, 4), (1,), (), (1, 1)])
@pytest.mark.parametrize("batch", [1, 3, "N"])
def test_values_of_channels(batch: object, shape: tuple[int, ...]) -> None:
    parameters = {"W": np.eye(4, dtype=np.float32), "c": np.ones(shape, np.float32)}
    load_graph(build(BEHIND.format("Add"), parameters, x=f"float[{batch},4] x"))
