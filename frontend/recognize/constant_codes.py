"""Quantized constants: n2uq.Weight where they are weights of a layer, else float values."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from ..opset import Weight, initializer, make_weight
from .channels_last import put_product
from .pattern import Context, Refused
from .queries import Array, is_standard, signed_bits

_WIDEST = 8  # most bits of weights that are kept as codes; an asymmetric zero point adds one


@dataclass(frozen=True, eq=False)
class Codes:
    """value = codes * scale.

    Attributes:
        codes: int64, of any shape, with the zero point subtracted.
        scale: float32, positive, broadcastable to `codes`.
        bits: width of the type that stores them.
    """

    codes: Array
    scale: Array
    bits: int

    def values(self) -> Array:
        """Return the values in float32, computed as QONNX and ONNX define."""
        return (self.codes.astype(np.float32) * self.scale).astype(np.float32)

    def transposed(self) -> Codes:
        """Return the transposed matrix."""
        scale = self.scale.reshape((1,) * (2 - self.scale.ndim) + self.scale.shape)
        return replace(self, codes=self.codes.T, scale=scale.T)


def spread(values: Array, constant: Array, name: str) -> Array:
    """Check that parameters broadcast to a constant without changing its shape; return them.

    Raises:
        Refused: they do not.
    """
    try:
        fits = np.broadcast_shapes(values.shape, constant.shape) == constant.shape
    except ValueError:
        fits = False
    if not fits:
        found = f"a {name} of shape {values.shape} for a constant of shape {constant.shape}"
        raise Refused(found, "one value for the tensor, or one along an axis of it")
    return values


def put_codes(node: ir.Node, quantized: Codes, context: Context) -> None:
    """Replace `node` by its constant value: as codes for layers whose weights it is."""
    _feed(node, node.outputs[0], quantized, context)
    context.constants.forget()


def _feed(origin: ir.Node, value: ir.Value, quantized: Codes, context: Context) -> None:
    plain: ir.Value | None = None
    for use in list(value.uses()):
        reader, index = use.node, use.idx
        if is_standard(reader, "Identity"):
            _feed(origin, reader.outputs[0], quantized, context)
        elif is_standard(reader, "Transpose") and quantized.codes.ndim == 2:
            perm = reader.attributes.get_ints("perm") or (1, 0)
            swapped = list(perm) == [1, 0]
            _feed(
                origin, reader.outputs[0], quantized.transposed() if swapped else quantized, context
            )
        elif index == 1 and _as_weight(origin, reader, quantized, context):
            continue
        else:
            if plain is None:
                plain = initializer(context.graph, f"{value.name}.value", quantized.values())
                plain.shape, plain.dtype = ir.Shape(quantized.codes.shape), ir.DataType.FLOAT
            reader.replace_input_with(index, plain)


def _as_weight(origin: ir.Node, layer: ir.Node, quantized: Codes, context: Context) -> bool:
    """Insert an n2uq.Weight before a Conv or Gemm;
    return False if the codes are not its weights.
    """
    ranks = (3, 4) if layer.op_type == "Conv" else (2,)
    rank = quantized.codes.ndim
    if not is_standard(layer, "Conv", "Gemm", "MatMul") or rank not in ranks:
        return False
    data = layer.inputs[0]
    if layer.op_type == "MatMul" and (data is None or data.shape is None):
        return False
    if rank == 2 and not layer.attributes.get_int("transB", 0):
        quantized = quantized.transposed()
    scale = _output_scales(quantized)
    if scale is None or not (scale > 0).all() or not np.isfinite(scale).all():
        context.note(layer, "weights stay float: their scale is not one positive value per output")
        return False
    params = _weight(quantized, scale)
    if params.bits > _WIDEST + 1:
        context.note(layer, f"weights stay float: {params.bits}-bit codes are wider than 8 bits")
        return False
    if data is not None and data.shape is not None and len(data.shape) > 2 == rank:
        put_product(layer, params, context)
        return True
    weight = context.insert(layer, make_weight(context.graph, params, str(origin.name)))
    weight.name = f"{layer.name}.weight_codes"
    if layer.op_type == "MatMul":
        gemm = ir.node(
            "Gemm", [data, weight], {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 1},
            name=str(layer.name),
        )  # fmt: skip
        context.replace(layer.outputs[0], context.insert(layer, gemm))
        context.graph.remove(layer, safe=True)
        return True
    layer.replace_input_with(1, weight)
    if layer.op_type == "Gemm":
        layer.attributes.add(ir.AttrInt64("transB", 1))
    return True


def _output_scales(quantized: Codes) -> Array | None:
    """Return the scales, float32 [O], of codes [O, …]; None if they vary along another axis."""
    shape = (1,) * (quantized.codes.ndim - quantized.scale.ndim) + quantized.scale.shape
    if any(size != 1 for size in shape[1:]) or shape[0] not in (1, len(quantized.codes)):
        return None
    return np.broadcast_to(quantized.scale.reshape(-1), len(quantized.codes))


def _weight(quantized: Codes, scale: Array) -> Weight:
    """Make odd codes if all are odd, else signed codes of the stored width or, if needed, wider."""
    codes, step = quantized.codes, scale.astype(np.float64)
    if (codes % 2 != 0).all():
        return Weight(codes, step, 1, int(np.abs(codes).max()).bit_length())
    return Weight(codes, step, 1, max(signed_bits(codes), quantized.bits), odd=False)
