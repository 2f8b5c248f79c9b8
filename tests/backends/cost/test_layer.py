"""Costs of single layers, by hand from their counts and foldings."""

from __future__ import annotations

from dataclasses import astuple, fields, replace
from typing import Any

import pytest

from n2uqc.backends.cost import energy
from n2uqc.backends.cost.counting import count_layers
from n2uqc.backends.cost.counts import ElementwiseCounts, LayerCounts
from n2uqc.backends.cost.energy import Energy
from n2uqc.backends.cost.layer import LayerCost, MemoryBits, layer_cost, stream_operators
from n2uqc.backends.cost.places import PlacedEngine
from n2uqc.backends.cost.quantizers import ALTERNATIVES, Operators
from n2uqc.backends.fpga.engines import Fold
from n2uqc.backends.fpga.folding import engines_of
from n2uqc.backends.fpga.hdl.terms import Cells
from n2uqc.backends.fpga.resources import resources
from n2uqc.passes.program import Add, Constant, Conv, Program, SumPool
from n2uqc.passes.program.operation import OperationCount

from ...properties.programs import Builder

BY_NAME = {alternative.id: alternative for alternative in ALTERNATIVES}
BEFORE = Cells(lut=5, ff=7)


def placed(program: Program, fold: Fold, form: str = "products") -> dict[str, PlacedEngine]:
    """All convolutions at a folding and in a form, behind a FIFO; other engines of one lane."""
    places = {}
    for engine in engines_of(program):
        conv = isinstance(engine.op, Conv)
        folded = engine.folded(fold) if conv else engine
        own = form if conv else engine.forms[0]
        places[engine.name] = PlacedEngine(folded, own, resources(folded, own, "xc7"), BEFORE)
    return places


def convolution(groups: int = 1, low_bit: bool = True, out: int = 8) -> tuple[Program, LayerCounts]:
    """A 3x3 convolution of a 6x6 map with 4 channels, to 8: of 2-bit codes and weights, or of 9
    and 8 bits; thresholds read it.
    """
    b = Builder(3, 6, 4, 9, True)
    x = b.thresholds("x", 2) if low_bit else "x"
    shape = (out, 3, 3, 4 // groups)
    rng = b.rng
    weight = (
        Constant.odd(2 * rng.integers(0, 4, shape) - 3, 2)
        if low_bit
        else Constant.narrow(rng.choice([-128, 127], shape))
    )
    y = b.add(Conv, x, weight=b.const(weight), stride=(1, 1), pads=(1, 1, 1, 1), groups=groups)
    program = b.finish(b.thresholds(y, 3))
    layer = next(layer for layer in count_layers(program) if layer.mac)
    return program, layer


MACS = 6 * 6 * 8 * 9 * 4


@pytest.mark.parametrize(
    ("fold", "words"), [((2, 6), 4 * 6), ((8, 12), 3), ((8, 18), 2), ((4, 36), 2), ((8, 36), 1)]
)
def test_memory_of_a_convolution(fold: tuple[int, int], words: int) -> None:
    """Each product reads its weight, unless the one word of weights is wiring; each word of
    operands is read from the line buffer, into which the map is written once.
    """
    program, layer = convolution()
    places = placed(program, Fold(*fold))
    cost = layer_cost(layer, BY_NAME["n2uq"], places, "xc7")
    assert layer.mac is not None and layer.mac.macs == MACS
    assert cost.energy.weights == pytest.approx(energy.read(2 * MACS) if words > 1 else 0)
    read = words * 36 * fold[1] * 2 + 6 * 6 * 4 * 2
    assert cost.energy.activations == pytest.approx(energy.read(read))
    assert cost.bits.weights == 8 * 36 * 2
    place = places[layer.mac.name]
    assert cost.bits.buffers == place.buffer_elements * 2 > 0
    assert cost.memory == place.cells.rest + BEFORE + BEFORE
    assert cost.mac == place.cells.elements
    lanes = fold[0] * fold[1]
    assert cost.hardware.multiplies == {(2, 2): lanes}
    assert cost.operations.multiplies == {(2, 2): MACS}


def test_groups_have_operands_of_their_own() -> None:
    """No element sees both of two groups with four results each; in a depthwise convolution each
    has one.
    """
    two, single = convolution(groups=2), convolution(groups=4, out=4)
    cases = (
        (two, 8, 6, 18, 1, 1),
        (two, 8, 6, 18, 4, 1),
        (single, 4, 3, 9, 1, 1),
        (single, 4, 3, 9, 4, 4),
    )
    for (program, layer), rows, simd, depth, pe, groups in cases:
        cost = layer_cost(layer, BY_NAME["n2uq"], placed(program, Fold(pe, simd)), "xc7")
        words = rows // pe * depth // simd
        read = words * 36 * simd * groups * 2 + 6 * 6 * 4 * 2
        assert cost.energy.activations == pytest.approx(energy.read(read))


@pytest.mark.parametrize("form", ["products", "planes"])
def test_products_cost_what_their_form_does(form: str) -> None:
    program, layer = convolution()
    cost = layer_cost(layer, BY_NAME["n2uq"], placed(program, Fold(2, 6), form), "xc7")
    assert layer.mac is not None
    each = energy.mac(form, 2, 2, layer.mac.accumulator)
    assert cost.energy.mac == pytest.approx(MACS * each)
    assert form in cost.forms
    direct = layer_cost(layer, BY_NAME["n2uq-direct"], placed(program, Fold(2, 6), form), "xc7")
    each = energy.mac("direct", 2, 2, layer.mac.accumulator)
    assert direct.energy.mac == pytest.approx(MACS * each)
    assert "products" in direct.forms


def test_bit_planes_of_learned_bases_have_a_coefficient_each() -> None:
    """Four pairs of planes; those that are finished in 6 cycles need a multiplier for each."""
    program, layer = convolution()
    cost = layer_cost(layer, BY_NAME["lqnets"], placed(program, Fold(2, 6)), "xc7")
    assert layer.mac is not None
    ((wide, _),) = cost.operations.multiplies
    assert wide == layer.mac.accumulator
    assert list(cost.operations.multiplies.values()) == [4 * 6 * 6 * 8]
    assert list(cost.hardware.multiplies.values()) == [2]
    whole = layer_cost(layer, BY_NAME["lqnets"], placed(program, Fold(2, 36)), "xc7")
    assert list(whole.hardware.multiplies.values()) == [2 * 4]


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_wide_operands_are_multiplied_as_they_are(name: str) -> None:
    """No number system of low-bit levels is put in their place, and no form is told."""
    program, layer = convolution(low_bit=False)
    alone, places = replace(layer, quantizers=()), placed(program, Fold(2, 6))
    cost = layer_cost(alone, BY_NAME[name], places, "xc7")
    assert layer.mac is not None
    each = energy.mac("fixed", 9, 8, layer.mac.accumulator)
    assert cost.energy.mac == pytest.approx(MACS * each)
    assert cost.operations.multiplies == {(9, 8): MACS}
    assert cost.forms == ()


def test_bounds_are_read_for_each_result() -> None:
    """Seven of each channel, side by side; a search reads three."""
    program, layer = convolution()
    (table,) = layer.quantizers
    for form, read in (("parallel", 7), ("binary search", 3)):
        places = placed(program, Fold(2, 6))
        engine = places[table.name].engine
        places[table.name] = PlacedEngine(engine, form, resources(engine, form, "xc7"), BEFORE)
        cost = layer_cost(replace(layer, mac=None), BY_NAME["n2uq"], places, "xc7")
        width = engine.inputs[0].bits
        assert cost.energy.tables == pytest.approx(energy.read(6 * 6 * 8 * read * width))
        assert cost.bits == MemoryBits(quantizer=8 * 7 * width)
        assert cost.forms == (form,)
        assert (cost.quantizer, cost.memory) == (places[table.name].cells.total, BEFORE)


def elementwise(**changes: Any) -> ElementwiseCounts:
    """A requantization of 5 positions and 6 channels: a product, two sums, two comparisons."""
    counts = ElementwiseCounts(
        "y", (), "requantize", 5, 6, 1, 20, 16, 40, False, 18, OperationCount(adds=2, compares=2)
    )
    return replace(counts, **changes)


def test_operators_of_the_wide_stream() -> None:
    """Those of all results, of one, and of lanes side by side."""
    other = elementwise()
    assert stream_operators(other, 20, 30) == Operators({(20, 16): 30}, 60, 60)
    assert stream_operators(other, 20, 1) == Operators({(20, 16): 1}, 2, 2)
    assert stream_operators(elementwise(multiplier=0), 23, 4) == Operators({}, 8, 8)
    assert stream_operators(elementwise(positions=0), 23, 4) == Operators({(23, 16): 4}, 0, 0)


def test_a_sum_of_streams_and_a_pool() -> None:
    """A pool reads its window from a line buffer; a sum has neither memory nor parameters."""
    b = Builder(1, 6, 4, 8, True)
    total = b.add(Add, "x", "x")
    y = b.add(SumPool, total, kernel=(2, 2), stride=(2, 2))
    program = b.finish(b.requantize(y))
    places = placed(program, Fold(1, 1))
    (layer,) = count_layers(program)
    add, pool, rescale = layer.others
    parts = {
        other.name: layer_cost(replace(layer, others=(other,)), BY_NAME["n2uq"], places, "xc7")
        for other in layer.others
    }
    sums = 6 * 6 * 4 * energy.add(9)
    assert astuple(parts[add.name].energy) == pytest.approx(astuple(Energy(stream=sums)))
    assert parts[add.name].bits == MemoryBits()
    assert parts[add.name].stream == places[add.name].cells.total
    buffered = places[pool.name].buffer_elements * 9
    assert parts[pool.name].bits == MemoryBits(buffers=buffered)
    moved = 3 * 3 * 4 * (1 + 4) * 9  # each result is four words, and one is written
    assert parts[pool.name].energy.activations == pytest.approx(energy.read(moved))
    assert parts[pool.name].stream == places[pool.name].cells.elements
    assert parts[pool.name].memory == places[pool.name].cells.rest + BEFORE
    # parameters differ by channel and are read for each result
    assert parts[rescale.name].bits == MemoryBits(stream=4 * rescale.word)
    each = (
        energy.multiply(rescale.width, rescale.multiplier)
        + energy.add(rescale.width) * rescale.adds / rescale.elements
        + energy.compare(rescale.width) * rescale.compares / rescale.elements
        + energy.read(rescale.word)
    )
    assert astuple(parts[rescale.name].energy) == pytest.approx(astuple(Energy(stream=36 * each)))
    together = layer_cost(layer, BY_NAME["n2uq"], places, "xc7")
    assert together.bits == sum(parts.values(), LayerCost()).bits


def test_shares_and_sums_of_costs() -> None:
    mac, quantizer, stream, memory = (
        Cells(lut=n, ff=10 * n, dsp=k) for k, n in enumerate((8, 4, 2, 6))
    )
    cost = LayerCost(
        mac,
        quantizer,
        stream,
        memory,
        bits=MemoryBits(1, 2, 4, 8),
        energy=Energy(1.0, 2.0, 4.0, 8.0, 16.0, 32.0),
        forms=("b",),
    )
    assert cost.resources == Cells(lut=20, ff=200, dsp=6)
    assert [cost.share(name) for name in ("lut", "ff", "dsp", "bram18")] == [0.2, 0.2, 1 / 6, 0.0]
    assert cost.energy_share == pytest.approx((2 + 4) / 63)
    assert LayerCost().energy_share == 0.0
    assert cost.bits.total == 15
    twice = cost + replace(cost, forms=("a", "b"))
    assert twice.forms == ("a", "b")
    for part in ("mac", "quantizer", "stream", "memory", "resources"):
        assert getattr(twice, part) == getattr(cost, part) * 2
    assert twice.bits == MemoryBits(*(2 * getattr(cost.bits, f.name) for f in fields(MemoryBits)))
    assert twice.energy.total == 126
