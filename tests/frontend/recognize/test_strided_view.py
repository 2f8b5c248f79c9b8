"""as_strided, as PyTorch's dynamo-based exporter writes it: a Gather that moves nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from tests.frontend.networks import build, check_same, ops, refused

VIEW = """p = GlobalAveragePool (x) f = Reshape (p, flat) [view] v = Gather (f, i)
    y = Flatten (v)"""
FLAT = {"flat": np.int64([-1])}


def places(*order: int) -> Any:
    return FLAT | {"i": np.int64(order).reshape(len(order) // 2, 2, 1, 1)}


def test_all_values_in_order() -> None:
    model = build(VIEW, places(0, 1, 2, 3, 4, 5), x="float[3,2,4,4] x")
    assert ops(check_same(model)) == ["GlobalAveragePool", "Flatten"]


def test_places_that_follow_the_batch() -> None:
    body = """s = Shape (x) n = Gather (s, zero) e = Mul (n, two) r = Range (zero, e, one)
        t = Concat <axis = 0> (minus, tail) i = Reshape (r, t)"""
    numbers = {"zero": np.int64(0), "one": np.int64(1), "two": np.int64(2)}
    shape = {"minus": np.int64([-1]), "tail": np.int64([2, 1, 1])}
    assert ops(check_same(build(body + VIEW, FLAT | numbers | shape))) == [
        "GlobalAveragePool", "Flatten",
    ]  # fmt: skip


def test_values_that_move_within_an_image() -> None:
    model = build(VIEW, places(1, 0, 3, 2), x="float[2,2,4,4] x")
    assert "Rearrange" in ops(check_same(model))


def test_refused_where_images_mix() -> None:
    for order in ([0, 1, 0, 1], [2, 3], [0, 1]):
        model = build(VIEW, places(*order), x="float[2,2,4,4] x")
        problems = refused(model, "mix with the batch")
        assert problems


def test_refused_for_a_number_of_images_fixed_by_tracing() -> None:
    refused(build(VIEW, places(0, 1, 2, 3)), "a fixed number of images", "static batch")


def test_refused_at_computed_places() -> None:
    body = "m = ReduceMax (x) z = Cast <to = 7> (m) i = Mul (z, j)" + VIEW
    refused(build(body, FLAT | {"j": np.zeros((2, 2, 1, 1), np.int64)}), "computed places")


@pytest.mark.parametrize("batch", ["static", "dynamic"])
def test_a_channels_last_model_from_the_dynamo_exporter(tmp_path: Path, batch: str) -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
    )
    net = net.eval().to(memory_format=torch.channels_last)
    x = torch.randn(2, 3, 6, 6).to(memory_format=torch.channels_last)
    sizes = ({0: torch.export.Dim("batch")},) if batch == "dynamic" else None
    path = tmp_path / "m.onnx"
    torch.onnx.export(net, (x,), path, dynamo=True, dynamic_shapes=sizes, verbose=False)
    model = onnx.load(path)
    assert any(n.op_type == "Gather" for n in model.graph.node)
    assert "Gemm" in ops(check_same(model))
