"""Standard operators that read codes: DequantizeLinear behind a move, Cast, ArgMax and ArgMin."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from .block_weights import dequantize_blocks
from .real_values import Coding, RealValues, input_at

Rule = Callable[[ir.Node, RealValues], None]


def _dequantize(node: ir.Node, values: RealValues) -> None:
    """Dequantize where the codes were made; tensors dequantized twice are one."""
    codes, scale = input_at(node, 0), input_at(node, 1)
    if codes is None or scale is None:
        return
    if values.constants.known(codes):
        if node.attributes.get_int("block_size", 0):
            dequantize_blocks(node, values)
        return
    if node.attributes.get_int("block_size", 0) or not values.constants.known(scale):
        return  # refused later, with the reason
    coding = Coding(scale, input_at(node, 2), node.attributes.get_int("axis", 1))
    if not values.take(node, codes, coding):
        values.replace(node.outputs[0], values.real(codes, coding, node))


def _cast(node: ir.Node, values: RealValues) -> None:
    """A cast of codes to float gives the codes as numbers."""
    codes = input_at(node, 0)
    to_float = node.attributes.get_int("to", 0) == ir.DataType.FLOAT
    if codes is not None and to_float and values.quantizer(codes) is not None:
        one = values.parameter(f"{node.name}.one", np.array(1, np.float32))
        values.replace(node.outputs[0], values.real(codes, Coding(one, None), node))


def _order(node: ir.Node, values: RealValues) -> None:
    """The place of the largest code is that of the largest number, the first of equals too."""
    codes = input_at(node, 0)
    quantizer = values.quantizer(codes) if codes is not None else None
    if quantizer is None or (scale := input_at(quantizer, 1)) is None:
        return
    if values.size(scale) == 1:
        coding = Coding(scale, input_at(quantizer, 2))
        node.replace_input_with(0, values.real(codes, coding, node))


CODE_READERS: dict[tuple[str, str], Rule] = {
    ("", "DequantizeLinear"): _dequantize,
    ("", "Cast"): _cast,
    ("", "ArgMax"): _order,
    ("", "ArgMin"): _order,
}
