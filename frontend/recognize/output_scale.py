"""`Mul(Threshold, scale2)`: a factor after a quantizer becomes part of its step or levels.

This is exact. After a quantizer with an output offset (signed codes) the factor multiplies the
offset too.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import onnx_ir as ir

from ..opset import is_op, make_codebook, make_threshold, read_codebook, read_threshold
from .pattern import Context, Pattern
from .queries import only_reader, operands, producer
from .uniform import add_constant


def _absorb(node: ir.Node, context: Context) -> None:
    for quantized, constant in operands(node):
        factor = context.constants.scalar(constant)
        shifted = producer(quantized, "Add")
        offset = context.constants.scalar(shifted.inputs[1]) if shifted is not None else None
        if shifted is not None and offset is not None and factor is not None:
            _absorb_shifted(node, shifted, Fraction(float(offset)), float(factor), context)
            return
        quantizer = quantized.producer()
        if is_op(quantizer, "Codebook") and factor is not None and np.isfinite(factor):
            _absorb_levels(node, quantized, float(factor), context)
            return
        if quantizer is None or not is_op(quantizer, "Threshold") or factor is None:
            continue
        params = read_threshold(quantizer)
        step = params.step * float(factor)
        exact = Fraction(params.step) * Fraction(float(factor)) if np.isfinite(factor) else None
        if only_reader(quantized, "Mul") is not node or exact is None or Fraction(step) != exact:
            continue
        x = quantizer.inputs[0]
        assert x is not None
        scaled = make_threshold(context.graph, x, replace(params, step=step), str(node.name))
        scaled.metadata_props.update(quantizer.metadata_props)
        context.replace(node.outputs[0], context.insert(node, scaled))
        return


def _absorb_shifted(
    node: ir.Node, shifted: ir.Node, offset: Fraction, factor: float, context: Context
) -> None:
    """Rewrite (Threshold + offset) * factor."""
    quantized = shifted.inputs[0]
    quantizer = quantized.producer() if quantized is not None else None
    if quantizer is None or quantized is None or not is_op(quantizer, "Threshold"):
        return
    if only_reader(quantized, "Add") is not shifted:
        return
    if only_reader(shifted.outputs[0], "Mul") is not node or not np.isfinite(factor):
        return
    params, total = read_threshold(quantizer), offset * Fraction(factor)
    step = params.step * factor
    x = quantizer.inputs[0]
    exact = Fraction(step) == Fraction(params.step) * Fraction(factor)
    if x is None or not exact or Fraction(float(total)) != total:
        return
    threshold = make_threshold(context.graph, x, replace(params, step=step), f"{node.name}.codes")
    threshold.metadata_props.update(quantizer.metadata_props)
    y = add_constant(node, context.insert(node, threshold), total, context)
    context.replace(node.outputs[0], y)


def _absorb_levels(node: ir.Node, quantized: ir.Value, factor: float, context: Context) -> None:
    quantizer = quantized.producer()
    assert quantizer is not None
    params = read_codebook(quantizer)
    levels = params.levels * factor
    exact = all(
        Fraction(have) == Fraction(level) * Fraction(factor)
        for have, level in zip(levels.tolist(), params.levels.tolist(), strict=True)
    )
    x = quantizer.inputs[0]
    if exact and only_reader(quantized, "Mul") is node and x is not None:
        scaled = make_codebook(context.graph, x, replace(params, levels=levels), str(node.name))
        context.replace(node.outputs[0], context.insert(node, scaled))


OUTPUT_SCALE = Pattern("output scale", frozenset({"Mul"}), _absorb)
