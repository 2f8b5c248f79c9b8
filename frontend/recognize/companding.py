"""Quantizers that round a curved function of the activation: companding, logarithms.

LCQ rounds a learned piecewise linear function and expands the result by its inverse, both written
with tables that are indexed by the piece (Yamamoto, CVPR 2021, equations 3 to 6). Whatever the
arithmetic, it is a function of one number that takes few values: its jumps are found by halving
intervals of float64 until their ends are neighbors.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import onnx_ir as ir

from ..opset import MAX_BITS
from .function_operators import RULES
from .levels import put_levels
from .pattern import Context, Pattern, Refused
from .queries import Array
from .step_evaluate import ELEMENTWISE, REDUCTIONS, NotAStep, aligned, reduced
from .step_search import COMPARISONS, FLOATS, LAYOUT, TABLES, Kind, Part, Search, search_once, sizes
from .step_value import Evaluation

_ROUNDINGS: dict[str, Callable[..., Any]] = {
    "Round": np.rint, "Floor": np.floor, "Ceil": np.ceil
}  # fmt: skip
_CURVES: dict[str, Callable[..., Any]] = {
    "Exp": np.exp, "Log": np.log, "Sqrt": np.sqrt, "Tanh": np.tanh, "Pow": np.power,
    "Reciprocal": np.reciprocal,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **ELEMENTWISE, **_ROUNDINGS, **_CURVES, "Relu": lambda a: np.maximum(a, 0),
    "Clip": np.clip,
}  # fmt: skip
_BOUNDS = ("Clip", "Min", "Max")
_STEPS = (*_ROUNDINGS, *COMPARISONS, "Sign", "ArgMin", "ArgMax")

_NOISE = 1e-6  # rounding of float32 levels, relative to the greatest level
_FAR = 2.0 ** np.linspace(-24, 24, 48 * 16 + 1)
_BETWEEN = 1 << 13
_HALVINGS = 80  # from 2**24 to neighbors near 1
_MOST_JUMPS = 1 << MAX_BITS


class CurveSearch(Search):
    """Search for elementwise functions of one tensor that are alike in all channels."""

    def _part(self, node: ir.Node, parts: list[Part]) -> Part:
        x, op, kinds = parts[0].x, node.op_type, {part.kind for part in parts}
        if any(part.x is not x for part in parts):
            raise NotAStep
        steps = kinds == {Kind.STEP}
        if op in _STEPS:
            steps = True
        elif op == "Cast":
            steps = steps or node.attributes.get_int("to") not in FLOATS
        elif (op in TABLES and not steps) or (
            op not in _FUNCTIONS and op not in (*TABLES, *LAYOUT, *REDUCTIONS)
        ):
            raise NotAStep
        layout = self._layout(node, parts)
        if op in _FUNCTIONS:
            self._require_alike(node, layout)
        return Part(x, Kind.STEP if steps else Kind.CURVE, layout)

    def _require_alike(self, node: ir.Node, layout: tuple[tuple[int, ...], ...]) -> None:
        """Check that no parameter differs between channels: such an operation is no quantizer's."""
        shape = sizes(node.outputs[0])
        for value in node.inputs:
            array = self.context.constants.array(value) if value and self.known(value) else None
            if array is None or array.size == 1 or shape is None:
                continue
            skipped = len(layout) - array.ndim
            held = reduced(array, layout[skipped:], shape[skipped:]).shape[1:]
            if any(n > 1 for n, runs in zip(held, layout[skipped:], strict=True) if runs):
                raise NotAStep


class CurveEvaluation(Evaluation):
    """Evaluation of such functions in float64."""

    def is_quantizer(self, root: ir.Value) -> bool:
        """Tell whether a curved function is rounded; other quantizers have other patterns."""
        parts, cone = self.search.parts, self.cone(root)
        curved = rounded = False
        for node in cone:
            computed = [v for v in node.inputs if v is not None and not self.search.known(v)]
            flat = all(v in parts and parts[v].kind is Kind.STEP for v in computed)
            rounded |= node.op_type in _STEPS and not flat
            curved |= node.op_type in _CURVES or (
                not flat
                and (
                    node.op_type == "ReduceSum"
                    or (node.op_type in ("Mul", "Div") and len(computed) == 2)
                )
            )
        return curved and rounded and not self._only_before(cone)

    def _only_before(self, cone: list[ir.Node]) -> bool:
        """Tell whether a function is rounded as it is: it and its quantizer have other patterns.

        Companding quantizers undo their function after rounding, have tables, or bound their input
        and not what is rounded.
        """
        parts = self.search.parts
        kinds = [
            "bound" if n.op_type in _BOUNDS else "curve"
            for n in cone
            if n.op_type in (*_BOUNDS, *_CURVES)
        ]
        if "bound" in kinds and kinds[-1] == "curve":
            return False
        for node in cone:
            computed = [v for v in node.inputs if v is not None and not self.search.known(v)]
            after = all(v in parts and parts[v].kind is Kind.STEP for v in computed)
            if node.op_type not in (*RULES, *_STEPS, "Cast", "Identity", "Where"):
                return False
            if after and (node.op_type in _CURVES or (node.op_type == "Mul" and len(computed) > 1)):
                return False
        return True

    def steps(self, root: ir.Value) -> tuple[Array, Array]:
        """Return thresholds, float64 [1,K], with the rule `>`, and levels, float64 [K+1].

        Raises:
            NotAStep: the function takes too many values, or values that are not finite.
        """
        cone = self.cone(root)

        def f(x: Array) -> Array:
            with np.errstate(all="ignore"):
                y = self._evaluate(cone, x[:, None])[root].reshape(len(x), -1)
            if not np.isfinite(y).all() or not (y == y[:, :1]).all():
                raise NotAStep
            first: Array = y[:, 0]
            return first

        x = np.concatenate([-_FAR[::-1], [0.0], _FAR])
        y = f(x)
        near = _NOISE * np.abs(y).max()
        moving = np.flatnonzero(np.abs(np.diff(y)) > near)
        if not len(moving):
            raise NotAStep
        ends = x[moving[0]], x[moving[-1] + 1]
        x = np.unique(np.concatenate([x, np.linspace(*ends, _BETWEEN)]))
        y = f(x)
        for _ in range(_HALVINGS):
            jumps = np.flatnonzero(np.abs(np.diff(y)) > near)
            if len(jumps) >= _MOST_JUMPS:
                raise NotAStep
            kept = np.unique(np.concatenate([jumps, jumps + 1]))
            middle = x[jumps] + (x[jumps + 1] - x[jumps]) / 2
            x, first = np.unique(np.concatenate([x[kept], middle]), return_index=True)
            y = np.concatenate([y[kept], f(middle)])[first]
        jumps = np.flatnonzero(np.abs(np.diff(y)) > near)
        thresholds, levels = x[jumps], np.append(y[jumps], y[jumps[-1] + 1])
        others = np.random.default_rng(0).uniform(*ends, _BETWEEN)
        if (np.abs(levels[np.searchsorted(thresholds, others)] - f(others)) > near).any():
            raise NotAStep
        return thresholds[None], levels

    def _result(self, node: ir.Node, arrays: list[Array]) -> Array:
        if node.op_type == "Clip":
            given = iter(arrays)
            bounds = [*node.inputs, None, None][:3]
            x, low, high = (None if value is None else next(given) for value in bounds)
            clipped: Array = np.clip(np.asarray(x), low, high)  # bounds are single numbers
            return clipped
        if node.op_type in _FUNCTIONS:
            result: Array = _FUNCTIONS[node.op_type](*aligned(arrays))
            return result
        return super()._result(node, arrays)


def _recognize(context: Context) -> None:
    for through in (True, False):  # a Reshape may be part of a quantizer, or flatten a map
        search = CurveSearch(context, through_reshapes=through)
        for node in context.graph:
            search.visit(node)
        evaluation, quantizers = CurveEvaluation(search), []
        for value in search.parts:
            if not _is_root(value, search) or not evaluation.is_quantizer(value):
                continue
            try:
                quantizers.append((value, *evaluation.steps(value)))
            except NotAStep:
                continue
        for root, thresholds, levels in quantizers:
            producer = root.producer()
            assert producer is not None
            x, rules = search.parts[root].x, [True] * thresholds.shape[1]
            try:
                put_levels(producer, x, thresholds, rules, levels, context, evaluation.cone(root))
            except Refused as refusal:
                context.refusals.setdefault(producer, refusal)
        context.drop_unused()


def _is_root(value: ir.Value, search: Search) -> bool:
    """Tell whether a function has the shape of its tensor and is read outside the search."""
    part = search.parts[value]
    own = tuple((axis,) for axis in range(len(part.layout)))
    if value.dtype not in FLOATS or part.layout != own or sizes(value) != sizes(part.x):
        return False
    readers = value.consumers()
    return value.is_graph_output() or any(
        reader.outputs[0] not in search.parts or search.parts[reader.outputs[0]].x is not part.x
        for reader in readers
    )


COMPANDING = Pattern(
    "companding quantizer",
    frozenset(_ROUNDINGS),
    partial(search_once, _recognize, "n2uq.curves_searched"),
)
