"""Step functions: quantizers written as any arithmetic on comparisons of one tensor with constants.

Sums of comparisons over an added axis, a Gather of levels by such a sum (`torch.bucketize`), a
ladder that starts from a full tensor, `sign(x - T)`, the level nearest to x (LCQ, Yamamoto, CVPR
2021; APoT, Li et al., ICLR 2020). All are constant between the numbers that x is compared with, so
they are known once they are evaluated between these numbers and at them.
"""

from __future__ import annotations

import onnx_ir as ir

from .base import Context, Pattern, Refused, is_standard, operands
from .levels import put_levels
from .step_evaluate import NotAStep
from .step_search import COMPARISONS, FLOATS, Kind, Search, sizes
from .step_value import Evaluation


def _recognise(context: Context) -> None:
    search = Search(context)
    evaluation = Evaluation(search)
    for node in context.graph:
        search.visit(node)
    for value in list(search.parts):
        if not _is_root(value, search):
            continue
        root = _without_factors(value, search)
        made = root.producer()
        assert made is not None
        try:
            thresholds, rules, levels = evaluation.thresholds(root)
        except NotAStep:
            continue
        covers = evaluation.cone(root)
        try:
            put_levels(made, search.parts[root].x, thresholds, rules, levels, context, covers)
        except Refused as refusal:
            context.refusals.setdefault(made, refusal)


def _is_root(value: ir.Value, search: Search) -> bool:
    """A step function of the tensor's own shape that something else reads."""
    part = search.parts[value]
    if part.kind is not Kind.STEP or value.dtype not in FLOATS:
        return False
    if part.layout != tuple((axis,) for axis in range(len(part.layout))):
        return False
    if sizes(value) != sizes(part.x) or len(part.layout) < 2:
        return False
    if value.is_graph_output():
        return True
    return any(
        reader.outputs[0] not in search.parts
        or search.parts[reader.outputs[0]].x is not part.x
        for reader in value.consumers()
    )


def _without_factors(value: ir.Value, search: Search) -> ir.Value:
    """Before multiplications by a scalar, which join the step later, exactly."""
    while True:
        node = value.producer()
        if node is None or not is_standard(node, "Mul"):
            return value
        inner = [x for x, c in operands(node) if search.context.constants.scalar(c) is not None]
        if not inner or inner[0] not in search.parts or len(list(inner[0].uses())) != 1:
            return value
        value = inner[0]


def _once(node: ir.Node, context: Context) -> None:
    """The whole graph is searched at its first comparison."""
    if not node.meta.get(_DONE):
        for other in context.graph:
            other.meta[_DONE] = True
        _recognise(context)


_DONE = "n2uq.step_functions_searched"

STEP_FUNCTION = Pattern("step function", COMPARISONS | {"Sign", "ArgMin"}, _once)
