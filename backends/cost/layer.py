"""Cost of one layer under one alternative: MACs, quantizer, wide stream, memories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from . import energy
from .counts import ElementwiseCounts, LayerCounts, MacCounts, QuantizerCounts
from .energy import Energy
from .quantizers import (
    Alternative,
    Operators,
    level_growth,
    mac_energy,
    mac_kind,
    mac_operators,
    products,
    quantizer_energy,
    quantizer_operators,
    quantizer_unit,
)
from .sites import Site
from .technology import Technology
from .units.elementwise import elementwise
from .units.mac import MacShape, fixed_array, low_bit_array
from .units.resources import Memory, Resources, place


@dataclass(frozen=True)
class MemoryBits:
    """Stored bits: weights, tables and parameters of quantizers,
    parameters of the wide stream, and line buffers.
    """

    weights: int = 0
    quantizer: int = 0
    stream: int = 0
    buffers: int = 0

    @property
    def total(self) -> int:
        return self.weights + self.quantizer + self.stream + self.buffers

    def __add__(self, other: MemoryBits) -> MemoryBits:
        return MemoryBits(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class LayerCost:
    """The cost of a layer or of a whole model.

    Attributes:
        mac, quantizer, stream, memory: hardware of the MAC array, of the quantizers with their
            parameter memory, of the wide stream (the same in all alternatives), of weights and line
            buffers.
        operations: operations per image.
        hardware: operators in the datapath.
        bits: stored bits.
        energy: pJ per image.
    """

    mac: Resources = field(default_factory=Resources)
    quantizer: Resources = field(default_factory=Resources)
    stream: Resources = field(default_factory=Resources)
    memory: Resources = field(default_factory=Resources)
    operations: Operators = field(default_factory=Operators)
    hardware: Operators = field(default_factory=Operators)
    bits: MemoryBits = field(default_factory=MemoryBits)
    energy: Energy = field(default_factory=Energy)
    forms: tuple[str, ...] = ()

    @property
    def resources(self) -> Resources:
        return self.mac + self.quantizer + self.stream + self.memory

    def share(self, resource: str) -> float:
        """Return the quantizer's share of ``lut``, ``ff``, ``dsp`` or ``bram18``;
        0 if none is used.
        """
        whole = float(getattr(self.resources, resource))
        return float(getattr(self.quantizer, resource)) / whole if whole else 0.0

    @property
    def energy_share(self) -> float:
        """The share of the energy in quantizers and reads of their tables."""
        whole = self.energy.total
        return (self.energy.quantizer + self.energy.tables) / whole if whole else 0.0

    def __add__(self, other: LayerCost) -> LayerCost:
        return LayerCost(
            self.mac + other.mac,
            self.quantizer + other.quantizer,
            self.stream + other.stream,
            self.memory + other.memory,
            self.operations + other.operations,
            self.hardware + other.hardware,
            self.bits + other.bits,
            self.energy + other.energy,
            tuple(sorted({*self.forms, *other.forms})),
        )


def layer_cost(
    layer: LayerCounts, alternative: Alternative, sites: Mapping[str, Site], technology: Technology
) -> LayerCost:
    """Return the cost of a layer.

    Args:
        layer: its counts.
        alternative: the kind of quantization.
        sites: engines of the whole program.
        technology: the family.
    """
    cost, growth = LayerCost(), 0
    if layer.mac:
        mac = layer.mac
        if mac.low_bit:
            growth = level_growth(alternative, mac.activation_bits, mac.weight_bits)
        cost += _mac_cost(mac, alternative, sites[mac.name], growth, technology)
    for table in layer.quantizers:
        width = table.width + (growth if table.attached else 0)
        cost += _quantizer_cost(table, alternative, sites[table.name].pe, width, technology)
    for other in layer.others:
        width = other.width + (growth if other.attached else 0)
        cost += _stream_cost(other, sites[other.name], width, technology)
    return cost


def _mac_cost(
    mac: MacCounts, alternative: Alternative, site: Site, growth: int, technology: Technology
) -> LayerCost:
    pe, simd = site.pe, site.simd
    shape = MacShape(
        mac.activation_bits,
        mac.weight_bits,
        mac.accumulator + growth,
        pe,
        simd,
        -(-mac.depth // simd),
    )
    kind = mac_kind(alternative, shape, technology) if mac.low_bit else "fixed"
    array = (
        low_bit_array(kind, shape, technology) if mac.low_bit else fixed_array(shape, technology)
    )
    planes = mac.activation_bits * mac.weight_bits
    words = -(-mac.rows // pe) * shape.cycles
    weights = Memory(pe * simd * mac.weight_bits, words)
    buffer_bits = site.buffer_elements * mac.activation_bits
    buffer_width = simd * _input_groups(mac, pe) * mac.activation_bits
    buffer = Memory(buffer_width, -(-buffer_bits // buffer_width))
    reads = words * mac.positions * buffer_width
    return LayerCost(
        mac=array,
        memory=place(weights, technology) + place(buffer, technology),
        operations=mac_operators(alternative, mac, mac.macs, planes * mac.positions * mac.rows),
        hardware=mac_operators(alternative, mac, site.lanes, pe * -(-planes // shape.cycles)),
        bits=MemoryBits(weights=mac.weight_storage, buffers=buffer_bits),
        energy=Energy(
            mac=mac_energy(alternative, mac, kind, shape.accumulator),
            weights=energy.read(mac.macs * mac.weight_bits if words > 1 else 0),
            activations=energy.read(reads + mac.input_elements * mac.activation_bits),
        ),
        forms=(kind,) if mac.low_bit else (),
    )


def _input_groups(mac: MacCounts, pe: int) -> int:
    """Groups of a grouped convolution that PE output channels touch: each needs its own inputs."""
    return -(-pe // (mac.rows // mac.groups))


def _quantizer_cost(
    table: QuantizerCounts, alternative: Alternative, lanes: int, width: int, technology: Technology
) -> LayerCost:
    channels = -(-table.channels // lanes)
    unit = quantizer_unit(alternative, table, width, channels, technology)
    results = table.positions * table.channels
    return LayerCost(
        quantizer=unit.resources * lanes,
        operations=quantizer_operators(alternative, table, width, results, unit),
        hardware=quantizer_operators(alternative, table, width, lanes, unit),
        bits=MemoryBits(quantizer=unit.parameter_bits * table.channels // channels),
        energy=Energy(
            quantizer=quantizer_energy(alternative, table, width, unit),
            tables=energy.read(results * unit.read_bits),
        ),
        forms=(unit.form,),
    )


def _stream_cost(
    other: ElementwiseCounts, site: Site, width: int, technology: Technology
) -> LayerCost:
    channels = -(-other.channels // site.pe)
    unit = elementwise(
        other.kind,
        width,
        channels,
        technology,
        multiplier=other.multiplier,
        word=other.word,
        entries=other.window if other.kind == "lookup" else 0,
    )
    spent = (
        other.multiplies * energy.multiply(width, other.multiplier)
        + other.adds * energy.add(width)
        + other.compares * energy.compare(width)
    )
    buffer_bits = site.buffer_elements * other.operand
    buffer_width = site.lanes * other.operand
    buffer = Memory(buffer_width, -(-buffer_bits // buffer_width))
    moved = buffer_bits and other.elements * (1 + other.window) * other.operand
    return LayerCost(
        stream=unit.logic * site.lanes + unit.storage * site.pe,
        memory=place(buffer, technology),
        operations=stream_operators(other, width, other.elements),
        hardware=stream_operators(other, width, site.lanes),
        bits=MemoryBits(stream=other.word * other.channels, buffers=buffer_bits),
        energy=Energy(
            stream=spent + energy.read(other.elements * unit.read_bits),
            activations=energy.read(moved),
        ),
    )


def stream_operators(other: ElementwiseCounts, width: int, results: int) -> Operators:
    """Return the operators of an operation on the wide stream for a number of results."""
    share = other.elements or 1
    return Operators(
        products(results if other.multiplier else 0, width, other.multiplier),
        other.adds * results // share,
        other.compares * results // share,
    )
