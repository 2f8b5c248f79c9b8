"""Linear resizing as convolutions, against onnxruntime; nearest: see `test_rearrange`."""

from __future__ import annotations

import numpy as np
import pytest

from ..networks import build, check_same, ops, refused

MODES = ["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"]


@pytest.mark.parametrize("scale", [(2, 2), (3, 1), (1, 4), (1.5, 2), (0.5, 1)])
@pytest.mark.parametrize("mode", MODES)
def test_against_onnxruntime(mode: str, scale: tuple[float, float]) -> None:
    given = f'<mode = "linear", coordinate_transformation_mode = "{mode}">'
    parameters = {"s": np.array([1, 1, *scale], np.float32)}
    model = build(f"r = Relu (x) y = Resize {given} (r, , s)", parameters, x="float[N,3,4,6] x")
    graph = check_same(model)
    whole = all(s == int(s) for s in scale) and mode != "align_corners"
    assert ops(graph).count("Conv") == (1 if whole else sum(s != 1 for s in scale))


def test_of_a_sequence_to_a_size() -> None:
    body = 'y = Resize <mode = "linear"> (x, , , s)'
    check_same(build(body, {"s": np.array([2, 3, 10])}, x="float[2,3,5] x"))


def test_cubic_is_refused() -> None:
    parameters = {"s": np.array([1, 1, 2, 2], np.float32)}
    refused(build('y = Resize <mode = "cubic"> (x, , s)', parameters), "cubic", "linear")
