"""Fixed-point form of a product of two tensors: a gate, squeeze-and-excite.

The product of two fixed-point numbers is exact; what is rounded are the operands, where they have
more bits than a product can hold, and the result, which is brought to its own scale.  With
``|x - x'| <= e`` and ``|y - y'| <= f``: ``|x y - x' y'| <= |x'| f + |y'| e + e f``.
"""

from __future__ import annotations

from fractions import Fraction

from ..program.ops import Multiply
from ..program.ops.real import RealMultiply
from ..program.types import IntType
from .lowering import ONE, ZERO, Lowering

PRODUCT_BITS = 60  # including the sign; the rest is for rounding


def product(low: Lowering, op: RealMultiply, scale: Fraction, bits: int) -> None:
    """Emit the product with a scale."""
    types = [low.int_type(name) for name in op.inputs]
    names = [
        low.narrowed(name, room(tensor_type, other))
        for name, tensor_type, other in zip(op.inputs, types, reversed(types), strict=True)
    ]
    a, b = (low.int_type(name) for name in names)
    assert a.scale is not None and b.scale is not None
    error = a.real_most * b.error + b.real_most * a.error + a.error * b.error
    exact = low.put(
        Multiply(output=low.fresh(f"{op.output}.exact"), inputs=tuple(names), origin=op.origin),
        a.scale * b.scale,
        error,
    )
    channels = a.shape[2]
    low.requantize(op.output, exact, [ONE] * channels, [ZERO] * channels, scale, bits, op.origin)


def room(tensor_type: IntType, other: IntType) -> int:
    """Return the bits, sign included, that an operand may have beside the other one."""
    return max(PRODUCT_BITS - signed_bits(other), PRODUCT_BITS // 2)


def signed_bits(tensor_type: IntType) -> int:
    """Return the width of a tensor as a signed one."""
    return tensor_type.bits + (not tensor_type.signed)
