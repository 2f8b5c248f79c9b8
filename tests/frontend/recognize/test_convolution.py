"""Conv and BatchNormalization in canonical form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.frontend.networks import build, check_same, node, ops, refused

W = np.random.default_rng(0).standard_normal((4, 2, 3, 3)).astype(np.float32)
BN = {"g": [1.0, -0.5], "b": [0.1, 0.2], "mean": [0.0, 0.3], "var": [1.0, 0.0]}
IMAGE = "float[N,2,9,8] x"


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"])
@pytest.mark.parametrize("strides", [1, 2, 3])
def test_auto_pad_is_resolved(mode: str, strides: int) -> None:
    text = f'auto_pad = "{mode}", strides = [{strides}, {strides}]'
    graph = check_same(build(f"y = Conv <{text}> (x, W)", {"W": W}, x=IMAGE))
    names = set(node(graph, "Conv").attributes)
    assert names == {"kernel_shape", "strides", "pads", "dilations", "group"}


def test_groups_dilations_and_bias() -> None:
    text = "group = 2, dilations = [2, 1], pads = [2, 1, 2, 1]"
    parameters = {"W": W[:, :1], "c": [0.1, 0.2, 0.3, 0.4]}
    graph = check_same(build(f"y = Conv <{text}> (x, W, c)", parameters, x=IMAGE))
    conv = node(graph, "Conv").attributes
    assert conv.get_int("group") == 2
    assert list(conv.get_ints("dilations", ())) == [2, 1]


def test_weights_computed_from_constants_are_folded() -> None:
    body = "v = Mul (W, two) r = Reshape (v, target) y = Conv (x, r)"
    parameters = {"W": W.reshape(4, 18), "two": np.float32(2), "target": np.int64([4, 2, 3, 3])}
    assert ops(check_same(build(body, parameters, x=IMAGE))) == ["Conv"]


def test_batch_norm() -> None:
    graph = check_same(build("y = BatchNormalization <epsilon = 0.01> (x, g, b, mean, var)", BN))
    assert set(node(graph, "BatchNormalization").attributes) == {"epsilon"}


@pytest.mark.parametrize("opset", [13, 14, 15])
def test_momentum_means_nothing_at_inference(opset: int) -> None:
    body = "y = BatchNormalization <momentum = 0.9> (x, g, b, mean, var)"
    check_same(build(body, BN, opset=opset))


@pytest.mark.parametrize(
    ("body", "parameters", "words"),
    [
        ("a = Relu (x) [op] y = Conv (x, a)", {}, "computed weights"),
        ("c = ReduceMax <axes = [0, 2, 3], keepdims = 0> (x) [op] y = Conv (x, V, c)", {},
         "computed bias"),
        ("[op] y = Conv <kernel_shape = [5, 5]> (x, W)", {}, "kernel_shape (5, 5)"),
        ("[op] y = Conv <strides = [1]> (x, W)", {}, "strides"),
        ("[op] y = Conv (x, V)", {"V": np.ones((4, 3, 1, 1))}, "2 input channels"),
        ("[op] y = Conv <group = 2> (x, V)", {"V": np.ones((3, 1, 1, 1))}, "2 groups"),
        ("[op] y = Conv (x, W, c)", {"c": np.ones(3)}, "a bias of shape (3,)"),
        ("[op] y = Conv <pads = [-1, 0, 0, 0]> (x, W)", {}, "pads"),
        ("[op] y, m, v = BatchNormalization <training_mode = 1> (x, g, b, mean, var)", {}, "eval"),
        ("[op] y = BatchNormalization <epsilon = 0.0> (x, g, b, mean, var)", {}, "channel 1"),
        ("[op] y = BatchNormalization (x, g, b, mean, three)", {}, "between 3 and 2"),
        ("m = ReduceMax <axes = [0, 2, 3], keepdims = 0> (x) "
         "[op] y = BatchNormalization (x, g, b, m, var)", {}, "a computed mean"),
    ],
)  # fmt: skip
def test_refusals(body: str, parameters: Any, words: str) -> None:
    fixed = BN | {"W": W, "V": W[:2], "three": [1.0, 1.0, 1.0]}
    problems = refused(build(body, fixed | parameters, x=IMAGE), words)
    assert "op" in {problem.node for problem in problems}
