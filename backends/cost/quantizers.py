"""The alternatives: how activations are quantized, and which number system the MACs use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from . import energy
from .counts import MacCounts, QuantizerCounts
from .technology import Technology
from .units.mac import LEVEL_BITS, MacShape, cheapest_plain
from .units.requantizer import requantizer
from .units.resources import Unit
from .units.thresholds import Table, cheapest

REQUANTIZER_BITS = 16
COEFFICIENT_BITS = 8  # bits of LQ-Nets' real coefficients, in fixed point


@dataclass(frozen=True)
class Alternative:
    """One way to quantize the same network.

    Attributes:
        id, title, short: name in code, displayed name, and short displayed name.
        quantizer: ``thresholds`` or ``multiply`` (with DSP) or ``multiply-lut``.
        mac: number system of the low-bit layers: ``plain`` (direct products or bit planes), or a
            kind of ``units.mac``.
        text: description.
    """

    id: str
    title: str
    short: str
    quantizer: Literal["thresholds", "multiply", "multiply-lut"]
    mac: Literal["plain", "direct", "codebook", "codebook-dsp", "apot", "lqnets"]
    text: str


ALTERNATIVES: tuple[Alternative, ...] = (
    Alternative(
        "n2uq",
        "N2UQ comparison tables",
        "N2UQ",
        "thresholds",
        "plain",
        "uneven learned thresholds, even levels: the program as compiled",
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
        "uniform-thresholds",
        "Uniform, thresholds",
        "uniform thresholds",
        "thresholds",
        "plain",
        "even thresholds with BatchNorm folded in, as FINN does: the same unit, other constants",
    ),
    Alternative(
        "uniform-multiply",
        "Uniform, multiply-shift (DSP)",
        "multiply-shift",
        "multiply",
        "plain",
        "multiplier, shift, round, clamp; 16-bit multiplier per channel, shift fixed for the layer",
    ),
    Alternative(
        "uniform-multiply-lut",
        "Uniform, multiply-shift (no DSP)",
        "mult.-shift no DSP",
        "multiply-lut",
        "plain",
        "the same with the multiplier in LUTs",
    ),
    Alternative(
        "codebook",
        "Arbitrary codebook (no DSP)",
        "codebook",
        "thresholds",
        "codebook",
        "8-bit output levels looked up for weights and activations (as in LCQ), 8 x 8 products",
    ),
    Alternative(
        "codebook-dsp",
        "Arbitrary codebook (DSP)",
        "codebook DSP",
        "thresholds",
        "codebook-dsp",
        "the same, one DSP per lane",
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


def mac_kind(alternative: Alternative, shape: MacShape, technology: Technology) -> str:
    """Return the kind of MAC lane for a low-bit layer."""
    if alternative.mac == "plain":
        return cheapest_plain(shape, technology)
    return alternative.mac


def level_growth(alternative: Alternative, activation_bits: int, weight_bits: int) -> int:
    """Return by how many bits an accumulator grows: codebook levels reach 255 and 127,
    not 2**b - 1.
    """
    if not alternative.mac.startswith("codebook"):
        return 0
    return max(0, LEVEL_BITS - activation_bits) + max(0, LEVEL_BITS - 1 - weight_bits)


def mac_operators(
    alternative: Alternative, mac: MacCounts, lanes: int, coefficients: int
) -> Operators:
    """Return the operators of ``lanes`` multiply-accumulates of a layer.

    This counts the operations of an image (lanes = MACs) as well as the hardware (lanes = PE *
    SIMD). ``coefficients`` are the multiplications of finished bit-plane sums (LQ-Nets only).
    """
    a, w = mac.activation_bits, mac.weight_bits
    if not mac.low_bit or alternative.mac in ("plain", "direct"):
        return Operators(products(lanes, a, w), lanes)
    if alternative.mac.startswith("codebook"):
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
    each = energy.mac(kind, mac.activation_bits, mac.weight_bits, accumulator)
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


def quantizer_unit(
    alternative: Alternative,
    table: QuantizerCounts,
    width: int,
    channels: int,
    technology: Technology,
) -> Unit:
    """Return one lane of the alternative's quantizer for a comparison table of the program."""
    if alternative.quantizer == "thresholds":
        form = Table(width, table.steps, table.bits, table.shape)
        return cheapest(form, channels, technology)
    return requantizer(
        width,
        table.bits,
        channels,
        technology,
        multiplier=REQUANTIZER_BITS,
        dsp=alternative.quantizer == "multiply",
        bent=table.bent,
    )


def quantizer_operators(
    alternative: Alternative, table: QuantizerCounts, width: int, results: int, unit: Unit
) -> Operators:
    """Return the operators of ``results`` quantized values (of an image, or the hardware lanes)."""
    if alternative.quantizer != "thresholds":
        compares = (3 if table.bent else 2) * results
        return Operators(
            products(results, width, REQUANTIZER_BITS), 2 * results, compares, shifts=results
        )
    if unit.form == "parallel":
        return Operators(adds=max(table.steps - 1, 0) * results, compares=table.steps * results)
    return Operators(compares=table.steps.bit_length() * results)


def quantizer_energy(
    alternative: Alternative, table: QuantizerCounts, width: int, unit: Unit
) -> float:
    """Return the energy of a quantizer's arithmetic, pJ per image."""
    results = table.positions * table.channels
    if alternative.quantizer == "thresholds":
        compares = table.steps if unit.form == "parallel" else table.steps.bit_length()
        return results * compares * energy.compare(width)
    product = width + REQUANTIZER_BITS
    return results * (
        energy.multiply(width, REQUANTIZER_BITS)
        + 2 * energy.add(product)
        + (3 if table.bent else 2) * energy.compare(width)
    )
