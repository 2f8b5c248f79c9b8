"""Fold every quantizer, and the affine maps and activations before it, into a comparison table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from n2uqc.frontend.diagnostics import CompileError, Problem
from n2uqc.frontend.expression_forms import title

from ..program import ConstRef, Op, Program
from ..program.exact import Surd
from ..program.operation import integer
from ..program.ops import Thresholds
from ..program.ops.real import Elementwise, Quantize, RealFunction
from ..program.types import Constant, IntArray, IntType, TensorType
from ..rewrite import ConstantPool, live
from .channel_number import Undecided
from .curved_chains import fold_curved, is_curved
from .filtered_functions import Steps, fold
from .piecewise import PiecewiseFunction


def chain_of(program: Program, quantizer: Quantize) -> tuple[str, list[Elementwise]]:
    """Return the tensor a quantizer's chain starts from, and the chain's operations in order."""
    chain: list[Elementwise] = []
    name = quantizer.inputs[0]
    while isinstance(op := program.producer(name), Elementwise):
        chain.append(op)
        name = op.inputs[0]
    return name, chain[::-1]


def exact_steps(
    op: Quantize, chain: Sequence[Elementwise], scale: Fraction, c: int, lo: int, hi: int
) -> tuple[int, dict[int, int]]:
    """Return base and signed steps of channel ``c`` on ``[lo, hi]``, in exact numbers."""
    f = PiecewiseFunction.identity(lo, hi, Surd.of(scale), c)
    for link in chain:
        f = link.evaluate(f)
    thresholds = op.thresholds[c if len(op.thresholds) > 1 else 0]
    return f.times((op.input_scale,)).steps(thresholds, strict=op.rules_of(c))


def table(
    op: Quantize,
    chain: Sequence[Elementwise],
    scale: Fraction,
    rows: tuple[IntArray, IntArray],
    never: int,
) -> tuple[Constant, Constant, Constant]:
    """Return bounds (C, K), signs (C, K) and base (C,) of a quantizer after a chain.

    Args:
        op: the quantizer.
        chain: the operations between the integer tensor and the quantizer, in order.
        scale: real value of the integer 1.
        rows: reachable range of each channel.
        never: a bound that no reachable value exceeds; it fills unused steps.
    """
    folded = _folded(op, chain, Surd.of(scale), rows)
    base, count = folded.base.copy(), folded.count.copy()
    exact: dict[int, list[tuple[int, int]]] = {}
    for c in np.flatnonzero(folded.unsure).tolist():
        base[c], deltas = exact_steps(op, chain, scale, c, int(rows[0][c]), int(rows[1][c]))
        exact[c] = [
            (bound, 1 if d > 0 else -1) for bound, d in deltas.items() for _ in range(abs(d))
        ]
        count[c] = len(exact[c])
    width = max(1, int(count.max()))
    bounds, signs = np.full((len(base), width), never), np.ones((len(base), width), np.int64)
    used = np.arange(width) < count[:, None]
    used[folded.unsure] = False
    bounds[used], signs[used] = folded.used()
    for c, steps in exact.items():
        for k, (bound, sign) in enumerate(steps):
            bounds[c, k], signs[c, k] = bound, sign
    return Constant.narrow(bounds), Constant.odd(signs, 1), Constant.narrow(base)


def _folded(
    op: Quantize, chain: Sequence[Elementwise], scale: Surd, rows: tuple[IntArray, IntArray]
) -> Steps:
    """Return the steps of a chain, whatever its functions are.

    Raises:
        CompileError: a function has no value, or none that can be compared, for some integer.
    """
    if not is_curved(chain):
        return fold(op, chain, scale, rows)
    try:
        return fold_curved(op, chain, scale, rows)
    except Undecided as reason:
        curves = [link for link in chain if isinstance(link, RealFunction)]
        raise CompileError(
            Problem(
                node=", ".join(name for link in curves for name in link.origin),
                op=" of ".join(title(link.function) for link in reversed(curves)),
                found=f"before the quantizer {', '.join(op.origin)}: {reason}",
                supported="a function with a value for every number that the layer may give",
                hint="clip what it is applied to, or move the threshold",
            )
        ) from None


def integer_thresholds(program: Program) -> Program:
    """Replace each quantizer by the table that gives its code for every reachable integer."""
    pool = ConstantPool(dict(program.constants))
    types: dict[str, TensorType] = dict(program.types)
    ops: list[Op] = []
    known: dict[str, TensorType] = {name: types[name] for name in program.inputs}

    def learn(op: Op) -> None:
        """Record the ranges of the channels; of tables already folded, too."""
        inferred, declared = op.infer(known, pool.all), types[op.output]
        known[op.output] = (
            declared.with_rows_of(inferred) if isinstance(declared, IntType) else declared
        )

    for op in program.ops:
        if not isinstance(op, Quantize):
            ops.append(op)
            learn(op)
            continue
        base, chain = chain_of(program, op)
        tensor_type = integer(base, known[base])
        scale = tensor_type.scale or Fraction(1)
        bounds, signs, start = table(op, chain, scale, tensor_type.channel_rows, tensor_type.hi)
        folded = Thresholds(
            output=op.output,
            inputs=(base,),
            bits=op.bits,
            origin=tuple(o for link in chain for o in link.origin) + op.origin,
            bounds=ConstRef(pool.add(f"{op.output}.bounds", bounds)),
            signs=ConstRef(pool.add(f"{op.output}.signs", signs)),
            base=ConstRef(pool.add(f"{op.output}.base", start)),
        )
        result = folded.infer(known, pool.all)
        types[op.output] = replace(result, scale=op.step.rational)
        ops.append(folded)
        learn(folded)
    return live(replace(program, ops=tuple(ops), types=types, constants=pool.all))
