"""Operands that broadcast, or whose shapes are no shapes, where patterns expect ordinary ones."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.load import load_graph
from n2uqc.passes import compile_graph
from tests.frontend.networks import build, check_same, refused

ROUNDED = "p = GlobalMaxPool (x) c = Clip (p, low, high) k = Round (c) "
NUMBERS = {"low": np.float32(0), "high": np.float32(15)}


@pytest.mark.parametrize(
    "pair",
    [
        "d = Sub (k, x) y = Add (x, d)",
        "d = Sub (k, x) y = Add (d, x)",
        "d = Add (k, x) y = Sub (d, x)",
        "d = Sub (c, x) y = Add (x, d)",
    ],
)
def test_what_is_taken_away_again_may_be_larger(pair: str) -> None:
    """A straight-through pair around one value per channel is a map: it is kept, or refused."""
    model = build(ROUNDED + pair, NUMBERS)
    with contextlib.suppress(CompileError):
        check_same(model)


def test_the_shape_of_a_reshape_is_a_vector() -> None:
    refused(build("y = Reshape (x, t)", {"t": np.int64([[0, 2, 2, 8]])}))
    refused(build("y = Reshape (x, t)", {"t": np.int64(32)}))


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_levels_divided_by_zero() -> None:
    body = "c = Greater (x, T) f = Cast <to = 1> (c) y = Div (f, zero)"
    refused(build(body, {"T": np.float32(0.1), "zero": np.float32(0)}))


@pytest.mark.parametrize("pool", ["MaxPool", "AveragePool"])
def test_windows_of_two_thousand_million_rows(pool: str) -> None:
    """The window would need as many rows of pads, for a map of four rows."""
    options = 'kernel_shape = [2147483648, 4], auto_pad = "SAME_LOWER"'
    graph = load_graph(build(f"y = {pool} <{options}> (x)"))
    with pytest.raises(Exception, match="pads") as caught:
        compile_graph(graph)
    assert type(caught.value).__name__ in ("CompileError", "IllegalOp")


@pytest.mark.parametrize("node", ["Conv <{}> (x, W)", "MaxPool <{}> (x)", "AveragePool <{}> (x)"])
@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])
def test_strides_that_leave_columns_out(node: str, mode: str) -> None:
    """No two implementations agree on which ones."""
    weights = {"W": np.ones((3, 2, 3, 3), np.float32)}
    for stride, taken in ((1, True), (3, True), (9, False), (2**31 - 1, False)):
        options = f'kernel_shape = [3, 3], auto_pad = "{mode}", strides = [1, {stride}]'
        model = build(f"y = {node.format(options)}", weights, x="float[N,2,9,9] x")
        check_same(model) if taken else refused(model, "leave rows or columns out")


@pytest.mark.parametrize("pool", ["MaxPool", "AveragePool"])
def test_flags_are_0_or_1(pool: str) -> None:
    """ONNX's shapes take 3 for true, ONNX Runtime for false."""
    options = "kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 3"
    refused(build(f"y = {pool} <{options}> (x)"), "ceil_mode 3")
