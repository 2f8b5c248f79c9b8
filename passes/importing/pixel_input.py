"""Raw 8-bit pixels as the input of the program."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from n2uqc.frontend.diagnostics import CompileError, Problem

from ..options import Options
from ..program import Interface, Op, Program
from ..program.exact import Surd
from ..program.ops.real import Affine
from ..program.types import IntType
from ..rewrite import fresh


def pixel_input(program: Program, options: Options) -> Program:
    """If the user asks for it, make raw pixels the input, followed by their normalization."""
    if options.pixels is None:
        return program
    if len(program.inputs) > 1:
        raise CompileError(
            Problem(
                "",
                "",
                f"raw pixels for a network of {len(program.inputs)} inputs",
                "one input",
                "give real inputs, or put the normalization into the network",
            )
        )
    shape = program.types[program.input].shape
    scale = Fraction(options.pixels.scale)
    types = {**program.types, program.input: IntType(shape, 8, False, 0, 255, scale)}
    mean, std = options.pixels.rows(shape[2])
    ops: tuple[Op, ...] = program.ops
    if mean.any() or (std != 1).any():
        name = fresh(types, f"{program.input}.normalized")
        slope = tuple(Surd.of(1 / Fraction(float(s))) for s in std)
        offset = tuple(
            Surd.of(-Fraction(float(m)) / Fraction(float(s)))
            for m, s in zip(mean, std, strict=True)
        )
        first = Affine(output=name, inputs=(program.input,), slope=slope, offset=offset)
        moved = {program.input: name}
        ops = (
            first,
            *(replace(op, inputs=tuple(moved.get(i, i) for i in op.inputs)) for op in program.ops),
        )
        types[name] = first.infer(types, program.constants)
    face = Interface((replace(program.interface.input, pixels=True),), program.interface.outputs)
    return replace(program, ops=ops, types=types, interface=face)
