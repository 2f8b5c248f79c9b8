"""`Mul(Threshold, scale2)`: a scalar behind a quantizer becomes part of its step, exactly."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import onnx_ir as ir

from ..opset import is_op, make_threshold, read_threshold
from .base import Context, Pattern, only_reader, operands


def _absorb(node: ir.Node, context: Context) -> None:
    for quantized, constant in operands(node):
        quantizer = quantized.producer()
        factor = context.constants.scalar(constant)
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


OUTPUT_SCALE = Pattern("output scale", frozenset({"Mul"}), _absorb)
