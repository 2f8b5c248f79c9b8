"""The comparison adds up, says what it must, and refuses what it cannot do."""

from __future__ import annotations

from dataclasses import astuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.backends.cost import compare, energy
from n2uqc.backends.cost.figures import design_figures
from n2uqc.backends.cost.places import find_places
from n2uqc.backends.cost.quantizers import ALTERNATIVES
from n2uqc.backends.fpga.design import plan
from n2uqc.backends.fpga.folding import default_folding
from n2uqc.backends.fpga.hdl.families import FAMILIES as KNOWN
from n2uqc.frontend.diagnostics import CompileError

from ...properties.programs import programs
from .networks import residual

FAMILIES = st.sampled_from(sorted(KNOWN))
RESOURCES = ("lut", "ff", "carry", "dsp", "bram18")


@settings(max_examples=6, deadline=None)
@given(programs(), FAMILIES)
def test_totals_add_up(case, family: str) -> None:
    program, _ = case
    c = compare(program, technology=family)
    assert [a.id for a in c.alternatives] == list(c.totals)
    itself = next(iter(c.totals.values()))
    for name, total in c.totals.items():
        layers = [layer.costs[name] for layer in c.layers]
        for resource in RESOURCES:
            parts = [
                getattr(p, resource)
                for p in (total.mac, total.quantizer, total.stream, total.memory)
            ]
            assert min(parts) >= 0
            assert getattr(total.resources, resource) == sum(parts)
            assert sum(getattr(x.resources, resource) for x in layers) == sum(parts)
            assert 0 <= total.share(resource) <= 1
        assert total.energy.total == pytest.approx(sum(astuple(total.energy)))
        assert total.energy.total == pytest.approx(sum(x.energy.total for x in layers))
        assert min(astuple(total.energy)) >= 0
        assert 0 <= total.energy_share <= 1
        assert total.bits.total == sum(astuple(total.bits)) == sum(x.bits.total for x in layers)
        assert total.operations.adds == sum(x.operations.adds for x in layers)
    assert c.interval == max(layer.cycles for layer in c.layers)
    # what the program itself takes is what its design takes, to the last cell
    assert itself.resources == c.design.resources
    assert c.own == design_figures(plan(program, family=family))


@settings(max_examples=6, deadline=None)
@given(programs(), FAMILIES)
def test_uniform_thresholds_cost_the_same(case, family: str) -> None:
    program, _ = case
    c = compare(program, technology=family)
    for layer in c.layers:
        assert layer.costs["n2uq"] == layer.costs["uniform-thresholds"]


@settings(max_examples=6, deadline=None)
@given(programs(), FAMILIES)
def test_alternatives_differ_only_where_they_may(case, family: str) -> None:
    """Levels change low-bit MACs and what reads them; quantizers change nothing else."""
    program, _ = case
    for layer in compare(program, technology=family).layers:
        own, mac = layer.costs["n2uq"], layer.counts.mac
        if mac and mac.uneven:
            continue  # test_uneven_levels
        for a in ALTERNATIVES:
            cost = layer.costs[a.id]
            assert cost.bits.weights == own.bits.weights
            assert cost.energy.weights == own.energy.weights
            assert cost.energy.activations == own.energy.activations
            if a.mac in ("plain", "direct", "packed"):
                assert cost.stream == own.stream
            if a.quantizer == "thresholds" and a.mac in ("plain", "direct", "packed"):
                assert cost.quantizer == own.quantizer
            if a.mac != "packed":  # codes from 0 on: other bits of the weights may be alike
                assert cost.memory == own.memory
            if mac is None or not mac.low_bit:
                assert cost.mac == own.mac
        if not layer.counts.quantizers:
            assert layer.costs["uniform-multiply"] == own
        if mac and mac.low_bit:
            assert layer.costs["codebook"].energy.mac > own.energy.mac
            assert layer.costs["codebook"].mac.dsp <= layer.costs["codebook-dsp"].mac.dsp


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_honest_ratios(bits: int) -> None:
    """Codebooks at shipped widths cost more without DSPs, structured levels stay close."""
    c = compare(residual(bits))
    lut = {
        a.id: sum(x.costs[a.id].mac.lut for x in c.layers if x.counts.mac.low_bit)
        for a in c.alternatives
    }
    assert lut["codebook"] > 1.5 * lut["n2uq"]
    for name in ("apot", "lqnets"):
        assert 0.5 < lut[name] / lut["n2uq-direct"] < 3.5
    assert lut["uniform-thresholds"] == lut["uniform-multiply"] == lut["n2uq"]
    shift, own = c.totals["uniform-multiply"], c.totals["n2uq"]
    assert shift.quantizer.dsp > 0 == own.quantizer.dsp


def test_operators_of_alternatives() -> None:
    c = compare(residual(2))
    lanes = sum(x.place.pe * x.place.simd for x in c.layers if x.counts.mac.low_bit)
    low = c.low_bit_macs
    assert c.totals["n2uq"].hardware.multiplies[(2, 2)] == lanes
    assert c.totals["n2uq"].operations.multiplies[(2, 2)] == low
    # the head's products are 8 bits wide too: what the codebook adds is what N2UQ has at 2 bits
    more, own = (c.totals[n].operations.multiplies.get((8, 8), 0) for n in ("codebook", "n2uq"))
    assert more - own == low
    assert (2, 2) not in c.totals["apot"].operations.multiplies
    assert c.totals["apot"].operations.shifts == low
    assert c.totals["codebook"].operations.lookups == 2 * low


def test_cycles_follow_the_folding() -> None:
    program = residual()
    places = find_places(plan(program))
    for layer in compare(program).layers:
        mac, place = layer.counts.mac, layer.place
        work = (mac.rows // place.pe) * (mac.depth // place.simd) * mac.positions
        assert place.cycles >= work
        assert place.cells == places[mac.name].cells
        assert layer.cycles >= place.cycles
    name = next(x.counts.mac.name for x in compare(program).layers if x.counts.mac.low_bit)
    slow = compare(program, {name: (1, 1)})
    mac = next(x.counts.mac for x in slow.layers if x.counts.name == name)
    assert slow.interval == mac.macs
    assert slow.totals["n2uq"].mac.lut < compare(program).totals["n2uq"].mac.lut
    whole = compare(program, default_folding(program))
    assert whole.totals == compare(program).totals


def test_faults_are_named() -> None:
    program = residual()
    name = next(x.counts.mac.name for x in compare(program).layers if x.counts.mac.low_bit)
    with pytest.raises(CompileError, match=name):
        compare(program, {name: (5, 1)})
    with pytest.raises(CompileError, match="nowhere"):
        compare(program, {"nowhere": (1, 1)})
    with pytest.raises(CompileError, match="xc7, ecp5"):
        compare(program, technology="virtex9")
    with pytest.raises(CompileError):
        compare(program, target_cycles=0)


def test_energy_figures() -> None:
    """Horowitz's and QKeras' figures, and the shares at fan-in 144."""
    assert energy.add(8) == pytest.approx(0.03, rel=0.2)
    assert energy.add(32) == pytest.approx(0.1)
    assert energy.multiply(8, 8) == pytest.approx(0.2, rel=0.01)
    assert energy.multiply(32, 32) == pytest.approx(3.1, rel=0.01)
    assert energy.read(64) == 10
    assert 144 * energy.mac("direct", 2, 2, 12) == pytest.approx(8, rel=0.1)
    assert 3 * energy.compare(16) == pytest.approx(0.15)
    assert energy.multiply(16, 16) == pytest.approx(0.8, rel=0.03)
    for bits in (2, 3, 4):
        plain = energy.mac("direct", bits, bits, 16)
        assert energy.mac("planes", bits, bits, 16) < plain
        assert energy.mac("codebook", bits, bits, 16) > 2.9 * plain


def test_every_assumption_is_complete() -> None:
    for family in KNOWN:
        records = compare(residual(), technology=family).assumptions
        assert len({a.id for a in records}) == len(records)
        assert {a.kind for a in records} == {"measured", "literature", "model"}
        assert all(a.text and a.source for a in records)
