"""Register tiles of NEON products by element: vectors of outputs by activations of one register.

Each step over K loads a row of weights, which meets one element of every row's activations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tvm import tirx

from ..body import Expr, Vectors

DEPTH = 8
"""Values of K in a register of activations, 16 bits each: one update of a tile."""

_COLUMNS = 4  # registers of weights in a step
_ROWS = 9  # elements are picked from 16 of the registers; more rows than this were seen to spill
_SPARE = 3  # registers of AArch64 that its scheduler wants for loads ahead of their use
_ADDRESSED = 1.75
"""Instructions of a load on ARMv7, which has none of pairs nor with an offset: a fit to counted
instructions of 3x3 and 1x1 layers, LLVM 22: 14 more for the 12 loads of 4 rows."""


class ProductTile(NamedTuple):
    """Rows by registers of weights, and the estimated instructions of an update's loads."""

    rows: int
    columns: int
    loading: float


def tiles(outputs: int, sums: int, vectors: Vectors) -> Iterator[ProductTile]:
    """Yield every tile that the registers hold.

    Args:
        outputs: registers of weights that there are for a step.
        sums: registers of accumulators for each register of weights and each row.
        vectors: of the processor; of ARMv7's 16 registers LLVM fills 8 for each column with
            weights before the first product, and spills where these are not free.
    """
    few = not vectors.has("many-vectors")
    for columns in range(1, min(_COLUMNS, outputs) + 1):
        for rows in range(1, _ROWS + 1):
            loads = rows + DEPTH * columns
            held = sums * rows * columns + (loads if few else rows + columns + _SPARE)
            if held > vectors.count:
                break
            yield ProductTile(rows, columns, _ADDRESSED * loads if few else loads / 2)


def picked(left: Expr, row: int, k: int, lanes: int) -> Expr:
    """Pick an activation of a row (rows, DEPTH) of int16 in every lane."""
    return tirx.Shuffle([left.vload([row, 0], f"int16x{DEPTH}")], [tirx.const(k, "int32")] * lanes)
