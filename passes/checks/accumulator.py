"""The real value of a program's accumulators, derived from the imported network."""

from __future__ import annotations

from ..exact.levels import IntegerWeight, integer_weight
from ..options import Options, without_calibration
from ..program import Program
from ..program.exact import Surd
from ..program.ops import Concat, Conv, Flatten, Lookup, MaxPool, Rearrange
from ..program.ops.real import (
    Affine,
    Quantize,
    RealConcat,
    RealConv,
    RealFlatten,
    RealMaxPool,
    RealRearrange,
)


def weight_of(imported: Program, program: Program, conv: RealConv) -> IntegerWeight:
    """Return the integers of a convolution's weights, with the options of the program."""
    options = Options()  # without effect on weights that are integers
    if conv.levels:
        options = Options.from_facts(without_calibration(program.metadata))
    return integer_weight(conv, imported.constants, options)


def code_value(
    imported: Program, program: Program, conv: RealConv, maker: Conv
) -> tuple[Surd, Surd]:
    """Return slope and offset of the real value of the integers that a convolution reads.

    ``conv(s * a + z, w) = s * conv(a, w) + z * sum(w)``: see ``integer_layers``. For codes they are
    those of the imported affine maps; for levels from a table, the slope is the program's scale.

    Args:
        imported, program: the network and the program.
        conv: a convolution of the network.
        maker: the corresponding convolution of the program.
    """
    slope, offset, name = Surd.of(1), Surd.of(0), conv.inputs[0]
    producers = {op.output: op for op in imported.ops}
    while not isinstance(op := producers.get(name), Quantize):
        if isinstance(op, Affine):
            offset = offset + slope * op.offset[0]
            slope = slope * op.slope[0]
        elif not isinstance(op, RealMaxPool | RealFlatten | RealConcat | RealRearrange):
            break
        name = op.inputs[0]
    if isinstance(op, Quantize) and not _reads_levels(program, maker.inputs[0]):
        return slope * op.step, offset
    return Surd.of(program.int_type(maker.inputs[0]).scale or 1), Surd.of(0)


def _reads_levels(program: Program, name: str) -> bool:
    """Return whether a lookup of the program computes the levels of a tensor."""
    while isinstance(op := program.producer(name), MaxPool | Flatten | Rearrange | Concat):
        name = op.inputs[0]
    return isinstance(op, Lookup)
