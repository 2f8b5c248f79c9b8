"""Energy per operation at 45 nm: a model of the dynamic energy of arithmetic and memory reads only.

Sources: Horowitz, "Computing's energy problem", ISSCC 2014 (SRAM); the QKeras fit of its adders and
multipliers (Coelho et al., Nature Machine Intelligence 2021). All results are in pJ.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

from .technology import SRAM_PJ_PER_BIT, TRANSISTORS


def add(bits: float) -> float:
    """Return the energy of an addition: 0.003125 * bits (32 bits: 0.1 pJ)."""
    return 0.003125 * bits


def multiply(a: float, b: float) -> float:
    """Return the energy of a product: 0.002995 * a * b + 0.00104 * (a + b)
    / 2 (8 x 8 bits: 0.2 pJ).
    """
    return 0.002995 * a * b + 0.00104 * (a + b) / 2


def compare(bits: float) -> float:
    """Return the energy of a comparison, taken as a subtraction."""
    return add(bits)


def read(bits: float) -> float:
    """Return the energy to read or write bits of a small SRAM."""
    return SRAM_PJ_PER_BIT * bits


def mac(kind: str, a: int, w: int, accumulator: int) -> float:
    """Return the energy of a multiply-accumulate of a-bit activations and w-bit weights.

    Product and sum follow the fits above. For other number systems this is scaled by the
    transistors of their 16-lane dot product relative to the direct one of the same width.
    """
    base = multiply(a, w) + add(accumulator)
    kind = {"lqnets": "planes", "products": "direct", "packed": "direct"}.get(kind, kind.split()[0])
    if kind in ("fixed", "direct"):
        return base
    low, high = TRANSISTORS[kind].points[0][0], TRANSISTORS[kind].points[-1][0]
    size = min(max(a * w, low), high)
    ratio = TRANSISTORS[kind].at(size) / TRANSISTORS["direct"].at(size)
    return base * ratio


@dataclass(frozen=True)
class Energy:
    """Energy in pJ per image, by part.

    Attributes:
        mac: multiply-accumulates.
        quantizer: arithmetic of the quantizers.
        tables: reads of the quantizers' bounds or multipliers.
        stream: requantization to the skip stream, sums, PReLU, pools, with their parameter reads.
        weights: weight reads.
        activations: activation reads and writes of the low-bit and fixed-point maps.
    """

    mac: float = 0.0
    quantizer: float = 0.0
    tables: float = 0.0
    stream: float = 0.0
    weights: float = 0.0
    activations: float = 0.0

    @property
    def total(self) -> float:
        return float(sum(astuple(self)))

    @property
    def memory(self) -> float:
        return self.weights + self.activations + self.tables

    def __add__(self, other: Energy) -> Energy:
        return Energy(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))
