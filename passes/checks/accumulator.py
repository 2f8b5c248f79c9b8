"""What a program's accumulators are worth, from the imported network."""

from __future__ import annotations

from ..exact.levels import IntegerWeight, integer_weight
from ..options import Options, without_calibration
from ..program import Program
from ..program.exact import Surd
from ..program.ops import Conv, Flatten, Lookup, MaxPool
from ..program.ops.real import (
    Affine,
    Quantize,
    RealConcat,
    RealConv,
    RealFlatten,
    RealMaxPool,
)


def weight_of(imported: Program, program: Program, conv: RealConv) -> IntegerWeight:
    """The integers that stand for a convolution's weights, by the options of the program."""
    options = Options()  # of no account to weights that are integers already
    if conv.levels:
        options = Options.from_facts(without_calibration(program.metadata))
    return integer_weight(conv, imported.constants, options)


def code_value(
    imported: Program, program: Program, conv: RealConv, maker: Conv
) -> tuple[Surd, Surd]:
    """What an integer that a convolution reads is worth: slope and offset.

    ``conv(s * a + z, w) = s * conv(a, w) + z * sum(w)``: see ``integer_layers``.  Of codes they are
    those of the imported maps on their way; where a table gives levels, the program's own scale.

    Args:
        imported, program: the network, and what it became.
        conv: a convolution of the network.
        maker: the same in the program.
    """
    slope, offset, name = Surd.of(1), Surd.of(0), conv.inputs[0]
    made = {op.output: op for op in imported.ops}
    while not isinstance(op := made.get(name), Quantize):
        if isinstance(op, Affine):
            offset = offset + slope * op.offset[0]
            slope = slope * op.slope[0]
        elif not isinstance(op, RealMaxPool | RealFlatten | RealConcat):
            break
        name = op.inputs[0]
    if isinstance(op, Quantize) and not _reads_levels(program, maker.inputs[0]):
        return slope * op.step, offset
    return Surd.of(program.int_type(maker.inputs[0]).scale or 1), Surd.of(0)


def _reads_levels(program: Program, name: str) -> bool:
    """Whether a table of the program gives the levels of a tensor."""
    while isinstance(op := program.producer(name), MaxPool | Flatten):
        name = op.inputs[0]
    return isinstance(op, Lookup)
