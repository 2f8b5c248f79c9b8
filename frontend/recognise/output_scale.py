"""`Mul(Threshold, scale2)`: a scalar behind a quantizer joins its step or levels, exactly."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import onnx_ir as ir

from ..opset import is_op, make_codebook, make_threshold, read_codebook, read_threshold
from .base import Context, Pattern, only_reader, operands


def _absorb(node: ir.Node, context: Context) -> None:
    for quantized, constant in operands(node):
        quantizer = quantized.producer()
        factor = context.constants.scalar(constant)
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
        context.replace(node.outputs[0], context.insert(node, scaled))
        return


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
