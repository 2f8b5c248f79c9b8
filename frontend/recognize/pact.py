"""PACT: clip to a learned level c, then round to equidistant steps.

    w = min(max(x, 0), c);  code = round(w * m), ties to even;  value = code / m;  m = n / c

Choi et al., "PACT: Parameterized Clipping Activation for Quantized Neural Networks",
arXiv 1805.06085, section 3, as PyTorch's exporters write it. The upper clip is a Where or Min, the
lower one a Relu or the Clip of a ReLU6 that an exporter has merged with the Relu; or one Clip does
both, or the paper's (|x| - |x - c| + c) / 2. N2UQ's MobileNetV2 has this quantizer.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import onnx_ir as ir

from ..opset import MAX_BITS, Threshold, make_threshold
from .pattern import Context, Pattern, Refused
from .queries import is_standard, operands, producer
from .rounding import rises
from .uniform import KIND

_ROUNDED = Fraction(1, 2**22)  # relative: 1/c and n times it, both rounded to float32, and a margin
_FORM = "round(min(relu(x), c) * m) / m with m = n/c"
_LOWER_FIRST = ("Less", "LessOrEqual")
_UPPER_FIRST = ("Greater", "GreaterOrEqual")
COMPARISONS = (*_LOWER_FIRST, *_UPPER_FIRST)


def _recognize(node: ir.Node, context: Context) -> None:
    """Match from the division by m."""
    rounding = producer(node.inputs[0], "Round")
    product = producer(rounding.inputs[0], "Mul") if rounding is not None else None
    if rounding is None or product is None:
        return
    known = context.constants.known
    factors = [(w, m) for w, m in operands(product) if known(m) and not known(w)]
    if not factors or not known(node.inputs[1]):
        return
    (w, factor), covers = factors[0], [node, rounding, product]
    where = producer(w, "Where")
    if where is not None:
        covers.append(where)
        if (comparison := producer(where.inputs[0], *_LOWER_FIRST, *_UPPER_FIRST)) is not None:
            covers.append(comparison)
        context.refusals.pop(where, None)  # it was refused as a ladder
    try:
        bounded = _bounded(w, where, context)
        if bounded is None:
            return
        x, clip = bounded
        written = _scale(factor, node.inputs[1], clip, context)
        if written is None:
            return
        scale, n = written
    except Refused as refusal:
        refusal.covers = tuple(covers)
        raise
    positions, ties = rises(0, n)
    # m * x is compared with k + 1/2: both are exact, while (k + 1/2)/m would be rounded. The
    # thresholds end at n = round(c * m), which clips at c; below 1/2 the code is 0, which clips at
    # 0.
    step, bits = float(clip), n.bit_length()
    mixed = ties if n > 1 else None
    params = Threshold(positions[None, :], scale, step, n, bool(ties[0]), bits, mixed)
    quantizer = make_threshold(context.graph, x, params, str(node.name))
    quantizer.metadata_props[KIND] = "uniform"
    context.replace(node.outputs[0], context.insert(node, quantizer))


def _bounded(
    w: ir.Value, where: ir.Node | None, context: Context
) -> tuple[ir.Value, np.float32] | None:
    """Match w = min(max(x, 0), c); return the value to compare, and c.

    None if the lower bound is not 0, or the upper bound differs by channel: another quantizer.

    Raises:
        Refused: a bound is missing.
    """
    if where is None:
        inner, level = _smaller(w, context)
    else:
        found = smaller_of(where, context)
        if found is None:
            text = "a rounded Where that is not the smaller of a tensor and a constant c"
            raise Refused(text, _FORM)
        inner, level = found
    clip = _number(level, context)
    if clip is None:
        return None  # one per channel
    if not (np.isfinite(clip) and clip > 0):
        raise Refused(f"a clipping level of {clip:g}", "a positive, finite one", "train again")
    relu = producer(inner, "Relu")
    if relu is not None and relu.inputs[0] is not None:
        return relu.inputs[0], clip
    if inner is w and (source := _clipped_at_zero(inner, context)) is not None:
        return source, clip
    lower = _lower_bounds(inner, context)
    if not any(bound >= 0 for bound in lower):
        if lower:
            return None
        raise Refused(
            f"'{inner.name}' may be negative: nothing clips it at 0",
            f"{_FORM}, or a Clip from 0 in the place of the relu",
            "clip at 0 before rounding",
        )
    return inner, clip


def _smaller(w: ir.Value, context: Context) -> tuple[ir.Value, ir.Value]:
    """Return (x, c) of Min(x, c), of a Clip up to c, or of (|x| - |x - c| + c) / 2.

    Raises:
        Refused: it is none of them.
    """
    known = context.constants.known
    clip, bound = producer(w, "Clip"), producer(w, "Min")
    if clip is not None and len(clip.inputs) > 2 and clip.inputs[2] is not None:
        below = clip.inputs[0] if clip.inputs[1] is None else w
        assert below is not None
        return below, clip.inputs[2]
    for x, level in operands(bound) if bound is not None else ():
        if known(level) and not known(x):
            return x, level
    if (formula := paper_clip(w, context)) is not None:
        return w, formula[1]
    raise Refused(f"'{w.name}' is rounded without an upper clip c", _FORM)


def _absolute(node: ir.Node | None, level: ir.Value, context: Context) -> ir.Value | None:
    """Return x of |x| - |x - c|, where c is `level`."""
    if node is None:
        return None
    first, second = (producer(value, "Abs") for value in node.inputs)
    if first is None or second is None:
        return None
    x, shifted = first.inputs[0], producer(second.inputs[0], "Sub")
    if shifted is None or shifted.inputs[0] is not x:
        return None
    return x if _same(level, shifted.inputs[1], context) else None


def _clipped_at_zero(value: ir.Value, context: Context) -> ir.Value | None:
    """Return the input of a Clip from 0 to c, or of the paper's formula."""
    clip = producer(value, "Clip")
    if clip is not None:
        ends = len(clip.inputs) > 2 and clip.inputs[2] is not None
        return clip.inputs[0] if ends and _number_at(clip, 1, context) == 0 else None
    formula = paper_clip(value, context)
    return formula[0] if formula is not None else None


def paper_clip(w: ir.Value, context: Context) -> tuple[ir.Value, ir.Value] | None:
    """Return (x, c) of (|x| - |x - c| + c) / 2, which clips x to 0..c (equation 1)."""
    half = producer(w, "Mul", "Div")
    for total, factor in operands(half) if half is not None else ():
        number = _number(factor, context)
        sums = producer(total, "Add")
        if number != (0.5 if is_standard(half, "Mul") else 2) or sums is None:
            continue
        for difference, level in operands(sums):
            found = _absolute(producer(difference, "Sub"), level, context)
            if context.constants.known(level) and found is not None:
                return found, level
    return None


def _number_at(node: ir.Node, index: int, context: Context) -> np.float32 | None:
    value = node.inputs[index]
    return _number(value, context) if value is not None else None


def smaller_of(where: ir.Node, context: Context) -> tuple[ir.Value, ir.Value] | None:
    """Return (x, c) of a Where that selects the smaller of the two; ties do not matter."""
    return _selected(where, context, larger=False)


def larger_of(where: ir.Node, context: Context) -> tuple[ir.Value, ir.Value] | None:
    """Return (x, c) of a Where that selects the larger of the two."""
    return _selected(where, context, larger=True)


def _selected(
    where: ir.Node, context: Context, *, larger: bool
) -> tuple[ir.Value, ir.Value] | None:
    """Return (x, c) of a Where that selects the smaller or larger of a tensor and a constant."""
    comparison = producer(where.inputs[0], *_LOWER_FIRST, *_UPPER_FIRST)
    if comparison is None:
        return None
    first, second = comparison.inputs
    if is_standard(comparison, *_UPPER_FIRST) != larger:
        first, second = second, first
    chosen, other = where.inputs[1:]
    if chosen is None or other is None or first is None:
        return None
    if not (_same(chosen, first, context) and _same(other, second, context)):
        return None
    known = context.constants.known
    if known(other) and not known(chosen):
        return chosen, other
    if known(chosen) and not known(other):
        return other, chosen
    return None


def _same(left: ir.Value, right: ir.Value | None, context: Context) -> bool:
    """Return whether both are the same value or equal constants (exporters may store one twice).

    Constants of several elements are the same only if they are the same value.
    """
    if left is right:
        return True
    first, second = _number(left, context), _number(right, context)
    return first is not None and first == second


def _number(value: ir.Value | None, context: Context) -> np.float32 | None:
    """Return a constant of one element; None for anything else."""
    number = context.constants.scalar(value)
    return None if number is None else np.float32(number)


def _lower_bounds(value: ir.Value, context: Context) -> list[np.float32]:
    """Return the lower bounds of a value that a clamp computes."""
    clip, bound = producer(value, "Clip"), producer(value, "Max")
    given = clip.inputs[1:2] if clip is not None else bound.inputs if bound is not None else ()
    bounds = [_number(limit, context) for limit in given]
    return [limit for limit in bounds if limit is not None and np.isfinite(limit)]


def _scale(
    factor: ir.Value, divisor: ir.Value | None, clip: np.float32, context: Context
) -> tuple[np.float32, int] | None:
    """Return m and n, if the value is multiplied by m = n/c, rounded and divided by m.

    Raises:
        Refused: the factor and the divisor do not fit each other or c.
    """
    m, back = _number(factor, context), _number(divisor, context)
    if m is None or back is None:
        return None  # one per channel
    if m != back:
        raise Refused(f"rounded after multiplying by {m:g}, but divided by {back:g}", _FORM)
    if not (np.isfinite(m) and m > 0):
        raise Refused(f"a factor of {m:g} before rounding", "a positive, finite one")
    top = Fraction(float(m)) * Fraction(float(clip))
    n = round(top)
    if abs(top - n) > n * _ROUNDED:
        raise Refused(
            f"clipped at {clip:g} and multiplied by {m:g}: {float(top):.6g} steps",
            f"{_FORM}, a whole number n of steps",
        )
    if not 1 <= n < 2**MAX_BITS:
        raise Refused(
            f"a quantizer of {n + 1} levels",
            f"2 to {2**MAX_BITS} levels: activations of 1 to {MAX_BITS} bits",
        )
    return m, n


PACT = Pattern("PACT", frozenset({"Div"}), _recognize)
