"""The verdict of a report in two sentences, and where N2UQ loses; all from the figures at hand."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from ..cost.compare import Comparison
from ..cost.layer import LayerCost
from ..cost.trained import Trained, beaten_by

SLIGHT = 1.01
"""What is less than a hundredth more is no loss."""


def verdict(networks: Sequence[Trained]) -> tuple[str, str]:
    """Two sentences with their numbers: one network in its dresses, or networks side by side."""
    return _dresses(networks[0].comparison) if len(networks) == 1 else _side_by_side(networks)


def _dresses(c: Comparison) -> tuple[str, str]:
    own, itself = c.totals["n2uq"], c.totals[c.itself]
    what = "N2UQ"
    if c.itself != "n2uq":
        what = f"As compiled, with its own uneven levels, {c.model} takes {_cells(itself)}; N2UQ"
    uniform = c.totals["uniform-thresholds"]
    joint = "as" if _than(own.resources.lut, uniform.resources.lut) == "as many" else "than"
    first = (
        f"{what} takes {_cells(own)}, {_than(own.resources.lut, uniform.resources.lut)} LUT "
        f"{joint} a uniform quantizer by thresholds ({_cells(uniform)}); without thresholds, "
        f"uniform quantizers take {_without_thresholds(c)}."
    )
    if not c.low_bit_macs:
        return first, "No multiplication here is low-bit, so uneven output levels change nothing."
    book, with_dsp = c.totals["codebook"], c.totals["codebook-dsp"]
    ratio = book.resources.lut / max(1, own.resources.lut)
    second = (
        f"Arbitrary output levels would take {ratio:.1f} times its LUT ({book.resources.lut:,}) "
        f"without further DSPs, or {with_dsp.resources.lut:,} LUT with "
        f"{with_dsp.resources.dsp:,} DSP in place of {own.resources.dsp:,}."
    )
    return first, second


def _without_thresholds(c: Comparison) -> str:
    """Name the uniform quantizer of the fewest LUT, and that of the fewest with N2UQ's DSPs."""
    kinds = [a for a in c.alternatives if a.id.startswith("uniform-")]
    # packed products are not of a quantizer: N2UQ may have them as well
    kinds = [a for a in kinds if a.id != "uniform-thresholds" and a.mac != "packed"]
    least = min(kinds, key=lambda a: (c.totals[a.id].resources.lut, c.totals[a.id].resources.dsp))
    text = f"{_cells(c.totals[least.id])} ({least.short})"
    own = c.totals["n2uq"].resources.dsp
    if c.totals[least.id].resources.dsp <= own:
        return f"at least {text}"
    thrifty = [a for a in kinds if c.totals[a.id].resources.dsp <= own]
    if not thrifty:
        return f"at least {text}, and all of them more DSPs"
    frugal = min(thrifty, key=lambda a: c.totals[a.id].resources.lut)
    return f"{text}, or without more DSPs {_cells(c.totals[frugal.id])} ({frugal.short})"


def _side_by_side(networks: Sequence[Trained]) -> tuple[str, str]:
    least = min(networks, key=lambda n: (n.comparison.own["lut"], n.comparison.own["dsp"]))
    if any(network.accuracy is None for network in networks):
        most = max(networks, key=lambda n: n.comparison.own["lut"])
        return (
            f"Of {len(networks)} networks {_name(least)} takes the fewest LUT, {_own(least)}; "
            f"{_name(most)} takes {_own(most)}.",
            "Their accuracy was not measured, so nothing is said of which one is better.",
        )
    front = [n for k, n in enumerate(networks) if beaten_by(networks, k) is None]
    best = max(networks, key=lambda n: (n.accuracy.share if n.accuracy else 0.0, n is least))
    if best is least:
        first = (
            f"{_name(best)} is the most accurate ({_share(best)}) and takes the fewest LUT too: "
            f"{_own(best)}."
        )
    else:
        first = (
            f"{_name(best)} is the most accurate ({_share(best)}) and takes {_own(best)}; "
            f"{_name(least)} ({_share(least)}) takes the fewest LUT, {_own(least)}."
        )
    return first, (
        f"{len(front)} of {len(networks)} networks are not beaten in accuracy, LUT, DSP, block RAM "
        f"and cycles at once ({', '.join(map(_name, front))}); accuracies closer than "
        f"{chance(networks):.1%} may be chance."
    )


def chance(networks: Sequence[Trained]) -> float:
    """The difference of two accuracies that chance alone exceeds once in twenty times.

    Of independent samples, by the normal approximation, with one more right and one more wrong.
    """
    found = 0.0
    for network in networks:
        if network.accuracy is not None:
            share = (network.accuracy.right + 1) / (network.accuracy.images + 2)
            found = max(found, 1.96 * sqrt(2 * share * (1 - share) / network.accuracy.images))
    return found


def losses(c: Comparison) -> tuple[str, ...]:
    """List where another dress of this network is cheaper than N2UQ's, each with its numbers."""
    own, shift = c.totals["n2uq"], c.totals["uniform-multiply"]
    found = []
    if own.bits.quantizer > SLIGHT * shift.bits.quantizer:
        found.append(
            f"Memory: thresholds take {own.bits.quantizer / 1000:,.1f} kbit, multipliers and "
            f"biases of multiply-shift {shift.bits.quantizer / 1000:,.1f} kbit "
            f"({_times(own.bits.quantizer, shift.bits.quantizer)})."
        )
    mine, theirs = _quantizing(own), _quantizing(shift)
    if mine > SLIGHT * theirs:
        found.append(
            f"Energy: quantizers and reads of their tables take {mine / 1000:,.2f} nJ an image, "
            f"with multiply-shift {theirs / 1000:,.2f} nJ ({_times(mine, theirs)}; of the whole "
            f"network {own.energy.total / 1000:,.1f} and {shift.energy.total / 1000:,.1f} nJ)."
        )
    for a in c.alternatives:
        if a.id.startswith("n2uq") or a.mac == "packed":  # which N2UQ may have as well
            continue
        other = c.totals[a.id].resources
        if SLIGHT * other.lut < own.resources.lut:
            more = other.dsp - own.resources.dsp
            dsp = f"for {more:,} DSP more" if more > 0 else f"and {-more:,} DSP fewer"
            found.append(
                f"LUT: {a.title} takes {other.lut:,} where N2UQ takes {own.resources.lut:,}, "
                f"{own.resources.lut - other.lut:,} fewer, {dsp if more else 'at the same DSPs'}."
            )
    if not found:
        found.append("Nowhere: no other dress of this network takes less LUT, memory or energy.")
    if c.low_bit_macs:
        book, least = c.low_bit("codebook"), c.low_bit("n2uq")
        factor = f"a factor of {book / least:.1f} in" if least else f"all of {book:,}"
        whole = c.totals["codebook"].resources.lut / max(1, own.resources.lut)
        found.append(
            f"What it wins over arbitrary codebooks without further DSPs is {factor} LUT of the "
            f"low-bit multiplications, and a factor of {whole:.1f} of the whole network."
        )
    return tuple(found)


def _quantizing(cost: LayerCost) -> float:
    return cost.energy.quantizer + cost.energy.tables


def _times(more: float, less: float) -> str:
    if not less:
        return "against none"
    return f"{more / less:,.1f} times" if more >= 1.1 * less else f"{more / less - 1:.0%} more"


def _than(mine: int, other: int) -> str:
    off = (mine - other) / max(1, other)
    if abs(off) < 0.005:
        return "as many"
    return f"{abs(off):.0%} {'more' if off > 0 else 'fewer'}"


def _cells(cost: LayerCost) -> str:
    return f"{cost.resources.lut:,} LUT and {cost.resources.dsp:,} DSP"


def _name(network: Trained) -> str:
    return network.comparison.model


def _own(network: Trained) -> str:
    own = network.comparison.own
    return f"{own['lut']:,} LUT and {own['dsp']:,} DSP"


def _share(network: Trained) -> str:
    return f"{network.accuracy.share:.2%}" if network.accuracy else "-"
