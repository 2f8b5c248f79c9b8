"""Uniform requantization: multiply, add bias, shift, round, clamp.

The formulas come from synthesized units with a fixed shift (see ``technology.py``). Parameters
(multiplier and bias per channel) cost one LUT per bit up to the LUT's depth: 32 LUT for 64 channels
of 16 + 16 bit.
"""

from __future__ import annotations

from ..technology import Basis, Technology
from .resources import Memory, Resources, Unit, place

BIAS_BITS = 16
SHIFT_BITS = 6


def dsp_tiles(a: int, b: int, technology: Technology) -> int:
    """Return the DSPs of an a-by-b-bit signed product;
    the wider operand is split to the wider port.

    This is the tiling of yosys' ``mul2dsp``, and gives the four synthesized counts on xc7 (16x16:
    1, 24x16: 1, 32x16: 2, 32x24: 4).
    """
    wide, narrow = technology.dsp_slice
    top, low = max(a, b) - 1, min(a, b) - 1
    return max(1, -(-top // wide)) * max(1, -(-low // narrow))


def requantizer(
    width: int,
    bits: int,
    channels: int,
    technology: Technology,
    *,
    multiplier: int = 16,
    dsp: bool = True,
    channel_shift: bool = False,
    bent: bool = False,
) -> Unit:
    """Return one lane of multiply-shift requantization to ``bits`` bits.

    Args:
        width: bits of the accumulator.
        bits: bits of the result (hardly any influence).
        channels: channels that share the lane.
        technology: the family.
        multiplier: bits of the multiplier, 16 or 32.
        dsp: multiply in DSPs; else in LUTs (16-bit multiplier only).
        channel_shift: one shift per channel (16-bit multiplier only).
        bent: two affine pieces per channel (PReLU); one comparison selects the parameters.
    """
    word = multiplier + BIAS_BITS + (SHIFT_BITS if channel_shift else 0)
    tiles = dsp_tiles(width, multiplier, technology) if dsp else 0
    if not dsp:
        lut = technology.requantizer_no_dsp.at(width)
    elif channel_shift:
        lut = technology.requantizer_shift.at(width)
    else:
        lut = technology.requantizer[16 if multiplier <= 16 else 32].at(width)
    product = 0 if dsp else width + multiplier  # the register of the product is inside the DSP
    extra = 0.0
    if bent:
        extra, word = technology.comparator.at(width).value, 2 * word + width
    logic = Resources(lut.value + extra, product + bits, tiles, basis=max(lut.basis, Basis.FIT))
    form = f"multiply-shift, {multiplier}-bit" + ("" if dsp else ", no DSP")
    return Unit(
        form,
        logic,
        place(Memory(word, channels), technology),
        word * channels,
        word if channels > 1 else 0,
        3,
    )
