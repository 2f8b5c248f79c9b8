"""Verdict and losses are this network's own figures."""

from __future__ import annotations

import onnx
import pytest

from n2uqc.backends.cost import Accuracy, Comparison, Trained, compare
from n2uqc.backends.report import report
from n2uqc.backends.report.verdict import chance, losses, verdict
from n2uqc.passes import load

from ...frontend.rivals import network
from ..cost.networks import residual


@pytest.fixture(scope="module")
def compared() -> dict[int, Comparison]:
    return {bits: compare(residual(bits), name=f"net{bits}") for bits in (2, 4)}


@pytest.mark.parametrize("bits", [2, 4])
def test_losses_are_of_this_network(bits: int, compared: dict[int, Comparison]) -> None:
    c = compared[bits]
    own, shift = c.totals["n2uq"], c.totals["uniform-multiply"]
    lines = losses(c)
    memory = [line for line in lines if line.startswith("Memory")]
    assert bool(memory) == (own.bits.quantizer > 1.01 * shift.bits.quantizer)
    if memory:
        assert f"{own.bits.quantizer / 1000:,.1f} kbit" in memory[0]
        assert f"{shift.bits.quantizer / 1000:,.1f} kbit" in memory[0]
    energy = [line for line in lines if line.startswith("Energy")]
    spent = [x.energy.quantizer + x.energy.tables for x in (own, shift)]
    assert bool(energy) == (spent[0] > 1.01 * spent[1])
    for a in c.alternatives[1:]:
        less = 1.01 * c.totals[a.id].resources.lut < own.resources.lut
        named = any(line.startswith(f"LUT: {a.title} takes") for line in lines)
        shared = a.id.startswith("n2uq") or a.mac == "packed"  # what N2UQ may have as well
        assert named == (less and not shared)
    book, mine = (
        sum(x.costs[name].mac.lut for x in c.layers if x.counts.mac and x.counts.mac.low_bit)
        for name in ("codebook", "n2uq")
    )
    assert f"a factor of {book / mine:.1f} in LUT" in lines[-1]


def test_four_bits_lose_memory(compared: dict[int, Comparison]) -> None:
    assert any(line.startswith("Memory: thresholds take") for line in losses(compared[4]))
    assert losses(compared[2]) != losses(compared[4])


def test_verdict_of_dresses(compared: dict[int, Comparison]) -> None:
    first, second = verdict([Trained(compared[2])])
    assert f"{compared[2].own['lut']:,} LUT and {compared[2].own['dsp']:,} DSP" in first
    assert f"{compared[2].totals['codebook'].resources.lut:,}" in second


@pytest.mark.parametrize("bits", [2, 4])
def test_verdict_names_the_best_uniform_quantizers(
    bits: int, compared: dict[int, Comparison]
) -> None:
    """The one that is built like N2UQ's first: no lead is claimed over it."""
    c = compared[bits]
    first, _ = verdict([Trained(c)])
    cost = {
        a.id: (c.totals[a.id].resources.lut, c.totals[a.id].resources.dsp)
        for a in c.alternatives
        if a.id.startswith("uniform-") and a.mac != "packed"  # N2UQ's products can be packed, too
    }
    lut, dsp = cost.pop("uniform-thresholds")
    assert f"by thresholds ({lut:,} LUT and {dsp:,} DSP)" in first
    least = min(cost.values())
    assert f"{least[0]:,} LUT and {least[1]:,} DSP (" in first
    thrifty = [x for x in cost.values() if x[1] <= c.totals["n2uq"].resources.dsp]
    if least not in thrifty and thrifty:
        assert f"without more DSPs {min(thrifty)[0]:,} LUT" in first


def test_networks_side_by_side(compared: dict[int, Comparison]) -> None:
    both = [Trained(compared[b], Accuracy(r, 1000, "host")) for b, r in ((2, 900), (4, 950))]
    text = " ".join(verdict(both))
    assert "net4 is the most accurate (95.00%)" in text and "net2 (90.00%)" in text
    assert "2 of 2 networks" in text
    # 95% of differences by chance: 1.96 sqrt(2 p q / n), p near 0.9
    assert chance(both) == pytest.approx(1.96 * (2 * 0.9 * 0.1 / 1000) ** 0.5, rel=0.01)
    two, four = report(both).models
    assert (two.accuracy, two.images, two.pareto, four.pareto) == (0.9, 1000, True, True)
    worse = [Trained(compared[b], Accuracy(r, 1000, "host")) for b, r in ((2, 950), (4, 900))]
    two, four = report(worse).models
    assert (two.pareto, four.pareto, four.beaten_by) == (True, False, 0)
    assert report([Trained(compared[2]), both[1]]).models[1].pareto is None


def test_own_uneven_levels_come_first(tmp_path) -> None:
    onnx.save(network("apot", 2), tmp_path / "net.onnx")
    c = compare(load(tmp_path / "net.onnx"), name="net", dresses=("apot",))
    first, _ = verdict([Trained(c)])
    own, even = c.totals["own"].resources, c.totals["n2uq"].resources
    assert own == c.design.resources and own != even
    said = f"net takes {own.lut:,} LUT and {own.dsp:,} DSP; N2UQ takes {even.lut:,} LUT"
    assert said in first
    named = any(line.startswith("LUT: As compiled") for line in losses(c))
    assert named == (1.01 * own.lut < even.lut)
    model = report(c).models[0]
    assert model.itself == "own" and [a.id for a in model.alternatives] == ["own", "apot"]
