"""Fold every quantizer, and the affine maps and activations before it, into a comparison table."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from . import piecewise
from .near import Near, Unsure
from .program.base import ConstRef, Op, Program
from .program.exact import Surd
from .program.ops import Thresholds
from .program.ops.real import Affine, Quantize, RealClip, RealPRelu, Row
from .program.types import Constant, IntArray, IntType, TensorType
from .rewrite import Constants, live

ELEMENTWISE = (Affine, RealPRelu, RealClip)


def chain_of(program: Program, quantizer: Quantize) -> tuple[str, list[Op]]:
    """The tensor a quantizer's chain starts from, and the chain's operations in order."""
    made = {op.output: op for op in program.ops}
    chain: list[Op] = []
    name = quantizer.inputs[0]
    while isinstance(op := made.get(name), ELEMENTWISE):
        chain.append(op)
        name = op.inputs[0]
    return name, chain[::-1]


class Chain:
    """A quantizer and its chain in one kind of number, ready channel by channel."""

    def __init__(
        self, number: type[Surd] | type[Near], scale: Fraction, chain: list[Op], op: Quantize
    ) -> None:
        def row(values: Row) -> list[Any]:
            return [number.of(v) for v in values]

        # One kind of number throughout, which the type checker cannot see.
        self.scale: Any = number.of(scale)
        self.input_scale: Any = number.of(op.input_scale)
        self.rules = op.rules
        self.thresholds = [row(t) for t in op.thresholds]
        self.links: list[tuple[str, Any, Any]] = []
        for link in chain:
            if isinstance(link, Affine):
                self.links.append(("affine", row(link.slope), row(link.offset)))
            elif isinstance(link, RealPRelu):
                self.links.append(("prelu", row(link.slope), None))
            elif isinstance(link, RealClip):
                bounds = [None if v is None else number.of(v) for v in (link.lo, link.hi)]
                self.links.append(("clip", bounds[0], bounds[1]))

    def steps(self, c: int, lo: int, hi: int) -> tuple[int, dict[int, int]]:
        """Base and signed steps of channel ``c`` on the integers ``[lo, hi]``.

        Raises:
            Unsure: ``Near`` numbers cannot decide; use exact ones.
        """
        f: Any = piecewise.identity(lo, hi, self.scale)
        for kind, a, b in self.links:
            if kind == "affine":
                f = piecewise.affine(f, a[c], b[c])
            elif kind == "prelu":
                f = piecewise.prelu(f, a[c])
            else:
                f = piecewise.clip(f, a, b)
        f = piecewise.affine(f, self.input_scale, type(self.input_scale).of(0))
        thresholds = self.thresholds[c if len(self.thresholds) > 1 else 0]
        return piecewise.steps(f, thresholds, strict=self.rules)


def table(
    op: Quantize, chain: list[Op], scale: Fraction, rows: tuple[IntArray, IntArray], never: int
) -> tuple[Constant, Constant, Constant]:
    """Bounds (C, K), signs (C, K) and base (C,) of a quantizer behind a chain.

    Args:
        op: the quantizer.
        chain: the operations between the integer tensor and the quantizer, in order.
        scale: real value of the integer 1.
        rows: reachable range of each channel.
        never: a bound that no reachable value exceeds; it fills unused steps.
    """
    near, exact = Chain(Near, scale, chain, op), None
    found: list[list[tuple[int, int]]] = []
    bases: list[int] = []
    for c, (lo, hi) in enumerate(zip(*(r.tolist() for r in rows), strict=True)):
        try:
            base, deltas = near.steps(c, lo, hi)
        except Unsure:
            exact = exact or Chain(Surd, scale, chain, op)
            base, deltas = exact.steps(c, lo, hi)
        found.append([
            (bound, 1 if d > 0 else -1) for bound, d in deltas.items() for _ in range(abs(d))
        ])
        bases.append(base)
    width = max(1, *(len(row) for row in found))
    filled = np.array([row + [(never, 1)] * (width - len(row)) for row in found], dtype=np.int64)
    return (
        Constant.narrow(filled[..., 0]), Constant.odd(filled[..., 1], 1),
        Constant.narrow(np.array(bases)),
    )


def integer_thresholds(program: Program) -> Program:
    """Replace each quantizer by the table that gives its code for every reachable integer."""
    pool = Constants(dict(program.constants))
    types: dict[str, TensorType] = dict(program.types)
    ops: list[Op] = []
    known: dict[str, TensorType] = {program.input: types[program.input]}

    def learn(op: Op) -> None:
        """Ranges of the channels, tables already folded included."""
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
        kind = known[base]
        assert isinstance(kind, IntType), f"%{base} is still real-valued"
        scale = kind.scale or Fraction(1)
        bounds, signs, start = table(op, chain, scale, kind.channel_rows, kind.hi)
        folded = Thresholds(
            output=op.output, inputs=(base,), bits=op.bits,
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
