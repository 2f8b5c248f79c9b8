"""Step functions: quantizers written as any arithmetic on comparisons of one tensor with constants.

Sums of comparisons over an added axis, a Gather of levels by such a sum (`torch.bucketize`), a
ladder that starts from a full tensor, `sign(x - T)`, the level nearest to x (LCQ, Yamamoto, CVPR
2021; APoT, Li et al., ICLR 2020). All are constant between the numbers that x is compared with, so
it suffices to evaluate them at these numbers and between them.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import onnx_ir as ir

from ..opset import MAX_BITS
from .levels import put_levels
from .pattern import Context, Pattern, Refused
from .queries import Array, is_standard, operands
from .step_evaluate import NotAStep
from .step_search import COMPARISONS, FLOATS, Kind, Search, search_once, sizes
from .step_value import Evaluation

_STARTS = (*sorted(COMPARISONS), "Sign", "ArgMin")
_NOISE = 1e-6  # of a step: levels are float32 sums


def _recognize(context: Context) -> None:
    """Search the graph, first with Reshape as part of quantizers, then as a flattening.

    With a batch of one, shapes do not tell the two apart.
    """
    _replace(Search(context), context)
    context.drop_unused()
    if any(is_standard(node, *_STARTS) for node in context.graph):
        _replace(Search(context, through_reshapes=False), context)


def _replace(search: Search, context: Context) -> None:
    evaluation = Evaluation(search)
    for node in context.graph:
        search.visit(node)
    quantizers = []
    for value in list(search.parts):  # all first: they read one another
        if not _is_root(value, search):
            continue
        root = _without_factors(value, search)
        try:
            thresholds, rules, levels = evaluation.thresholds(root)
        except NotAStep:
            continue
        steps = _with_skipped(thresholds, rules, levels, evaluation.written_steps(root))
        quantizers.append((root, steps, evaluation.cone(root)))
    for root, (thresholds, rules, levels), covers in quantizers:
        quantizer = root.producer()
        assert quantizer is not None
        try:
            x = search.parts[root].x
            put_levels(quantizer, x, thresholds, rules, levels, context, covers)
        except Refused as refusal:
            context.refusals.setdefault(quantizer, refusal)


def _is_root(value: ir.Value, search: Search) -> bool:
    """Return whether a value is a step function, of the tensor's shape, that other nodes read."""
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
        reader.outputs[0] not in search.parts or search.parts[reader.outputs[0]].x is not part.x
        for reader in value.consumers()
    )


def _with_skipped(
    thresholds: Array, rules: list[bool], levels: Array, count: int
) -> tuple[Array, list[bool], Array]:
    """Return the same function with one threshold per level of the file, if these are equidistant.

    Thresholds that are equal or out of order skip levels; without the skipped levels an equidistant
    quantizer would not look equidistant.

    Args:
        thresholds, rules, levels: the evaluated function, each threshold once.
        count: number of steps in the file; of a chain of quantizers, which is one function too,
            more than any quantizer may have.
    """
    if not np.isfinite(levels).all():
        return thresholds, rules, levels  # refused where they become a quantizer
    heights = np.diff(levels) * (count / (levels[-1] - levels[0]) if levels[-1] != levels[0] else 0)
    steps = np.round(heights)
    if not len(rules) < count < 2**MAX_BITS:
        return thresholds, rules, levels
    if (steps < 1).any() or np.abs(heights - steps).max() > _NOISE * count:
        return thresholds, rules, levels
    times = steps.astype(int)
    even = np.linspace(levels[0], levels[-1], count + 1)
    strict = np.repeat(np.array(rules, bool), times)
    return np.repeat(thresholds, times, axis=1), [bool(rule) for rule in strict], even


def _without_factors(value: ir.Value, search: Search) -> ir.Value:
    """Return the value before scales, and before offsets per channel, that later patterns merge."""
    while True:
        node = value.producer()
        inner = None if node is None else _unscaled(node, search)
        part = search.parts.get(inner) if inner is not None else None
        if inner is None or part is None or part.kind is not Kind.STEP:
            return value
        if len(list(inner.uses())) != 1 or inner.dtype not in FLOATS:
            return value
        value = inner


def _unscaled(node: ir.Node, search: Search) -> ir.Value | None:
    """Return the operand that a node multiplies by a number, or scales or shifts per channel."""
    for inner, constant in operands(node):
        if search.known(inner) or not search.known(constant):
            continue
        single = search.context.constants.scalar(constant) is not None
        if is_standard(node, "Mul") or (not single and is_standard(node, "Add")):
            return inner
        if not single and is_standard(node, "Sub", "Div") and node.inputs[0] is inner:
            return inner
    return None


STEP_FUNCTION = Pattern(
    "step function",
    frozenset(_STARTS),
    partial(search_once, _recognize, "n2uq.step_functions_searched"),
)
