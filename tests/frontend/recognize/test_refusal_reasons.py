"""Refusals of quantization tools' operators and of windows, each by its own reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.frontend.networks import refused
from tests.frontend.recognize.test_qdq import PAIR, model_of

CLIPPED = """q = QuantizeLinear (x, s, z) c = Clip (q, low, high)
    [pair] y = DequantizeLinear (c, s, z)"""
COMPUTED = "m = ReduceMax <keepdims = 0> (x) i = Cast <to = 3> (m)"
INTEGERS = "q = Cast <to = 3> (x) [pair] y = DequantizeLinear (q, s, z)"


@pytest.mark.parametrize(
    ("body", "parameters", "words"),
    [
        (PAIR.replace("Linear (", "Linear <block_size = 2> ("), {}, "blocked quantization"),
        (PAIR, {"s": np.ones((2, 1), np.float32)}, "scales of shape (2, 1)"),
        (f"{COMPUTED} {PAIR.replace('z)', 'i)')}", {}, "computed zero point"),
        (f"{COMPUTED} {CLIPPED.replace('low', 'i')}", {}, "computed bound"),
        (CLIPPED, {"low": 5, "high": 5}, "codes clipped to 5..5"),
        (INTEGERS, {}, "do not come from QuantizeLinear"),
    ],
)
def test_quantize_and_dequantize(body: str, parameters: dict[str, Any], words: str) -> None:
    values: dict[str, Any] = {"s": np.float32(1), "s2": np.ones(2, np.float32)}
    values |= {name: v for name, v in parameters.items() if name == "s"}
    codes: dict[str, Any] = {"z": (0, "INT8"), "z2": ([0, 1], "INT8")}
    codes |= {name: (parameters.get(name, end), "INT8") for name, end in (("low", 0), ("high", 9))}
    refused(model_of(body, values, codes), words)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("[p] y = MaxPool <kernel_shape = [2, 2], strides = [1]> (x)", "strides"),
        ("[p] y = MaxPool <kernel_shape = [2, 2], strides = [0, 1]> (x)", "strides"),
        ("[p] y = MaxPool <kernel_shape = [2, 2], auto_pad = \"SOME\"> (x)", "auto_pad"),
        ("[p] y = Pad (x, i) ", "pads"),
    ],
)  # fmt: skip
def test_windows(body: str, words: str) -> None:
    if "Pad (" in body:
        body = f"m = ReduceMax (x) r = Reshape (m, eight) i = Cast <to = 7> (r) {body}"
    refused(model_of(body, {"eight": np.int64([1])}), words)
