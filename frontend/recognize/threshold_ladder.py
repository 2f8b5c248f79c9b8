"""Comparison ladders: N2UQ's learned-threshold activation quantizer as exporters write it.

There are two forms; both compare a value x with constant thresholds T_k:

    Where(x > T_n, v_n, … Where(x > T_2, v_2, Where(x > T_1, v_1, v_0)))
    Cast(x > T_1)*v + Cast(x > T_2)*v + …

N2UQ, Liu et al., CVPR 2022, section 3.2: with ascending T the value is v_k where k thresholds are
passed, and with equidistant levels v_k = k·2/n it is step/divisor times a count. Other levels make
a codebook (LQ-Nets, APoT, LCQ). x may be on either side of a comparison; `>` and `>=` are kept,
because ties matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..opset import MAX_BITS
from .levels import put_levels
from .pattern import Context, Pattern, Refused
from .queries import Array, channel_values, is_standard, operands, producer, shape_of

_OPPOSITE = {
    "Greater": "LessOrEqual",
    "LessOrEqual": "Greater",
    "Less": "GreaterOrEqual",
    "GreaterOrEqual": "Less",
}
_MIRROR = {
    "Greater": "Less",
    "Less": "Greater",
    "GreaterOrEqual": "LessOrEqual",
    "LessOrEqual": "GreaterOrEqual",
}


@dataclass(frozen=True)
class _Rung:
    """One comparison: above the threshold the value is `high`, else `low`."""

    x: ir.Value
    threshold: ir.Value
    strict: bool
    high: ir.Value | None
    low: ir.Value | None
    nodes: tuple[ir.Node, ...]


def _comparison(
    condition: ir.Value | None, context: Context
) -> tuple[ir.Value, ir.Value, str, tuple[ir.Node, ...]] | None:
    """Return (x, T, operator with x on the left, nodes), or None for other conditions."""
    inverted, nodes = False, []
    while (negation := producer(condition, "Not")) is not None:
        inverted, condition = not inverted, negation.inputs[0]
        nodes.append(negation)
    node = producer(condition, *_MIRROR)
    if node is None:
        return None
    left, right = node.inputs
    known = context.constants.known
    if left is None or right is None or known(left) == known(right):
        return None
    x, threshold, op = (
        (left, right, node.op_type) if known(right) else (right, left, _MIRROR[node.op_type])
    )
    return x, threshold, _OPPOSITE[op] if inverted else op, (*nodes, node)


def _rung(node: ir.Node | None, context: Context) -> _Rung | None:
    """Match a Where whose upper branch is a constant."""
    if node is None:
        return None
    compared = _comparison(node.inputs[0], context)
    if compared is None:
        return None
    x, threshold, op, nodes = compared
    high, low = node.inputs[1], node.inputs[2]
    if op in ("Less", "LessOrEqual"):
        op, high, low = _OPPOSITE[op], low, high
    if not context.constants.known(high):
        return None
    return _Rung(x, threshold, op == "Greater", high, low, (node, *nodes))


def _continues(rung: _Rung, node: ir.Node, context: Context) -> bool:
    """Return whether a Where is part of a longer ladder."""
    for reader in node.outputs[0].consumers():
        above = _rung(reader, context) if is_standard(reader, "Where") else None
        if above is not None and above.low is node.outputs[0] and above.x is rung.x:
            return True
    return False


def _recognize_where(node: ir.Node, context: Context) -> None:
    rung = _rung(node, context)
    if rung is None or context.constants.known(rung.x) or _continues(rung, node, context):
        return
    rungs = [rung]
    while (below := _rung(producer(rungs[-1].low, "Where"), context)) is not None:
        if below.x is not rung.x:
            break
        rungs.append(below)
    rungs.reverse()
    covers = [n for r in rungs for n in r.nodes]
    levels = [context.constants.scalar(v) for v in (rungs[0].low, *(r.high for r in rungs))]
    if any(level is None for level in levels):
        raise Refused(
            "a ladder of comparisons whose levels are not all single constants",
            "constant levels, the lowest included",
            covers=covers,
        )
    _emit(node, rungs, np.array(levels, np.float64), context, covers)


def _leaves(value: ir.Value, context: Context, limit: int) -> Iterator[tuple[_Rung, np.generic]]:
    """Yield the terms of a sum of weighted comparisons.

    Raises:
        _NotASum: a term is something else, or there are more than `limit` nodes.
    """
    stack = [value]
    while stack:
        limit -= 1
        node = producer(stack.pop(), "Add", "Sum", "Mul", "Cast", "Where")
        if node is None or limit < 0:
            raise _NotASum
        if node.op_type in ("Add", "Sum"):
            stack.extend(x for x in reversed(node.inputs) if x is not None)
            continue
        term = _term(node, context)
        if term is None:
            raise _NotASum
        yield term


_MOST = 4 * 2**MAX_BITS  # most nodes of a sum


class _NotASum(Exception):
    pass


def _term(node: ir.Node, context: Context) -> tuple[_Rung, np.generic] | None:
    """Match a term: Cast(x > T), times a constant or not, or Where(x > T, v, 0)."""
    scalar = context.constants.scalar
    if node.op_type == "Where":
        rung = _rung(node, context)
        height = scalar(rung.high) if rung is not None else None
        if rung is None or height is None or scalar(rung.low) != 0:
            return None
        return rung, height
    weight: np.generic = np.float32(1)
    around: tuple[ir.Node, ...] = (node,)
    if node.op_type == "Mul":
        factors = [(producer(x, "Cast"), scalar(c)) for x, c in operands(node)]
        cast, factor = next((f for f in factors if f[0] is not None), (None, None))
        if cast is None or factor is None:
            return None
        around, weight = (node, cast), factor
    compared = _comparison(around[-1].inputs[0], context) if around[-1].op_type == "Cast" else None
    if compared is None or compared[2] not in ("Greater", "GreaterOrEqual"):
        return None
    x, threshold, op, nodes = compared
    return _Rung(x, threshold, op == "Greater", None, None, (*around, *nodes)), weight


def _count(root: ir.Value, context: Context) -> int:
    """Count the nodes of the sum that `_leaves` visits; more than `_MOST` if it is no such sum.

    Each value is counted once, even if it is part of many sums.
    """
    counted, stack = context.terms, [root]
    while stack:
        value = stack[-1]
        if value in counted:
            stack.pop()
            continue
        node = producer(value, "Add", "Sum", "Mul", "Cast", "Where")
        if node is not None and node.op_type in ("Add", "Sum"):
            inputs = [x for x in node.inputs if x is not None]
            if pending := [x for x in inputs if x not in counted]:
                stack.extend(pending)
                continue
            counted[value] = min(1 + sum(counted[x] for x in inputs), _MOST + 1)
        else:
            counted[value] = 1 if node is not None and _term(node, context) else _MOST + 1
    return counted[root]


def _recognize_sum(node: ir.Node, context: Context) -> None:
    """Match a sum of at least two comparisons; nodes are visited from the output,
    whole sums first.
    """
    if _count(node.outputs[0], context) > _MOST:
        return
    try:
        terms = list(_leaves(node.outputs[0], context, _MOST))
    except _NotASum:
        return
    covers = [n for rung, _ in terms for n in rung.nodes]
    if any(rung.x is not terms[0][0].x for rung, _ in terms):
        raise Refused("a sum of comparisons of different tensors", covers=covers)
    rungs, heights = [rung for rung, _ in terms], np.array([float(w) for _, w in terms])
    thresholds = [context.constants.array(rung.threshold) for rung in rungs]
    if all(t is not None and t.size == 1 for t in thresholds):  # terms may have any order
        order = np.argsort([float(t.reshape(-1)[0]) for t in thresholds if t is not None])
        rungs, heights = [rungs[i] for i in order], heights[order]
    equal = (heights == heights[0]).all()
    passed = np.arange(1, len(rungs) + 1) * heights[0] if equal else np.cumsum(heights)
    _emit(node, rungs, np.concatenate([[0.0], passed]), context, covers)


def _emit(
    root: ir.Node, rungs: list[_Rung], levels: Array, context: Context, covers: list[ir.Node]
) -> None:
    """Check the ladder and replace `root` by a Threshold or a Codebook."""
    n = len(rungs)
    if n >= 2**MAX_BITS:
        raise Refused(f"{n} thresholds", f"at most {2**MAX_BITS - 1}", covers=covers)
    thresholds = _thresholds(rungs, context, covers)
    rules = _nested_rules([rung.strict for rung in rungs], thresholds, covers)
    put_levels(root, rungs[0].x, thresholds, rules, levels, context, covers)


def _nested_rules(rules: list[bool], thresholds: Array, covers: list[ir.Node]) -> list[bool]:
    """Return rules by which x that passes a threshold also passes all lower ones.

    Of two equal thresholds the upper one decides: if it is `>=`, so is the lower one.
    """
    for k in range(len(rules) - 2, -1, -1):
        equal = thresholds[:, k] == thresholds[:, k + 1]
        if rules[k] and not rules[k + 1] and equal.any():
            if not equal.all():
                raise Refused(
                    f"thresholds {k + 1} (>) and {k + 2} (>=) that are equal in some channels only",
                    "one rule for thresholds that are equal",
                    covers=covers,
                )
            rules[k] = False
    return rules


def _thresholds(rungs: list[_Rung], context: Context, covers: list[ir.Node]) -> Array:
    """Return the thresholds of a ladder, float32 [1,K] or [C,K], ascending."""
    shape = shape_of(rungs[0].x)
    columns = []
    for rung in rungs:
        array = context.constants.array(rung.threshold)
        column = channel_values(array, shape) if array is not None else None
        if column is None:
            raise Refused(
                f"thresholds '{rung.threshold.name}' that differ between positions",
                "one set for the tensor, or one per channel",
                covers=covers,
            )
        columns.append(column)
    channels = max(column.size for column in columns)
    thresholds = np.stack([np.broadcast_to(c, channels) for c in columns], axis=1)
    if not np.isfinite(thresholds).all():
        raise Refused("a threshold is not finite", "finite thresholds", covers=covers)
    falls = np.argwhere(np.diff(thresholds, axis=1) < 0)
    if falls.size:
        c, k = falls[0]
        raise Refused(
            f"thresholds out of order: number {k + 1} is {thresholds[c, k]:g}, "
            f"number {k + 2} is {thresholds[c, k + 1]:g}",
            "thresholds in ascending order",
            "keep the interval lengths positive: a+ = max(a, 1e-3)",
            covers=covers,
        )
    return thresholds.astype(np.float32)


LADDER = Pattern("threshold ladder", frozenset({"Where"}), _recognize_where)
SUM_OF_COMPARISONS = Pattern(
    "sum of comparisons", frozenset({"Add", "Sum"}), _recognize_sum, backwards=True
)
