"""Raw 8-bit pixels as the input of the program."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from n2uqc.frontend.diagnostics import CompileError, Problem

from ..options import Options
from ..pixels import Pixels
from ..program import Interface, Op, Program
from ..program.exact import Surd
from ..program.ops.real import Affine
from ..program.types import IntType, Shape
from ..rewrite import fresh


def pixel_input(program: Program, options: Options) -> Program:
    """Take raw pixels where the file does or the user asks for it, and normalize them then.

    Raises:
        CompileError: ``--pixels`` for an input that is uint8 already or does not exist, or without
            a name for a network of several inputs.
    """
    names = [port.name for port in program.interface.inputs]
    chosen = options.pixels or {}
    if isinstance(chosen, Pixels):
        if len(names) > 1:
            raise _refusal(
                f"raw pixels for a network of {len(names)} inputs",
                f"pixels by name: {', '.join(names)}",
                f"give --pixels {names[0]}=SCALE, once for each input that takes raw images",
            )
        chosen = dict.fromkeys(names, chosen)
    for name in chosen:
        if name not in names:
            raise _refusal(
                f"--pixels for {name!r}, which is no input", f"the inputs: {', '.join(names)}",
                "give --pixels NAME=SCALE with one of these names",
            )  # fmt: skip
    for port in program.interface.inputs:
        if port.pixels and port.name in chosen:
            raise _refusal(
                f"--pixels for a network whose input {port.name!r} is uint8 already",
                "real inputs", "leave --pixels out",
            )  # fmt: skip
    program = _of_file(program)
    for name, pixels in chosen.items():
        program = _normalized(program, names.index(name), pixels)
    return program


def _refusal(found: str, supported: str, hint: str) -> CompileError:
    return CompileError(Problem("", "", found, supported, hint))


def _bytes(shape: Shape, scale: Fraction) -> IntType:
    return IntType(shape, 8, False, 0, 255, scale)


def _of_file(program: Program) -> Program:
    """Give 8 bits to the inputs that the file takes as uint8."""
    types = dict(program.types)
    for port, name in zip(program.interface.inputs, program.inputs, strict=True):
        if port.pixels:
            types[name] = _bytes(types[name].shape, Fraction(1))
    return replace(program, types=types)


def _normalized(program: Program, index: int, pixels: Pixels) -> Program:
    """Make an input raw pixels, followed by their normalization."""
    raw = program.inputs[index]
    shape = program.types[raw].shape
    types = {**program.types, raw: _bytes(shape, Fraction(pixels.scale))}
    mean, std = pixels.rows(shape[2])
    ops: tuple[Op, ...] = program.ops
    if mean.any() or (std != 1).any():
        name = fresh(types, f"{raw}.normalized")
        slope = tuple(Surd.of(1 / Fraction(float(s))) for s in std)
        offset = tuple(
            Surd.of(-Fraction(float(m)) / Fraction(float(s)))
            for m, s in zip(mean, std, strict=True)
        )
        first = Affine(output=name, inputs=(raw,), slope=slope, offset=offset)
        moved = {raw: name}
        ops = (
            first,
            *(replace(op, inputs=tuple(moved.get(i, i) for i in op.inputs)) for op in program.ops),
        )
        types[name] = first.infer(types, program.constants)
    ports = list(program.interface.inputs)
    ports[index] = replace(ports[index], pixels=True)
    face = Interface(tuple(ports), program.interface.outputs)
    return replace(program, ops=ops, types=types, interface=face)
