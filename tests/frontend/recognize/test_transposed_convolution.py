"""Transposed convolutions as ordinary ones, against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ..networks import build, check_same, ladder, ops, refused, rungs

CASES = {
    "k2 s2": ((4, 3, 2, 2), "strides = [2, 2]"),
    "k4 s2 p1": ((4, 3, 4, 4), "strides = [2, 2], pads = [1, 1, 1, 1]"),
    "k3 s2 p1 o1": ((4, 3, 3, 3), "strides = [2, 2], pads = [1, 1, 1, 1], output_padding = [1, 1]"),
    "k3 s1 p1": ((4, 3, 3, 3), "pads = [1, 1, 1, 1]"),
    "k5 s3": ((4, 3, 5, 5), "strides = [3, 3], pads = [0, 2, 1, 1]"),
    "k1 s2": ((4, 3, 1, 1), "strides = [2, 2], output_padding = [1, 1]"),
    "k3 s2x1": ((4, 3, 3, 3), "strides = [2, 1], pads = [1, 0, 1, 2]"),
    "depthwise": ((4, 1, 4, 4), "strides = [2, 2], pads = [1, 1, 1, 1], group = 4"),
    "groups": ((4, 2, 4, 4), "strides = [2, 2], pads = [1, 1, 1, 1], group = 2"),
    "groups, uneven": ((4, 2, 3, 3), "strides = [2, 2], group = 2"),
    "dilated": ((4, 3, 3, 3), "strides = [2, 2], dilations = [2, 3], pads = [1, 1, 1, 1]"),
    "dilated by the stride": ((4, 3, 2, 2), "strides = [2, 2], dilations = [2, 2]"),
    "output shape": ((4, 3, 3, 3), "strides = [2, 2], output_shape = [10, 13]"),
    "same": ((4, 3, 3, 3), 'strides = [2, 2], auto_pad = "SAME_UPPER"'),
}


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_against_onnxruntime(name: str, bias: bool) -> None:
    shape, attributes = CASES[name]
    rng = np.random.default_rng(3)
    groups = int(attributes.split("group = ")[1]) if "group" in attributes else 1
    parameters: dict[str, Any] = {"W": rng.standard_normal(shape)}
    more = ""
    if bias:
        parameters["b"], more = rng.standard_normal(shape[1] * groups), ", b"
    body = f"y = ConvTranspose <{attributes}> (x, W{more})"
    graph = check_same(build(body, parameters, x="float[N,4,5,6] x"))
    assert "ConvTranspose" not in ops(graph)


def test_of_a_sequence() -> None:
    parameters = {"W": np.random.default_rng(0).standard_normal((4, 3, 5))}
    body = "y = ConvTranspose <strides = [3], pads = [1, 2], output_padding = [1]> (x, W)"
    check_same(build(body, parameters, x="float[N,4,7] x"))


@pytest.mark.parametrize("kernel", [2, 3])
@pytest.mark.parametrize("axis", [0, 1])
def test_codes_and_what_follows_stay_together(kernel: int, axis: int) -> None:
    """Weights stay codes; BN and activation stand before the movement."""
    rng = np.random.default_rng(1)
    codes = rng.choice([-3, -1, 1, 3], (4, 3, kernel, kernel))
    step = rng.uniform(0.5, 2, (4, 1, 1, 1) if axis == 0 else (1, 3, 1, 1))
    parameters = {
        "W": codes * step.astype(np.float32), **rungs([-0.5, 0.1, 0.9], [0, 1, 2, 3]),
        "s": np.ones(3), "m": np.arange(3.0), "v": np.ones(3),
    }  # fmt: skip
    body = ladder(3, top="q") + (
        "t = ConvTranspose <strides = [2, 2]> (q, W) n = BatchNormalization (t, s, m, m, v) "
        "y = Relu (n)"
    )
    found = ops(check_same(build(body, parameters, x="float[N,4,5,5] x")))
    assert found[-1] == "Rearrange" and found.count("Relu") == (4 if kernel == 3 else 1)
    if axis == 1 or kernel == 2:
        assert "Weight" in found


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("moved", ["Flatten (r)", "Transpose <perm = [0, 1, 3, 2]> (r)"])
def test_moved_again(moved: str, stride: int) -> None:
    """What the second movement meets is a movement of phases, not the phases themselves."""
    weights = {"W": np.random.default_rng(0).standard_normal((4, 3, 3, 3)), "s": np.float32(2)}
    weights["sizes"] = np.array([1, 1, 1.5, 1], np.float32)
    body = (
        f"t = ConvTranspose <strides = [{stride}, {stride}], pads = [1, 1, 1, 1]> (x, W) "
        f'r = Resize <mode = "nearest"> (t, , sizes) m = {moved} d = Div (m, s) y = Relu (d)'
    )
    check_same(build(body, weights, x="float[2,4,4,4] x"))


def test_refused() -> None:
    body = "w = Relu (x) y = ConvTranspose (x, w)"
    refused(build(body, x="float[2,2,4,4] x"), "constant weights")
