"""Tensors as the tokens of a stream, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n2uqc.passes.program import IntType


def tokens(x: NDArray[Any], lanes: int, bits: int) -> list[int]:
    """Return the tokens of a batch (N, H, W, C), the first element of each lowest."""
    mask = (1 << bits) - 1
    result = []
    for row in x.reshape(-1, lanes).tolist():
        word = 0
        for value in reversed(row):
            word = word << bits | (value & mask)
        result.append(word)
    return result


def values(
    words: Sequence[int], images: int, lanes: int, tensor_type: IntType
) -> NDArray[np.int64]:
    """Return the batch (N, H, W, C) that tokens carry."""
    mask, sign = (1 << tensor_type.bits) - 1, 1 << (tensor_type.bits - 1)
    flat = [(word >> (k * tensor_type.bits)) & mask for word in words for k in range(lanes)]
    if tensor_type.signed:
        flat = [(v ^ sign) - sign for v in flat]
    return np.array(flat, np.int64).reshape(images, *tensor_type.shape)
