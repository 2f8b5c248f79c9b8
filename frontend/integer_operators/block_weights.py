"""Weights whose scales differ by block of inputs: com.microsoft's MatMulNBits, and
DequantizeLinear with a block_size.

y[n] = sum over blocks b of scale[n,b] * sum over k in b of x[k] * (code[n,k] - zero[n,b]): one
low-bit layer for each block, added. Neighboring blocks of equal scales and zero points are one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..recognize.pattern import Refused
from .real_values import MICROSOFT, Array, Coding, RealValues, input_at

Rule = Callable[[ir.Node, RealValues], None]

_TYPES = {bits: ir.DataType[f"UINT{bits}"] for bits in (2, 4, 8)}
_MOST_BLOCKS = 64


@dataclass(frozen=True, eq=False)
class _Weights:
    """weight[n,k,...] = (codes[n,k,...] - zeros[n,k]) * scales[n,k].

    Attributes:
        codes: integers of outputs, inputs, and the places of a kernel.
        scales: float32 [N,K].
        zeros: int64 [N,K].
        dtype: of the codes and zero points.
    """

    codes: Array
    scales: Array
    zeros: Array
    dtype: ir.DataType

    def blocks(self) -> list[slice]:
        """Return the runs of inputs that share scales and zero points, in order.

        Raises:
            Refused: there are too many.
        """
        unlike = (self.scales[:, 1:] != self.scales[:, :-1]).any(axis=0)
        unlike |= (self.zeros[:, 1:] != self.zeros[:, :-1]).any(axis=0)
        ends = [0, *(np.flatnonzero(unlike) + 1).tolist(), self.codes.shape[1]]
        if len(ends) - 1 > _MOST_BLOCKS:
            found = f"{len(ends) - 1} blocks of inputs with other scales, one layer each"
            raise Refused(found, f"at most {_MOST_BLOCKS}", "use larger blocks")
        return [slice(a, b) for a, b in zip(ends, ends[1:], strict=False)]


def _unpacked(packed: Array, bits: int, count: int) -> Array:
    """Return `count` numbers of each row of bytes, the lowest bits first."""
    rows = np.unpackbits(packed.astype(np.uint8).reshape(len(packed), -1), 1, bitorder="little")
    whole = rows[:, : rows.shape[1] // bits * bits].reshape(len(rows), -1, bits)
    numbers: Array = (whole << np.arange(bits, dtype=np.uint8)).sum(2, dtype=np.uint8)
    if numbers.shape[1] < count:
        raise Refused(f"{numbers.shape[1]} packed numbers in a row", f"{count}")
    return numbers[:, :count]


def _read(node: ir.Node, values: RealValues) -> _Weights:
    """Return the weights of a MatMulNBits."""
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
        elif (array == np.round(array)).all() and 0 <= array.min() <= array.max() < 2**bits:
            zeros = array.astype(np.int64).reshape(outputs, count)
        else:
            raise Refused("zero points between codes", f"integers of 0..{2**bits - 1}")
    block = np.arange(inputs) // size
    wide = [row[:, block] for row in (scales, zeros)]
    return _Weights(codes, wide[0], wide[1], _TYPES[bits])


def _sum_of_blocks(
    node: ir.Node, x: ir.Value | None, weights: _Weights, values: RealValues
) -> ir.Value:
    """Insert the layers of all blocks in front of a node, and return their sum, without a bias.

    Args:
        node: a Conv, whose attributes its parts get, or a product of matrices.
        x: what it reads.
        weights: its weights.
        values: the graph.
    """
    blocks, total = weights.blocks(), None
    conv = node.op_type == "Conv"
    for b, here in enumerate(blocks):
        part, label = x, f"{node.name}.block{b}" if len(blocks) > 1 else str(node.name)
        if len(blocks) > 1:
            where = (("start", here.start), ("end", here.stop), ("axis", 1 if conv else -1))
            ends = [
                values.parameter(f"{label}.{name}", np.array([number], np.int64))
                for name, number in where
            ]
            part = values.add(node, "Slice", [x, *ends], f"{label}.inputs", f"{label}.inputs_out")
        codes = weights.codes[:, here]
        coding = Coding(
            values.parameter(f"{label}.scale", weights.scales[:, here.start].copy()),
            values.parameter(
                f"{label}.zero", _stored(weights.zeros[:, here.start], weights.dtype), weights.dtype
            ),
            axis=0 if conv else 1,
        )
        stored = _stored(codes if conv else codes.T, weights.dtype)
        held = values.parameter(f"{label}.codes", stored, weights.dtype)
        inputs = [part, values.real(held, coding, node)]
        attributes = node.attributes.values() if conv else ()
        op = "Conv" if conv else "MatMul"
        y = values.add(node, op, inputs, label, f"{label}.y", attributes)
        if total is not None:
            name = f"{node.name}.sum{b}"
            y = values.add(node, "Add", [total, y], name, f"{name}_out")
        total = y
    assert total is not None
    return total


def _stored(codes: Array, dtype: ir.DataType) -> Array:
    """Return codes as the bytes that hold them."""
    return np.ascontiguousarray(codes.astype(np.int8 if dtype.is_signed() else np.uint8))


def _with_bias(
    node: ir.Node, total: ir.Value, bias: ir.Value | None, values: RealValues
) -> ir.Value:
    if bias is None:
        return total
    name = f"{node.name}.bias"
    return values.add(node, "Add", [total, bias], name, f"{name}_out")


def _matmul_n_bits(node: ir.Node, values: RealValues) -> None:
    total = _sum_of_blocks(node, node.inputs[0], _read(node, values), values)
    values.replace(node.outputs[0], _with_bias(node, total, input_at(node, 5), values))


def dequantize_blocks(node: ir.Node, values: RealValues) -> None:
    """Rewrite a DequantizeLinear of constants with a block_size: the layers whose weights it gives
    become one for each block, others read its values.

    Raises:
        Refused: the parameters do not fit, or the layers would be too many.
    """
    size = node.attributes.get_int("block_size", 0) or 0
    codes, scale = values.array(node.inputs[0], "tensor"), values.array(node.inputs[1], "scale")
    axis = node.attributes.get_int("axis", 1)
    if not -codes.ndim <= axis < codes.ndim:
        raise Refused(f"axis {axis} of a tensor of shape {codes.shape}", "one of its axes")
    axis %= codes.ndim
    wanted = [*codes.shape]
    wanted[axis] = -(-wanted[axis] // size) if size > 0 else 0
    if size < 1 or scale.shape != tuple(wanted):
        found = f"blocks of {size} with scales of shape {scale.shape} for {codes.shape}"
        raise Refused(found, "one scale for each block")
    zero = np.zeros(scale.shape, np.int64)
    if (given := input_at(node, 2)) is not None:
        zero = values.array(given, "zero point").astype(np.int64)
        if zero.shape != scale.shape:
            found = f"zero points of shape {zero.shape}, scales of {scale.shape}"
            raise Refused(found, "as many")
    block = np.arange(codes.shape[axis]) // size
    wide = [row.take(block, axis) for row in (scale, zero)]
    dtype = values.code_type(node.inputs[0])
    full = _Dequantized(codes.astype(np.int64), wide[0], wide[1], dtype)
    _feed(node.outputs[0], full, values)


@dataclass(frozen=True, eq=False)
class _Dequantized:
    """value = (codes - zeros) * scales, arrays of one shape."""

    codes: Array
    scales: Array
    zeros: Array
    dtype: ir.DataType

    def transposed(self, perm: Sequence[int]) -> _Dequantized:
        codes, scales, zeros = (a.transpose(perm) for a in (self.codes, self.scales, self.zeros))
        return _Dequantized(codes, scales, zeros, self.dtype)

    def numbers(self) -> Array:
        """Return the values, float32.

        Raises:
            Refused: float32 does not hold them.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            product: Array = (self.codes - self.zeros).astype(np.float32) * self.scales
        if not np.isfinite(product).all():
            raise Refused("weights beyond float32", "finite weights")
        return product.astype(np.float32)

    def weights(self) -> _Weights | None:
        """Return them as weights [N,K,...]; None if a kernel's places differ in their scales."""
        rows = []
        for array in (self.scales, self.zeros):
            flat = array.reshape(*array.shape[:2], -1)
            if (flat != flat[:, :, :1]).any():
                return None
            rows.append(flat[:, :, 0])
        return _Weights(self.codes, rows[0].astype(np.float32), rows[1], self.dtype)


def _feed(value: ir.Value, given: _Dequantized, values: RealValues) -> None:
    plain: ir.Value | None = None
    for use in list(value.uses()):
        reader, rank = use.node, given.codes.ndim
        if reader.op_type == "Transpose" and not reader.domain:
            perm = reader.attributes.get_ints("perm") or range(rank)[::-1]
            _feed(reader.outputs[0], given.transposed(list(perm)), values)
        elif use.idx != 1 or not _layer(reader, given, values):
            if plain is None:
                plain = values.parameter(f"{value.name}.value", given.numbers())
            reader.replace_input_with(use.idx, plain)


def _layer(node: ir.Node, given: _Dequantized, values: RealValues) -> bool:
    """Rewrite a layer with these weights; False if it is none that can be cut by its inputs."""
    rank, number = given.codes.ndim, node.attributes
    matrix = not node.domain and node.op_type in ("MatMul", "Gemm") and rank == 2
    conv = not node.domain and node.op_type == "Conv" and number.get_int("group", 1) == 1
    if matrix:
        plain = all(number.get_float(k, 1.0) == 1.0 for k in ("alpha", "beta"))
        if number.get_int("transA", 0) or not plain:
            return False
        if not number.get_int("transB", 0):
            given = given.transposed([1, 0])
    weights = given.weights() if matrix or (conv and rank > 2) else None
    if weights is None:
        return False
    total = _sum_of_blocks(node, node.inputs[0], weights, values)
    bias = input_at(node, 2)
    if conv and bias is not None:
        array = values.array(bias, "bias")
        shape = [-1, *[1] * (rank - 2)]
        bias = values.parameter(f"{node.name}.bias", array.reshape(shape).astype(np.float32))
    values.replace(node.outputs[0], _with_bias(node, total, bias, values))
    return True


BLOCK_WEIGHTS: dict[tuple[str, str], Rule] = {(MICROSOFT, "MatMulNBits"): _matmul_n_bits}
