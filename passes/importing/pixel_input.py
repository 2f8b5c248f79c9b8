"""Raw 8-bit pixels as the input of the program."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from n2uqc.frontend.diagnostics import CompileError, Problem

from ..options import Options, Pixels
from ..program import Interface, Op, Program
from ..program.exact import Surd
from ..program.ops.real import Affine
from ..program.types import IntType, Shape
from ..rewrite import fresh


def pixel_input(program: Program, options: Options) -> Program:
    """Take raw pixels where the file does or the user asks for it, and normalize them then.

    Raises:
        CompileError: ``--pixels`` for a network that is uint8 already, or of several inputs.
    """
    own = [port.name for port in program.interface.inputs if port.pixels]
    if options.pixels is None:
        return _of_file(program)
    if own or len(program.inputs) > 1:
        raise CompileError(
            Problem(
                "",
                "",
                f"--pixels for a network whose input {own[0]!r} is uint8 already"
                if own
                else f"raw pixels for a network of {len(program.inputs)} inputs",
                "one real input",
                "leave --pixels out"
                if own
                else "give real inputs, or put the normalization into the network",
            )
        )
    return _normalized(program, options.pixels)


def _bytes(shape: Shape, scale: Fraction) -> IntType:
    return IntType(shape, 8, False, 0, 255, scale)


def _of_file(program: Program) -> Program:
    """Give 8 bits to the inputs that the file takes as uint8."""
    types = dict(program.types)
    for port, name in zip(program.interface.inputs, program.inputs, strict=True):
        if port.pixels:
            types[name] = _bytes(types[name].shape, Fraction(1))
    return replace(program, types=types)


def _normalized(program: Program, pixels: Pixels) -> Program:
    """Make raw pixels the only input, followed by their normalization."""
    shape = program.types[program.input].shape
    types = {**program.types, program.input: _bytes(shape, Fraction(pixels.scale))}
    mean, std = pixels.rows(shape[2])
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
