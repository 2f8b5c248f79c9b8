"""Pools: windows explicit, ceil_mode and auto_pad resolved, global averages in every form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.frontend.networks import build, check_same, node, ops, refused

IMAGE = "float[N,2,7,6] x"


@pytest.mark.parametrize(
    "body",
    [
        "y = GlobalAveragePool (x)",
        "y = ReduceMean <axes = [2, 3]> (x)",
        "y = ReduceMean <axes = [-1, -2]> (x)",
        "y = AveragePool <kernel_shape = [7, 6]> (x)",
        "y = AveragePool <kernel_shape = [7, 6], strides = [7, 6]> (x)",
    ],
)
def test_global_average(body: str) -> None:
    assert ops(check_same(build(body, x=IMAGE))) == ["GlobalAveragePool"]


def test_mean_that_drops_its_axes() -> None:
    graph = check_same(build("y = ReduceMean <axes = [2, 3], keepdims = 0> (x)", x=IMAGE))
    assert ops(graph) == ["GlobalAveragePool", "Flatten"]


def test_mean_with_axes_as_input() -> None:
    model = build("y = ReduceMean (x, axes)", {"axes": np.int64([2, 3])}, x=IMAGE, opset=18)
    assert ops(check_same(model)) == ["GlobalAveragePool"]


def test_global_maximum() -> None:
    assert ops(check_same(build("y = GlobalMaxPool (x)", x=IMAGE))) == ["MaxPool"]


def window(text: str) -> tuple[list[int], ...]:
    graph = check_same(build(f"y = MaxPool <{text}> (x)", x=IMAGE))
    attributes = node(graph, "MaxPool").attributes
    return tuple(list(attributes.get_ints(name)) for name in ("kernel_shape", "strides", "pads"))


def test_defaults_are_filled_in() -> None:
    assert window("kernel_shape = [2, 3]") == ([2, 3], [1, 1], [0, 0, 0, 0])


@settings(max_examples=40, deadline=None)
@given(
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    mode=st.sampled_from(["", "ceil_mode = 1", 'auto_pad = "SAME_UPPER"',
                          'auto_pad = "SAME_LOWER"', 'auto_pad = "VALID"']),
    padded=st.booleans(),
)  # fmt: skip
def test_any_max_pool(
    kernel: tuple[int, int], strides: tuple[int, int], mode: str, padded: bool
) -> None:
    text = f"kernel_shape = {list(kernel)}, strides = {list(strides)}"
    if padded and "auto" not in mode:
        assume(min(kernel) > 1)
        text += ", pads = [1, 1, 1, 1]"
    if mode and "VALID" not in mode:  # elsewhere onnxruntime or PyTorch drop or refuse windows
        assume(strides[0] <= kernel[0] and strides[1] <= kernel[1])
    if "ceil" in mode and padded:
        last = [-(-(s + 2 - k) // d) * d for s, k, d in zip((7, 6), kernel, strides, strict=True)]
        assume(last[0] < 8 and last[1] < 7)
    graph = check_same(build(f"y = MaxPool <{text}{', ' if mode else ''}{mode}> (x)", x=IMAGE))
    attributes = node(graph, "MaxPool").attributes
    assert "auto_pad" not in attributes and "ceil_mode" not in attributes


@settings(max_examples=60, deadline=None)
@given(
    kernel=st.tuples(*[st.integers(1, 4)] * 2), strides=st.tuples(*[st.integers(1, 3)] * 2),
    pads=st.tuples(*[st.integers(0, 3)] * 4), counted=st.integers(0, 1), ceil=st.integers(0, 1),
    sequence=st.booleans(),
)  # fmt: skip
def test_any_average_pool(
    kernel: tuple[int, ...], strides: tuple[int, ...], pads: tuple[int, ...], counted: int,
    ceil: int, sequence: bool,
) -> None:  # fmt: skip
    pads = tuple(min(p, k - 1) for p, k in zip(pads, kernel * 2, strict=True))
    size: tuple[int, ...] = (7, 6)
    if sequence:
        kernel, strides, pads, size = kernel[1:], strides[1:], pads[1::2], size[1:]
    for axis, n in enumerate(size):
        reach = n + pads[axis] + pads[axis + len(size)] - kernel[axis]
        last = -(-reach // strides[axis]) * strides[axis]
        assume(not ceil or last < n + pads[axis])  # elsewhere ONNX before opset 22 keeps windows
    text = f"kernel_shape = {list(kernel)}, strides = {list(strides)}, pads = {list(pads)}"
    text += f", count_include_pad = {counted}, ceil_mode = {ceil}"
    image = "float[N,2,6] x" if sequence else IMAGE
    graph = check_same(build(f"y = AveragePool <{text}> (x)", x=image))
    assert ops(graph) in (["AveragePool"], ["GlobalAveragePool"])


@pytest.mark.parametrize("counted", [0, 1])
def test_average_pool_keeps_its_padding_rule(counted: int) -> None:
    text = f"kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = {counted}"
    graph = check_same(build(f"y = AveragePool <{text}> (x)", x=IMAGE))
    assert node(graph, "AveragePool").attributes.get_int("count_include_pad") == counted


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "[p] y, i = MaxPool <kernel_shape = [2, 2]> (x) [r] z = Cast <to = 1> (i)",
            "index output",
        ),
        ("[p] y = MaxPool <kernel_shape = [2, 2], dilations = [2, 2]> (x)", "dilations (2, 2)"),
        ("[p] y = MaxPool <kernel_shape = [2, 2], storage_order = 1> (x)", "storage_order"),
        (
            "[p] y = MaxPool <kernel_shape = [1, 1], strides = [2, 2], ceil_mode = 1> (x)",
            "nothing but padding",
        ),
        ("[p] y = AveragePool <kernel_shape = [2, 3], pads = [2, 0, 0, 0]> (x)", "pads (2, 0"),
        ("[p] y = ReduceMean <axes = [0]> (x)", "mean over axes [0]"),
        ("[p] y = ReduceMean (x)", "mean over axes None"),
    ],
)
def test_refusals(body: str, words: str) -> None:
    if "[r]" in body:
        body = body.replace("[p] y,", "[p] m,") + "y = Add (m, z)"
    problems = refused(build(body, x=IMAGE), words)
    assert "p" in {problem.node for problem in problems}


def test_ceil_mode_that_changes_nothing() -> None:
    text = "kernel_shape = [2, 2], strides = [1, 2], ceil_mode = 1"
    assert ops(check_same(build(f"y = AveragePool <{text}> (x)", x=IMAGE))) == ["AveragePool"]


@pytest.mark.parametrize("value", [-1, 2, 3])
def test_flags_that_are_neither_0_nor_1(value: int) -> None:
    """Padding counts unless 0, as onnxruntime reads it.

    ceil_mode and keepdims are refused: ONNX's own shapes take 3 for true, onnxruntime for false.
    """
    window = "kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]"
    check_same(build(f"y = AveragePool <{window}, count_include_pad = {value}> (x)"))
    refused(build(f"y = AveragePool <{window}, ceil_mode = {value}> (x)"), f"ceil_mode {value}")
    mean = build(f"y = ReduceMean <axes = [2, 3], keepdims = {value}> (x)")
    refused(mean, f"keepdims = {value}")
