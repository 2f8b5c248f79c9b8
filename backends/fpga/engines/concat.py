"""Concatenation of two streams, pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from n2uqc.passes.program import Concat

from .. import jit
from ..widths import magnitude, register_dtype, storage
from .engine import Arrays, Engine, Run, divisors
from .token_timing import Beat


@dataclass(frozen=True, kw_only=True, eq=False)
class Joiner(Engine):
    """Joins channels: per pixel the tokens of one input, then the other; ``H*W * (A + B)/PE``
    cycles.

    PE divides the channels of both, so that no token holds elements of both.
    """

    kind: ClassVar[str] = "concat"

    op: Concat

    @property
    def pe_options(self) -> tuple[int, ...]:
        return divisors(gcd(*(t.shape[2] for t in self.inputs)))

    @property
    def timing(self) -> Beat:
        first, both = self.inputs[0].shape[2], self.output.shape[2]
        pe = self.fold.pe
        return Beat(self.output.size // pe, take=(both // pe, first // pe), turns=True)

    def prepare(self) -> Run:
        x_types = [storage(t, self.name) for t in self.inputs]
        dtype = register_dtype(max(map(magnitude, self.inputs)), self.output.bits + 1)
        kernel = jit.compiled(build_join, *x_types, dtype, storage(self.output, self.name))
        channels = [t.shape[2] for t in self.inputs]

        def run(inputs: Arrays, y: NDArray[Any], counts: NDArray[np.int64]) -> None:
            kernel(
                y.size // y.shape[-1],
                *channels,
                self.output.bits,
                int(self.output.signed),
                *(x.reshape(-1) for x in inputs),
                y.reshape(-1),
                counts,
            )

        return run


def build_join(a_type: str, b_type: str, dtype: str, y_type: str) -> Any:
    """Build a kernel that copies the channels of both inputs, cut to the declared width."""
    from ..accumulator import Accumulators
    from ..lanes import LANES, KernelBuilder, blocks, load, serial, store

    most = LANES[dtype]
    with KernelBuilder("join") as kernel:
        pixels, first, second, bits, signed = kernel.scalars(
            "pixels", "first", "second", "bits", "signed"
        )
        sources = kernel.array("a", a_type), kernel.array("b", b_type)
        y, counts = kernel.array("y", y_type), kernel.array("counts", "int64")
        accumulators = Accumulators(dtype, {most, 1}, bits, signed)
        with serial(0, pixels) as pixel:
            for x, channels, start in zip(sources, (first, second), (0, first), strict=True):

                def compute_block(
                    at: Any,
                    lanes: int,
                    x: Any = x,
                    channels: Any = channels,
                    start: Any = start,
                    pixel: Any = pixel,
                ) -> None:
                    value = accumulators.keep(load(x, pixel * channels + at, dtype, lanes), lanes)
                    store(y, pixel * (first + second) + start + at, value)

                blocks(channels, most, compute_block)
        accumulators.flush(counts)
    return kernel.function
