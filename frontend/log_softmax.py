"""LogSoftmax for `onnx.reference`, whose own takes the logarithm of 0 from 746 below the top."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx.reference.op_run import OpRun


class LogSoftmax(OpRun):  # type: ignore[misc, unused-ignore]
    """``x - max - log(sum(exp(x - max)))`` along an axis."""

    op_domain = ""

    def _run(self, x: NDArray[Any], axis: int = -1) -> tuple[NDArray[Any]]:
        moved = x - x.max(axis=axis, keepdims=True)
        return (moved - np.log(np.exp(moved).sum(axis=axis, keepdims=True)),)
