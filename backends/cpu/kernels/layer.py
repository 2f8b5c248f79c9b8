"""A convolution as its kernels see it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from n2uqc.passes.program import Conv, IntType, Program


@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution with its types and weights.

    Attributes:
        op: the operation.
        source: type of its input.
        shape: rows, columns and channels of its output.
        weight: int64 (O, KH, KW, I / groups).
        bound: the largest magnitude of any partial sum, in any order.
    """

    op: Conv
    source: IntType
    shape: tuple[int, int, int]
    weight: NDArray[np.int64]
    bound: int

    @classmethod
    def of(cls, op: Conv, program: Program) -> Layer:
        """Return the layer of an operation of a program."""
        source = program.int_type(op.inputs[0])
        return cls(
            op,
            source,
            program.int_type(op.output).shape,
            program.constants[op.weight].values,
            op.partial_bound(source, program.constants),
        )

    @property
    def outside(self) -> int:
        """What stands around the map; 0 where no window reaches there, as the type of a stage need
        not hold the pad then.
        """
        return self.op.pad_value if any(self.op.pads) else 0

    @property
    def codes(self) -> tuple[int, int]:
        """Least and greatest number that weights meet, padding included."""
        around = [self.outside] if any(self.op.pads) else []
        numbers = [self.source.lo, self.source.hi, *around]
        return min(numbers), max(numbers)

    @property
    def codes_and_zero(self) -> tuple[int, int]:
        """The same, and zero, which surplus weights meet."""
        lo, hi = self.codes
        return min(lo, 0), max(hi, 0)

    @property
    def is_dense(self) -> bool:
        """Whether neighboring outputs have neighboring windows, which hold all channels: stride and
        dilation 1, one group."""
        return (*self.op.stride, *self.op.dilation, self.op.groups) == (1,) * 5

    @property
    def is_depthwise(self) -> bool:
        """Whether every channel is on its own."""
        out, _, _, depth = self.weight.shape
        return self.op.groups > 1 and depth == 1 and out == self.op.groups

    @property
    def is_pointwise(self) -> bool:
        """Whether the window is a pixel at its own place, so that the map's rows do not matter."""
        return (*self.weight.shape[1:3], *self.op.stride) == (1, 1, 1, 1) and not any(self.op.pads)

    @property
    def input_size(self) -> tuple[int, int]:
        """Rows and columns of the input; a single row if its rows do not matter."""
        height, width, _ = self.source.shape
        return (1, height * width) if self.is_pointwise else (height, width)

    @property
    def output_size(self) -> tuple[int, int]:
        """Rows and columns of the output; a single row if its rows do not matter."""
        height, width, _ = self.shape
        return (1, height * width) if self.is_pointwise else (height, width)
