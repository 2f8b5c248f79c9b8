"""The findings of a comparison as sentences, with their limits."""

from __future__ import annotations

from ..cost.compare import Comparison
from ..search.result import NAMES

TIE = 0.20
"""Smaller relative differences count as equal: versions of the synthesis tool differ as much."""


def findings(c: Comparison) -> tuple[str, ...]:
    """Return the findings, one or two sentences each; they are the same for every model."""
    own, even = c.totals["n2uq"], c.totals["uniform-thresholds"]
    shift, fabric = c.totals["uniform-multiply"], c.totals["uniform-multiply-lut"]
    result = [
        f"N2UQ's comparison tables take {own.quantizer.lut:,.0f} LUT and {own.quantizer.dsp:.0f} "
        f"DSP; a uniform quantizer built as thresholds takes {even.quantizer.lut:,.0f} LUT and "
        f"{even.quantizer.dsp:.0f} DSP: the same unit with other constants.",
        f"Multiply-shift takes {shift.quantizer.lut:,.0f} LUT and {shift.quantizer.dsp:.0f} DSP in "
        f"its place: thresholds save {shift.quantizer.dsp:.0f} DSP "
        f"{_against(own.quantizer.lut - shift.quantizer.lut)}. Without DSPs multiply-shift takes "
        f"{fabric.quantizer.lut:,.0f} LUT.",
    ]
    result.append(_cheapest(c))
    if c.low_bit_macs:
        result += _levels(c)
    energy = own.energy
    alone = energy.quantizer / (energy.mac + energy.quantizer) if energy.mac else 0.0
    result.append(
        f"The quantizer is {own.share('lut'):.0%} of the LUTs and {own.energy_share:.0%} of the "
        f"modeled energy of the whole network, reads of its tables included; of the arithmetic in "
        f"MACs and quantizers it is {alone:.1%}. What it saves or costs is bounded by these shares."
    )
    bent = sum(q.bent for layer in c.layers for q in layer.counts.quantizers)
    if bent:
        count = sum(len(layer.counts.quantizers) for layer in c.layers)
        result.append(
            f"{bent} of {count} tables go up and down, as a PReLU with a slope below zero makes "
            "them; they need up to twice the comparisons of a monotone table. That is the "
            "price of the PReLU, not of uneven thresholds."
        )
    return tuple(result)


def _cheapest(c: Comparison) -> str:
    titles = {a.id: a.title for a in c.alternatives}
    device = next(iter(c.cheapest.values())).device
    forms = "; ".join(
        f"{dress}: {titles[found.id]} ({found.share:.1%} of {NAMES[found.resource]})"
        for dress, found in c.cheapest.items()
    )
    return (
        f"The cheapest form of each dress on {device}, by the resource of which it takes the "
        f"largest share of what designs may fill: {forms}."
    )


def _against(lut: float) -> str:
    return f"for {lut:,.0f} LUT more" if lut >= 0 else f"and {-lut:,.0f} LUT"


def _levels(c: Comparison) -> list[str]:
    """Return sentences about nonuniform output levels: the MACs of low-bit layers."""
    lut = {a.id: c.low_bit(a.id, "lut") for a in c.alternatives}
    direct, best = lut["n2uq-direct"], lut["n2uq"]

    def against(name: str) -> str:
        text = f"{lut[name]:,.0f} LUT"
        if direct:
            text += f", {lut[name] / direct:.1f} times N2UQ's direct products"
        if 0 < best < direct:
            text += f" ({lut[name] / best:.1f} times its bit planes)"
        return text

    own = "" if direct else f" N2UQ takes {c.low_bit('n2uq-direct', 'dsp'):,.0f} DSP, no LUT."
    near = []
    for name, title in (("apot", "APoT"), ("lqnets", "LQ-Nets")):
        extra = c.low_bit(name, "dsp")
        near.append(f"{title} {against(name)}" + (f" and {extra:.0f} DSP" if extra else ""))
    close = all(lut[name] < 2 * direct for name in ("apot", "lqnets"))
    return [
        f"Uneven output levels cost in the low-bit MACs.{own} Arbitrary codebooks take "
        f"{against('codebook')}; or {c.low_bit('codebook-dsp', 'dsp'):,.0f} DSP and "
        f"{lut['codebook-dsp']:,.0f} LUT.",
        f"Structured levels are {'close to N2UQ' if close else 'dearer, too'}: {'; '.join(near)}. "
        f"Differences under {TIE:.0%} are ties.",
    ]
