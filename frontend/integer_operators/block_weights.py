"""com.microsoft's MatMulNBits: packed weights of 2, 4 or 8 bits, scales by output and input block.

y[n] = sum over blocks b of scale[n,b] * sum over k in b of x[k] * (code[n,k] - zero[n,b]): one
low-bit product for each block, added.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..recognize.pattern import Refused
from .real_values import MICROSOFT, Array, Coding, RealValues, input_at

Rule = Callable[[ir.Node, RealValues], None]

_TYPES = {bits: ir.DataType[f"UINT{bits}"] for bits in (2, 4, 8)}
_MOST_BLOCKS = 64


@dataclass(frozen=True, eq=False)
class _Blocks:
    """weight[n,k] = (codes[n,k] - zeros[n,b]) * scales[n,b], b the block of k.

    Attributes:
        codes: uint8 [N,K].
        scales: float32 [N,B].
        zeros: int64 [N,B].
        size: inputs of a block; the last may have fewer.
    """

    codes: Array
    scales: Array
    zeros: Array
    size: int


def _unpacked(packed: Array, bits: int, count: int) -> Array:
    """Return `count` numbers of each row of bytes, the lowest bits first."""
    rows = np.unpackbits(packed.astype(np.uint8).reshape(len(packed), -1), 1, bitorder="little")
    whole = rows[:, : rows.shape[1] // bits * bits].reshape(len(rows), -1, bits)
    numbers: Array = (whole << np.arange(bits, dtype=np.uint8)).sum(2, dtype=np.uint8)
    if numbers.shape[1] < count:
        raise Refused(f"{numbers.shape[1]} packed numbers in a row", f"{count}")
    return numbers[:, :count]


def _read(node: ir.Node, values: RealValues) -> _Blocks:
    inputs, outputs, size = (node.attributes.get_int(k, 0) for k in ("K", "N", "block_size"))
    bits = node.attributes.get_int("bits", 4)
    if bits not in _TYPES:
        raise Refused(f"weights of {bits} bits", "2, 4 or 8 bits")
    if min(inputs or 0, outputs or 0, size or 0) < 1:
        raise Refused("K, N or block_size is missing", "sizes of 1 or more")
    assert inputs and outputs and size
    count = -(-inputs // size)
    order = input_at(node, 4)
    if order is not None and values.array(order, "g_idx").size:
        raise Refused("inputs in another order than blocks (g_idx)", "blocks of neighbors")
    packed = values.array(node.inputs[1], "weight").reshape(outputs, count, -1)
    codes = np.concatenate(
        [_unpacked(packed[:, b], bits, min(size, inputs - b * size)) for b in range(count)], axis=1
    )
    scales = values.array(node.inputs[2], "scale").astype(np.float32).reshape(outputs, count)
    zeros = np.full((outputs, count), 2 ** (bits - 1), np.int64)
    if (given := input_at(node, 3)) is not None:
        array = values.array(given, "zero point")
        if array.dtype == np.uint8:
            zeros = _unpacked(array.reshape(outputs, -1), bits, count).astype(np.int64)
        elif (array == np.round(array)).all() and np.abs(array).max() < 2**bits:
            zeros = array.astype(np.int64).reshape(outputs, count)
        else:
            raise Refused("zero points that are no codes", "integers")
    same = (scales == scales[:, :1]).all() and (zeros == zeros[:, :1]).all()
    return _Blocks(codes, scales, zeros, inputs if same else size)


def _matmul_n_bits(node: ir.Node, values: RealValues) -> None:
    blocks = _read(node, values)
    dtype = _TYPES[node.attributes.get_int("bits", 4) or 4]
    x, count = node.inputs[0], -(-blocks.codes.shape[1] // blocks.size)
    if count > _MOST_BLOCKS:
        raise Refused(f"{count} blocks of weights", f"at most {_MOST_BLOCKS}", "use larger blocks")
    total: ir.Value | None = None
    for b in range(count):
        part, label = x, f".block{b}" if count > 1 else ""
        here = slice(b * blocks.size, (b + 1) * blocks.size)
        codes = blocks.codes[:, here].T
        if count > 1:
            ends = [
                values.parameter(f"{node.name}.{name}{b}", np.array([number], np.int64))
                for name, number in (
                    ("start", here.start), ("end", here.start + len(codes)), ("axis", -1),
                )
            ]  # fmt: skip
            name = f"{node.name}{label}.inputs"
            part = values.add(node, "Slice", [x, *ends], name, f"{name}_out")
        coding = Coding(
            values.parameter(f"{node.name}{label}.scale", blocks.scales[:, b].copy()),
            values.parameter(
                f"{node.name}{label}.zero", blocks.zeros[:, b].astype(np.uint8), dtype
            ),
            axis=1,
        )
        weight = values.real(
            values.parameter(f"{node.name}{label}.codes", codes.copy(), dtype), coding, node
        )
        y = values.add(
            node, "MatMul", [part, weight], f"{node.name}{label}", f"{node.name}{label}.y"
        )
        if total is not None:
            name = f"{node.name}.sum{b}"
            y = values.add(node, "Add", [total, y], name, f"{name}_out")
        total = y
    assert total is not None
    if (bias := input_at(node, 5)) is not None:
        name = f"{node.name}.bias"
        total = values.add(node, "Add", [total, bias], name, f"{name}_out")
    values.replace(node.outputs[0], total)


BLOCK_WEIGHTS: dict[tuple[str, str], Rule] = {(MICROSOFT, "MatMulNBits"): _matmul_n_bits}
