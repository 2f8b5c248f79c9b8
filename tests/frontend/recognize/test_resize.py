"""Linear and cubic resizing as convolutions, against onnxruntime; nearest: see `test_rearrange`."""

from __future__ import annotations

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.reference import evaluate

from ..networks import build, check_same, ops, refused

MODES = ["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"]


@pytest.mark.parametrize("scale", [(2, 2), (3, 1), (1, 4), (1.5, 2), (0.5, 1.3)])
@pytest.mark.parametrize("mode", MODES)
def test_against_onnxruntime(mode: str, scale: tuple[float, float]) -> None:
    given = f'<mode = "linear", coordinate_transformation_mode = "{mode}">'
    parameters = {"s": np.array([1, 1, *scale], np.float32)}
    model = build(f"r = Relu (x) y = Resize {given} (r, , s)", parameters, x="float[N,3,4,6] x")
    graph = check_same(model)
    whole = all(s == int(s) for s in scale) and mode != "align_corners"
    assert ops(graph).count("Conv") == (1 if whole else sum(s != 1 for s in scale))


@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_a_scale_that_keeps_the_size(mode: str) -> None:
    """Places follow the scale, as ONNX defines it and torch computes it; ONNX Runtime copies."""
    parameters = {"s": np.array([1, 1, 1, 1.25], np.float32)}
    body = f'r = Relu (x) y = Resize <mode = "{mode}"> (r, , s)'
    model = build(body, parameters, x="float[N,2,4,3] x")
    x = np.random.default_rng(0).normal(size=(2, 2, 4, 3)).astype(np.float32)
    (want,) = ReferenceEvaluator(model).run(None, {"x": x})
    assert want.shape == x.shape and not np.allclose(want, np.maximum(x, 0))
    np.testing.assert_allclose(evaluate(load_graph(model), x), want, rtol=1e-5, atol=1e-5)


def test_of_a_sequence_to_a_size() -> None:
    body = 'y = Resize <mode = "linear"> (x, , , s)'
    check_same(build(body, {"s": np.array([2, 3, 10])}, x="float[2,3,5] x"))


@pytest.mark.parametrize("scale", [(2, 2), (3, 1), (1.5, 4), (0.5, 1)])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("more", ["", ", cubic_coeff_a = -0.5", ", exclude_outside = 1"])
def test_cubic_against_onnxruntime(mode: str, scale: tuple[float, float], more: str) -> None:
    given = f'<mode = "cubic", coordinate_transformation_mode = "{mode}"{more}>'
    parameters = {"s": np.array([1, 1, *scale], np.float32)}
    model = build(f"r = Relu (x) y = Resize {given} (r, , s)", parameters, x="float[N,1,5,6] x")
    graph = check_same(model)
    whole = all(s == int(s) for s in scale) and mode != "align_corners" and "exclude" not in more
    assert ops(graph).count("Conv") == (1 if whole else sum(s != 1 for s in scale))


def test_with_antialias_is_refused() -> None:
    parameters = {"s": np.array([1, 1, 0.5, 0.5], np.float32)}
    body = 'y = Resize <mode = "cubic", antialias = 1> (x, , s)'
    refused(build(body, parameters, opset=18), "cubic with antialias", "without antialias")


@pytest.mark.parametrize(("width", "scale"), [(30_000, 1.25), (20_000, 2.0), (9_000, 4.0)])
def test_sizes_that_no_image_has(width: int, scale: float) -> None:
    """The weights are a matrix of positions: of 30,000 by 39,000 it would take 9 GB."""
    model = build(
        'y = Resize <mode = "linear"> (x, , s)',
        {"s": np.array([1, 1, 1, scale])},
        x=f"float[N,1,2,{width}] x",
    )
    refused(model, f"{width} positions resized to {int(width * scale)}", "pairs of positions")
