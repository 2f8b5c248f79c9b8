"""What a user may choose about the fixed-point parts of a program."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.diagnostics import CompileError


@dataclass(frozen=True)
class Options:
    """Widths and ranges of what N2UQ leaves real-valued.

    Attributes:
        residual_bits: skip stream, signed fixed point, 8 to 32.
        stem_bits: weights and inputs of convolutions that are not quantized, 8 to 26.
        head_bits: weights of the last fully connected layer, 8 to 26.
        input_range: (least, greatest) real value of the model's input; values outside are
            clamped with a warning.  Ignored where calibration data is given.
        calibration: real images (N, C, H, W); their extremes set the input's range.
    """

    residual_bits: int = 32
    stem_bits: int = 24
    head_bits: int = 16
    input_range: tuple[float, float] = (-8.0, 8.0)
    calibration: NDArray[np.floating] | None = None

    def __post_init__(self) -> None:
        for name, low, high in (
            ("residual_bits", 8, 32), ("stem_bits", 8, 26), ("head_bits", 8, 26)
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise CompileError(f"--{name.replace('_', '-')} is {value}; it takes {low}..{high}")
        low_value, high_value = self.input_range
        if not (np.isfinite(self.input_range).all() and low_value < high_value):
            raise CompileError(
                f"--input-range is {low_value},{high_value}; it takes two finite numbers LO,HI "
                "with LO < HI"
            )

    def real_input_range(self) -> tuple[float, float]:
        """The input's range, from the calibration data if there is any."""
        if self.calibration is None:
            return self.input_range
        data = np.asarray(self.calibration)
        if data.size == 0 or data.dtype.kind != "f" or not np.isfinite(data).all():
            raise CompileError("calibration data must be finite real images, float32 or float64")
        return min(float(data.min()), 0.0), max(float(data.max()), 0.0)
