"""Operators of two tensors that keep the batch: ONNX's broadcasting can also enlarge or move it."""

from __future__ import annotations

import onnx_ir as ir

from .pattern import Context, Pattern, Refused
from .queries import shape_of

_OPS = frozenset(
    "Add Sub Mul Div Pow Max Min PRelu Where Equal Greater GreaterOrEqual Less LessOrEqual".split()
)


def _require_same_batch(node: ir.Node, context: Context) -> None:
    """Refuse a constant that makes several images of one, or a new axis before the batch."""
    computed = [x for x in node.inputs if x is not None and not context.constants.known(x)]
    if not computed:
        return
    after = shape_of(node.outputs[0])
    for tensor in computed:
        before = shape_of(tensor)
        raised = context.dynamic and len(before) < len(after)
        if raised or before[:1] != after[:1]:
            raise Refused(
                f"a tensor {before} becomes {after}: the batch is no longer as it was",
                "constants of at most as many axes as the tensor, of size 1 along the batch",
                fatal=node.op_type in ("Max", "Min"),  # a clamp by a constant of equal values
            )


BROADCAST = Pattern("broadcasting", _OPS, _require_same_batch)
