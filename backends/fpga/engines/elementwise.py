"""The base of elementwise engines: thresholds, rescaling, clamping, adding, lookup."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import jit
from ..widths import magnitude, register_dtype, storage
from .engine import Arrays, Engine, Run


@dataclass(frozen=True, kw_only=True, eq=False)
class ElementwiseEngine(Engine):
    """PE elements per cycle, ``H * W * C / PE`` cycles; channels differ by constants only.

    A subclass defines the result of an element, ``expression`` in TIR, and ``bound``, a limit of
    all intermediate values.
    """

    def bound(self) -> int:
        """Return a bound on the magnitude of all intermediates,
        for any input of the declared width.
        """
        return magnitude(self.inputs[0])

    def rows(self) -> Mapping[str, NDArray[np.int64]]:
        """Return the constants per channel by name: (C,), or (K, C)
        for a loop over K in ``expression``.
        """
        return {}

    def numbers(self) -> Mapping[str, int]:
        """Return the constants that are the same for all channels, by name."""
        return {}

    @staticmethod
    def expression(element: Any, row: Any, number: Any, dtype: str, lanes: int) -> Any:
        """Return the result in TIR.

        Args:
            element: the input's lanes (a tuple for two inputs) in ``dtype``.
            row: ``row(name)`` or ``row(name, k)`` gives the lanes of a constant of ``rows`` in
                ``dtype``.
            number: ``number(name)`` gives a constant of ``numbers`` in all lanes in ``dtype``;
                ``number(name, "int32", 1)`` gives it in another type and number of lanes.
        """
        raise NotImplementedError

    def prepare(self) -> Run:
        rows, numbers = self.rows(), self.numbers()
        y_type, channels = storage(self.output, self.name), self.output.shape[2]
        most = max(
            [
                self.bound(),
                *(int(abs(v).max(initial=0)) for v in rows.values()),
                *map(abs, numbers.values()),
            ]
        )
        dtype = register_dtype(most, self.output.bits + 1)
        x_types = "+".join(storage(t, self.name) for t in self.inputs)
        held = "int32" if dtype == "int32" else "int64"
        engine: Any = type(self)
        kernel = jit.compiled(
            build_map, engine, x_types, dtype, y_type, ",".join(numbers), ",".join(rows)
        )
        # an empty array has no address to pass
        packed = [
            np.array(v if v.size else 0, dtype=held, order="C").reshape(-1) for v in rows.values()
        ]

        def run(inputs: Arrays, y: NDArray[Any], counts: NDArray[np.int64]) -> None:
            kernel(
                y.size // channels,
                channels,
                self.output.bits,
                int(self.output.signed),
                *numbers.values(),
                *(x.reshape(-1) for x in inputs),
                *packed,
                y.reshape(-1),
                counts,
            )

        return run


def build_map(
    engine: type[ElementwiseEngine], x_types: str, dtype: str, y_type: str, numbers: str, rows: str
) -> Any:
    """Build a kernel that evaluates an engine's expression on all elements,
    vectorized by channel.
    """
    from ..accumulator import Accumulators
    from ..lanes import LANES, KernelBuilder, blocks, load, serial, store, wide

    most, held = LANES[dtype], "int32" if dtype == "int32" else "int64"
    with KernelBuilder(engine.__name__.lower()) as kernel:
        pixels, channels, bits, signed = kernel.scalars("pixels", "channels", "bits", "signed")
        names = [name for name in numbers.split(",") if name]
        scalars = dict(zip(names, kernel.scalars(*names, dtype="int64"), strict=True))
        inputs = [kernel.array(f"x{k}", x_type) for k, x_type in enumerate(x_types.split("+"))]
        tables = {name: kernel.array(name, held) for name in filter(None, rows.split(","))}
        y, counts = kernel.array("y", y_type), kernel.array("counts", "int64")
        accumulators = Accumulators(dtype, {most, 1}, bits, signed)
        with serial(0, pixels) as pixel:

            def compute_block(first: Any, lanes: int, pixel: Any = pixel) -> None:
                at = pixel * channels + first
                elements = [load(x, at, dtype, lanes) for x in inputs]
                result = engine.expression(
                    elements[0] if len(elements) == 1 else elements,
                    lambda name, k=0: load(tables[name], k * channels + first, dtype, lanes),
                    lambda name, dtype=dtype, count=lanes: wide(scalars[name], dtype, count),
                    dtype,
                    lanes,
                )
                store(y, at, accumulators.keep(result, lanes))

            blocks(channels, most, compute_block)
        accumulators.flush(counts)
    return kernel.function


def clamped(value: Any, number: Any) -> Any:
    """Return TIR that clamps ``value`` to the numbers ``lo`` and ``hi``."""
    from tvm import tirx

    return tirx.min(tirx.max(value, number("lo")), number("hi"))


def rounded(value: Any, half: Any, shift: Any, dtype: str, lanes: int) -> Any:
    """Return TIR for ``value / 2**shift``, halves rounded away from zero.

    ``half`` is ``2**shift // 2``. Adding it rounds halves up; for negative values one less is
    added, which rounds halves down.
    """
    from tvm import tirx

    from ..lanes import wide

    zero, one = wide(0, dtype, lanes), wide(1, dtype, lanes)
    away = tirx.Select(tirx.And(value < zero, half > zero), one, zero)
    return (value + half - away) >> shift
