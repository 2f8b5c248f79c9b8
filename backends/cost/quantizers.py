"""The alternatives: how activations are quantized, and which number system the MACs use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..fpga.units.levels import COEFFICIENT_BITS, LEVEL_BITS
from . import energy
from .counts import MacCounts, QuantizerCounts
from .uniform import SCALES, Scale


@dataclass(frozen=True)
class Alternative:
    """One way to quantize the same network.

    Attributes:
        id, title, short: name in code; name shown; name shown where space is short.
        quantizer: ``thresholds``, or a kind of uniform quantizer (``uniform.SCALES``).
        mac: number system of the low-bit layers: ``own`` (the design's, whatever its levels),
            ``plain`` (even levels, as the design has them), ``direct`` products, ``packed``
            (several in a multiplier block), or another one (``dress.rival``).
        dsp: multiplier blocks may be used for what is put in place.
        text: what it stands for.
    """

    id: str
    title: str
    short: str
    quantizer: Literal["thresholds"] | Scale
    mac: Literal["own", "plain", "direct", "packed", "codebook", "symmetric", "apot", "lqnets"]
    text: str
    dsp: bool = True


OWN = Alternative(
    "own",
    "As compiled, with its own levels",
    "as compiled",
    "thresholds",
    "own",
    "the program itself: its uneven levels are integers, looked up after the thresholds",
)
"""First of all where a network's levels are uneven; otherwise ``n2uq`` is the program itself."""

ALTERNATIVES: tuple[Alternative, ...] = (
    Alternative(
        "n2uq",
        "N2UQ comparison tables",
        "N2UQ",
        "thresholds",
        "plain",
        "uneven learned thresholds, even levels",
    ),
    Alternative(
        "n2uq-direct",
        "N2UQ, direct products",
        "N2UQ, direct",
        "thresholds",
        "direct",
        "the same without the bit-plane form of its MACs, built as the codebook's and APoT's are",
    ),
    Alternative(
        "n2uq-packed",
        "N2UQ, several products in a DSP",
        "N2UQ, packed",
        "thresholds",
        "packed",
        "the same with low-bit products of several results side by side in one multiplier block",
    ),
    Alternative(
        "uniform-thresholds",
        "Uniform, thresholds",
        "uniform thresholds",
        "thresholds",
        "plain",
        "even thresholds with BatchNorm folded in, as FINN does: the same unit, other constants",
    ),
    Alternative(
        "uniform-shift",
        "Uniform, power-of-two scale",
        "power of two",
        "power of two",
        "plain",
        "bias, shift, round, clamp: a scale that is a power of two needs no multiplier",
    ),
    Alternative(
        "uniform-narrow",
        "Uniform, narrow multiply-shift (no DSP)",
        "narrow mult.-shift",
        "narrow multiply-shift",
        "plain",
        "an 8-bit multiplier a channel in LUTs, shift, round, clamp",
        dsp=False,
    ),
    Alternative(
        "uniform-multiply",
        "Uniform, multiply-shift (DSP)",
        "multiply-shift",
        "multiply-shift",
        "plain",
        "multiplier, shift, round, clamp; 16-bit multiplier per channel, shift fixed for the layer",
    ),
    Alternative(
        "uniform-multiply-lut",
        "Uniform, multiply-shift (no DSP)",
        "mult.-shift no DSP",
        "multiply-shift",
        "plain",
        "the same with the multiplier in LUTs",
        dsp=False,
    ),
    Alternative(
        "uniform-packed",
        "Uniform, power-of-two scale, several products in a DSP",
        "power of two, packed",
        "power of two",
        "packed",
        "the power-of-two scale with low-bit products packed into multiplier blocks as N2UQ's are",
    ),
    Alternative(
        "codebook",
        "Arbitrary codebook (no DSP)",
        "codebook",
        "thresholds",
        "codebook",
        "8-bit output levels of weights and activations (as in LCQ), multiplied in LUTs, tabulated "
        "or by bit planes, whatever takes fewest",
        dsp=False,
    ),
    Alternative(
        "codebook-dsp",
        "Arbitrary codebook (DSP)",
        "codebook DSP",
        "thresholds",
        "codebook",
        "the same where DSPs may be used",
    ),
    Alternative(
        "codebook-symmetric",
        "Sign-symmetric codebook with a zero (no DSP)",
        "codebook +-",
        "thresholds",
        "symmetric",
        "weights' levels in pairs of either sign, and 0: one level fewer; by bit planes counted up "
        "and down, or as any codebook if that takes fewer",
        dsp=False,
    ),
    Alternative(
        "apot",
        "APoT levels",
        "APoT",
        "thresholds",
        "apot",
        "levels that are sums of powers of two: shift and add (Li et al., ICLR 2020)",
    ),
    Alternative(
        "lqnets",
        "LQ-Nets levels",
        "LQ-Nets",
        "thresholds",
        "lqnets",
        "levels on learned bases: bit planes, then coefficients (Zhang et al., ECCV 2018)",
    ),
)


DRESSES: Mapping[str, tuple[str, ...]] = {
    "uniform": tuple(a.id for a in ALTERNATIVES if a.id.startswith("uniform-")),
    "n2uq": ("n2uq", "n2uq-direct", "n2uq-packed"),
    "codebook": ("codebook", "codebook-dsp", "codebook-symmetric"),
    "apot": ("apot",),
    "lq": ("lqnets",),
}
"""Alternatives by the method they stand for; the program's own levels are always shown."""


@dataclass(frozen=True)
class Operators:
    """Numbers of operators, with multiplications by the widths of their operands.

    Attributes:
        multiplies: count by (bits, bits), the wider operand first.
        adds, compares, shifts, lookups: counts.
    """

    multiplies: Mapping[tuple[int, int], int] = field(default_factory=dict)
    adds: int = 0
    compares: int = 0
    shifts: int = 0
    lookups: int = 0

    @property
    def multiplications(self) -> int:
        return sum(self.multiplies.values())

    def __add__(self, other: Operators) -> Operators:
        products = Counter(self.multiplies)
        products.update(other.multiplies)
        return Operators(
            dict(sorted(products.items(), reverse=True)),
            self.adds + other.adds,
            self.compares + other.compares,
            self.shifts + other.shifts,
            self.lookups + other.lookups,
        )


def products(count: int, a: int, b: int) -> Mapping[tuple[int, int], int]:
    """Return the entry for ``count`` multiplications of a by b bits."""
    return {(max(a, b), min(a, b)): count} if count else {}


def operand_widths(alternative: Alternative, mac: MacCounts) -> tuple[int, int]:
    """Bits of activations and weights as an alternative stores them: codes, or own levels."""
    if mac.uneven and alternative.mac == "own":
        return mac.operand_bits, mac.stored_bits
    return mac.activation_bits, mac.weight_bits


def mac_operators(
    alternative: Alternative, mac: MacCounts, lanes: int, coefficients: int
) -> Operators:
    """Operators of ``lanes`` multiply-accumulates of a layer.

    This counts the operations of an image (lanes = MACs) as well as the hardware (lanes = PE *
    SIMD). ``coefficients`` are the multiplications of finished bit-plane sums (LQ-Nets only).
    """
    a, w = operand_widths(alternative, mac)
    if not mac.low_bit or alternative.mac in ("own", "plain", "direct", "packed"):
        return Operators(products(lanes, a, w), lanes)
    if alternative.mac in ("codebook", "symmetric"):
        return Operators(products(lanes, LEVEL_BITS, LEVEL_BITS), lanes, lookups=2 * lanes)
    if alternative.mac == "apot":
        terms = -(-a // 2) * -(-w // 2)  # a level of b bits has ceil(b / 2) powers of two
        return Operators(adds=terms * lanes, shifts=terms * lanes)
    planes = a * w  # one-bit products, summed; then a coefficient per pair of planes
    return Operators(
        products(coefficients, mac.accumulator, COEFFICIENT_BITS), planes * lanes + coefficients
    )


def mac_energy(alternative: Alternative, mac: MacCounts, kind: str, accumulator: int) -> float:
    """Return the energy of a layer's multiply-accumulates, pJ per image."""
    each = energy.mac(kind, *operand_widths(alternative, mac), accumulator)
    result = mac.macs * each
    if mac.low_bit and alternative.mac == "lqnets":
        planes = mac.activation_bits * mac.weight_bits
        outputs = mac.positions * mac.rows
        result += (
            outputs
            * planes
            * (energy.multiply(mac.accumulator, COEFFICIENT_BITS) + energy.add(mac.accumulator))
        )
    return result


def quantizer_operators(
    alternative: Alternative, table: QuantizerCounts, width: int, results: int, form: str
) -> Operators:
    """Return the operators of ``results`` quantized values (of an image, or the hardware lanes)."""
    if alternative.quantizer != "thresholds":
        compares, bits = (3 if table.bent else 2) * results, SCALES[alternative.quantizer]
        return Operators(
            products(results if bits > 1 else 0, width, bits), 2 * results, compares, shifts=results
        )
    if form == "parallel":
        return Operators(adds=max(table.steps - 1, 0) * results, compares=table.steps * results)
    return Operators(compares=table.steps.bit_length() * results)


def quantizer_energy(
    alternative: Alternative, table: QuantizerCounts, width: int, form: str
) -> float:
    """pJ an image of a quantizer's arithmetic."""
    results = table.positions * table.channels
    if alternative.quantizer == "thresholds":
        compares = table.steps if form == "parallel" else table.steps.bit_length()
        return results * compares * energy.compare(width)
    bits = SCALES[alternative.quantizer]
    product = width + bits
    return results * (
        (energy.multiply(width, bits) if bits > 1 else 0.0)
        + 2 * energy.add(product)
        + (3 if table.bent else 2) * energy.compare(width)
    )
