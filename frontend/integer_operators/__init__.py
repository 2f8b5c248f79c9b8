"""Operators on integer codes, rewritten as float operators between quantizers.

ONNX defines QLinearConv and its kind as: dequantize the inputs, compute in real arithmetic,
quantize the result, rounding half to even with saturation. That is what they become here, before
shapes are known, so that all patterns see one form (QDQ). ONNX Runtime multiplies the integer
accumulator by a float32 ratio of scales instead: its codes differ where that rounding crosses a
boundary, and where 8-bit products of unsigned codes saturate in 16 bits (processors without VNNI).
"""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from ..diagnostics import CompileError, Problem, reason
from ..recognize.pattern import Refused
from .accumulators import ACCUMULATORS
from .block_weights import BLOCK_WEIGHTS
from .code_readers import CODE_READERS
from .qlinear import QLINEAR
from .real_values import RealValues

__all__ = ["to_float_operators"]

Rule = Callable[[ir.Node, RealValues], None]

_RULES: dict[tuple[str, str], Rule] = {**QLINEAR, **ACCUMULATORS, **BLOCK_WEIGHTS, **CODE_READERS}


def to_float_operators(model: ir.Model) -> None:
    """Rewrite every operator on integer codes, in place; the graph has to be sorted.

    Raises:
        CompileError: lists the operators that cannot be rewritten.
    """
    nodes = [n for n in model.graph if (n.domain, n.op_type) in _RULES]
    problems: list[Problem] = []
    values = RealValues(model)
    for node in nodes:
        try:
            _RULES[node.domain, node.op_type](node, values)
        except Refused as refusal:
            found = (refusal.found, refusal.supported, refusal.hint)
            problems.append(Problem(str(node.name), node.op_type, *found))
        except (ValueError, IndexError, ArithmeticError, TypeError) as error:
            found_text = f"parameters that do not fit each other ({reason(error)})"
            hint = "the file is damaged: export it again"
            problems.append(Problem(str(node.name), node.op_type, found_text, hint=hint))
    if problems:
        raise CompileError(problems)
    if nodes:
        values.finish()
