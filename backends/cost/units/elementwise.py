"""Units that are the same in every alternative: sums, PReLU, clamps and pools on the wide stream.

Structural models: a W-bit adder is W LUT, a comparison as in a threshold unit, a multiplexer
W / 2 LUT; multiplications go to DSPs.
"""

from __future__ import annotations

from n2uqc.frontend.diagnostics import CompileError, Problem
from n2uqc.passes.program.operation import OPS, Arithmetic

from ..technology import Basis, Technology
from .requantizer import dsp_tiles
from .resources import Memory, Resources, Unit, place


def elementwise(
    kind: str,
    width: int,
    channels: int,
    technology: Technology,
    *,
    multiplier: int = 0,
    word: int = 0,
    entries: int = 0,
) -> Unit:
    """Return one lane of an operation on the wide stream.

    Args:
        kind: the operation's mnemonic.
        width: bits of the widest operand or result.
        channels: channels that share the lane.
        technology: the family.
        multiplier: bits of the per-channel multiplier, if there is one.
        word: parameter bits per channel.
        entries: words of a ``lookup``'s table.

    Raises:
        CompileError: there is no model of the operation.
    """
    if kind == "lookup":
        table = place(Memory(width, entries), technology)
        register = Resources(ff=width, basis=Basis.MODEL)
        return Unit(kind, register, table, width * entries, width)
    adder, compare, select = float(width), technology.comparator.at(width), width / 2
    step = OPS[kind].arithmetic if kind in OPS else Arithmetic()
    dsp = 0
    if kind == "concat":
        lut = select
    elif kind == "requantize":
        tiles = technology.requantizer[16 if multiplier <= 16 else 32].at(width)
        lut, dsp = tiles.value, dsp_tiles(width, max(multiplier, 2), technology)
    elif kind == "prelu":
        lut = adder + select + 2 * compare.value  # bias, bend, saturation
        dsp = dsp_tiles(width, max(multiplier, 2), technology)
    elif step.adds or step.compares:
        lut = step.adds * adder + step.compares * compare.value + (select if step.compares else 0)
        if multiplier:  # sums at edges are scaled
            dsp = dsp_tiles(width, multiplier, technology)
    else:
        raise CompileError(Problem(node="", op=kind, found="an operation without a cost model"))
    logic = Resources(lut, width, dsp, basis=max(Basis.MODEL, compare.basis))
    storage = place(Memory(word, channels), technology)
    return Unit(kind, logic, storage, word * channels, word if channels > 1 else 0)
