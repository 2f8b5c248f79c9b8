"""Step functions as canonical quantizers: Threshold for equidistant levels, else Codebook."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product

import numpy as np
import onnx_ir as ir

from ..opset import MAX_BITS, Codebook, Threshold, make_codebook, make_threshold
from ..precision import SINGLE
from .pattern import Context, Refused
from .queries import Array, operands, producer
from .uniform import add_constant

_NOISE = 1e-6  # relative error of a level, a float32 sum of at most 255 terms
_LARGEST = 0.25  # largest accepted error in half precision, relative to the distance of two levels


def put_levels(
    root: ir.Node,
    x: ir.Value,
    thresholds: Array,
    rules: Sequence[bool],
    levels: Array,
    context: Context,
    covers: Sequence[ir.Node] = (),
) -> None:
    """Replace `root` by a quantizer.

    Args:
        root: computes levels[number of thresholds that x passes].
        x: the compared value; a factor before it becomes the quantizer's input scale.
        thresholds: float32 or float64 [1,K] or [C,K], ascending.
        rules: for each threshold, true for `>`, false for `>=`.
        levels: float64 [K+1].
        context: holds the graph.
        covers: nodes that a refusal covers; see `Refused`.

    Raises:
        Refused: too many thresholds, or levels or thresholds that no quantizer can have.
    """  # fmt: skip
    count = len(rules)
    if count >= 2**MAX_BITS:
        raise Refused(f"{count} thresholds", f"at most {2**MAX_BITS - 1}", covers=covers)
    if not np.isfinite(thresholds).all():
        raise Refused("a threshold is not finite", "finite thresholds", covers=covers)
    if not np.isfinite(levels).all():
        raise Refused("a level that is not finite", "finite levels", covers=covers)
    if (levels == levels[0]).all():
        raise Refused(f"levels that are all {levels[0]:g}", "two levels or more", covers=covers)
    source, scale = _input_scale(x, context)
    if scale == 0:
        raise Refused(
            "an input scale of 0: the quantizer's output is constant", "a scale other than 0",
            "train again", covers=covers,
        )  # fmt: skip
    rule, bits, name = bool(rules[0]), count.bit_length(), str(root.name)
    ties = None if len(set(rules)) == 1 else np.array(rules, bool)
    step = _even_step(levels, context.roundoff)
    if step is None:
        book = Codebook(thresholds, scale, levels, rule, bits, ties)
        node = make_codebook(context.graph, source, book, name)
        context.replace(root.outputs[0], context.insert(root, node))
        return
    params = Threshold(thresholds, scale, step, count, rule, bits, ties)
    y = context.insert(root, make_threshold(context.graph, source, params, name))
    if levels[0]:
        y = add_constant(root, y, Fraction(levels[0]), context)
    context.replace(root.outputs[0], y)


def _input_scale(x: ir.Value, context: Context) -> tuple[ir.Value, np.float32]:
    """Return x before a multiplication by N2UQ's scale1, and that factor, the input scale."""
    scaled = producer(x, "Mul")
    for inner, constant in operands(scaled) if scaled is not None else ():
        factor = context.constants.scalar(constant)
        if factor is None or context.constants.known(inner):
            continue
        if float(np.float32(factor)) == float(factor):
            return inner, np.float32(factor)
    return x, np.float32(1)


def _even_step(levels: Array, roundoff: float) -> float | None:
    """Return the exact distance of the highest and lowest level: 2 for N2UQ's k·2/n.

    None if the levels are not equidistant, within the error of sums of terms rounded by `roundoff`.
    """
    n = len(levels) - 1
    rise = levels - levels[0]
    noises = [_NOISE] + [min(n * roundoff, _LARGEST / n)] * (roundoff > SINGLE)
    tops = (2.0, float(rise[-1])) if levels[0] == 0 else (float(rise[-1]),)
    for noise, top in product(noises, tops):
        even = np.arange(n + 1) * (top / n)
        if top and np.abs(rise - even).max() <= noise * max(abs(top), np.abs(levels).max()):
            return top
    return None
