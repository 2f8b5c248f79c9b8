"""Cost of one layer under one alternative: MACs, quantizer, wide stream, memories."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

from ..fpga.engines.channelwise import Depthwise
from ..fpga.engines.matrix_vector import PACKED, MatrixVector
from ..fpga.engines.threshold import ThresholdUnit
from ..fpga.hdl.families import WITHOUT
from ..fpga.hdl.terms import Cells
from ..fpga.resources import resources
from . import energy
from .counts import ElementwiseCounts, LayerCounts, MacCounts, QuantizerCounts
from .dress import Dressed, evened, own_elements, rival
from .energy import Energy
from .places import PlacedEngine
from .quantizers import (
    Alternative,
    Operators,
    mac_energy,
    mac_operators,
    operand_widths,
    products,
    quantizer_energy,
    quantizer_operators,
)
from .uniform import Built, thresholds, uniform, widened


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
        mac, quantizer, stream, memory: hardware of the processing elements, of the quantizers with
            their parameter memory, of the wide stream (alike in all alternatives), of weights, line
            buffers, their control and the FIFOs.
        operations: operators applied for one image.
        hardware: operators that stand in the datapath.
        bits: memory.
        energy: pJ an image.
        forms: how quantizers and low-bit elements are built.
    """

    mac: Cells = field(default_factory=Cells)
    quantizer: Cells = field(default_factory=Cells)
    stream: Cells = field(default_factory=Cells)
    memory: Cells = field(default_factory=Cells)
    operations: Operators = field(default_factory=Operators)
    hardware: Operators = field(default_factory=Operators)
    bits: MemoryBits = field(default_factory=MemoryBits)
    energy: Energy = field(default_factory=Energy)
    forms: tuple[str, ...] = ()

    @property
    def resources(self) -> Cells:
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
    layer: LayerCounts,
    alternative: Alternative,
    places: dict[str, PlacedEngine],
    family: str,
    *,
    uneven: bool = False,
) -> LayerCost:
    """Return the cost of a layer.

    Args:
        layer: its counts.
        alternative: how it is quantized.
        places: of the whole design.
        family: whose cells are counted.
        uneven: the network has uneven levels; looking them up is its own form's alone.
    """
    cost, growth = LayerCost(), 0
    if layer.mac:
        place = _place(layer.mac, alternative, places[layer.mac.name], family)
        dressed = _dressed(layer.mac, alternative, place, family)
        growth = dressed.growth
        if layer.mac.uneven:
            growth += place.engine.output.bits - places[layer.mac.name].engine.output.bits
        cost += _mac_cost(layer.mac, alternative, place, dressed)
    for table in layer.quantizers:
        more = growth if table.attached else 0
        cost += _quantizer_cost(table, alternative, places[table.name], more, family)
    for other in layer.others:
        if other.kind == "lookup" and alternative.mac != "own" and uneven:
            cost += LayerCost(memory=places[other.name].before)
            continue
        width = other.width + (growth if other.attached else 0)
        cost += _stream_cost(other, places[other.name], width)
    return cost


def _place(
    mac: MacCounts, alternative: Alternative, place: PlacedEngine, family: str
) -> PlacedEngine:
    """Return where a convolution of an alternative stands, and how it is built: even codes replace
    uneven levels."""
    engine, form = place.engine, place.form
    if not isinstance(engine, MatrixVector | Depthwise):
        return place
    if mac.uneven and alternative.mac != "own":
        engine, form = evened(engine, mac.activation_bits, mac.weight_bits, family)
    if mac.low_bit and alternative.mac == PACKED in engine.forms:
        form = PACKED
    if (engine, form) == (place.engine, place.form):
        return place
    return replace(place, engine=engine, form=form, cells=resources(engine, form, family))


def _dressed(mac: MacCounts, alternative: Alternative, place: PlacedEngine, family: str) -> Dressed:
    engine = place.engine
    if (
        not mac.low_bit
        or alternative.mac in ("own", "plain", PACKED)
        or not isinstance(engine, MatrixVector | Depthwise)
    ):
        return own_elements(engine, place.form, family)  # type: ignore[arg-type]
    if alternative.mac == "direct":
        return own_elements(engine, "products", family)
    return rival(engine, alternative.mac, family, dsp=alternative.dsp)


def _mac_cost(
    mac: MacCounts, alternative: Alternative, place: PlacedEngine, dressed: Dressed
) -> LayerCost:
    pe, simd = place.pe, place.simd
    cycles = -(-mac.depth // simd)
    kind = dressed.form if mac.low_bit else "fixed"
    planes = mac.activation_bits * mac.weight_bits
    words = -(-mac.rows // pe) * cycles
    operand, stored = operand_widths(alternative, mac)
    width = simd * _input_groups(mac, pe) * operand
    return LayerCost(
        mac=dressed.cells,
        memory=place.cells.rest + place.before,
        operations=mac_operators(alternative, mac, mac.macs, planes * mac.positions * mac.rows),
        hardware=mac_operators(alternative, mac, pe * simd, pe * -(-planes // cycles)),
        bits=MemoryBits(
            weights=mac.rows * mac.depth * stored if mac.uneven else mac.weight_storage,
            buffers=place.buffer_elements * operand,
        ),
        energy=Energy(
            mac=mac_energy(alternative, mac, kind, mac.accumulator + dressed.growth),
            weights=energy.read(mac.macs * stored if words > 1 else 0),
            activations=energy.read(words * mac.positions * width + mac.input_elements * operand),
        ),
        forms=(kind,) if mac.low_bit else (),
    )


def _input_groups(mac: MacCounts, pe: int) -> int:
    """Groups of a grouped convolution that PE output channels touch: each needs its own inputs."""
    return -(-pe // (mac.rows // mac.groups))


def _built(
    table: QuantizerCounts, alternative: Alternative, place: PlacedEngine, growth: int, family: str
) -> Built:
    assert isinstance(place.engine, ThresholdUnit)
    if alternative.quantizer == "thresholds":
        return thresholds(place.engine, place.form, family, growth)
    variant = family if alternative.dsp else family + WITHOUT
    engine = widened(place.engine, min(growth, 0))
    return uniform(engine, alternative.quantizer, variant, bent=table.bent)


def _quantizer_cost(
    table: QuantizerCounts, alternative: Alternative, place: PlacedEngine, growth: int, family: str
) -> LayerCost:
    built = _built(table, alternative, place, growth, family)
    results, width = table.positions * table.channels, table.width + growth
    return LayerCost(
        quantizer=built.cells,
        memory=place.before,
        operations=quantizer_operators(alternative, table, width, results, built.form),
        hardware=quantizer_operators(alternative, table, width, place.pe, built.form),
        bits=MemoryBits(quantizer=built.parameter_bits),
        energy=Energy(
            quantizer=quantizer_energy(alternative, table, width, built.form),
            tables=energy.read(results * built.read_bits),
        ),
        forms=(built.form,),
    )


def _stream_cost(other: ElementwiseCounts, place: PlacedEngine, width: int) -> LayerCost:
    spent = (
        other.multiplies * energy.multiply(width, other.multiplier)
        + other.adds * energy.add(width)
        + other.compares * energy.compare(width)
    )
    buffer_bits = place.buffer_elements * other.operand
    moved = buffer_bits and other.elements * (1 + other.window) * other.operand
    word = other.word if other.channels > place.pe else 0
    windowed = bool(buffer_bits)
    stored = other.word * other.channels
    if other.kind == "lookup":  # one table of levels for all channels
        stored, word = other.window * other.width, other.width
    elif other.kind == "interpolate":
        stored, word = other.window * other.word, other.word
    return LayerCost(
        stream=place.cells.elements if windowed else place.cells.total,
        memory=place.before + (place.cells.rest if windowed else Cells()),
        operations=stream_operators(other, width, other.elements),
        hardware=stream_operators(other, width, place.pe * place.simd),
        bits=MemoryBits(stream=stored, buffers=buffer_bits),
        energy=Energy(
            stream=spent + energy.read(other.elements * word), activations=energy.read(moved)
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
