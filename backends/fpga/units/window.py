"""Units behind a line buffer: matrix-vector, depthwise, pooling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from n2uqc.passes.program.types import width_of

from ..engines import Engine, WindowTiming
from ..engines.channelwise import Depthwise, GlobalPool, Pool
from ..engines.matrix_vector import PACKED, MatrixVector
from ..engines.window import tree_depth
from ..hdl.families import Family
from ..hdl.module import Counter, Module
from ..hdl.stores import Longs, Table, packed_places
from ..hdl.words import ZERO, Word, choose, elements, join, pattern
from .element import Element, greater, operand_sum, processing_element
from .line_buffer import LineBuffer, chosen
from .packed import packed_elements
from .unit import Unit, bits_of


def packed_weights(engine: Engine, form: str) -> Longs:
    """Return weights (words, PE, SIMD) in the order of their use; empty if there are none.

    As codes from 0 on where a form multiplies by these.
    """
    stored = stored_weights(engine)
    values = stored.values
    return _in_order(engine, values ^ (-1 << (stored.bits - 1)) if form == PACKED else values)


@dataclass(frozen=True)
class StoredWeights:
    """Weights as they are stored.

    Attributes:
        values: in the operation's layout, of the narrowest type.
        bits: of each.
        odd: the weights are 2 q + 1, and q is what is stored.
    """

    values: NDArray[np.signedinteger]
    bits: int
    odd: bool


def stored_weights(engine: Engine) -> StoredWeights:
    """Return the weights of an engine, worked out once for all its foldings."""
    return engine.fact("stored weights", lambda: _stored_weights(engine))


def _stored_weights(engine: Engine) -> StoredWeights:
    if isinstance(engine, MatrixVector):
        values = engine.values(engine.op.weight)
    elif isinstance(engine, Depthwise):
        values = engine.weights()
    else:
        return StoredWeights(np.zeros(0, np.int64), 0, False)
    odd = bool((values % 2 != 0).all())
    if odd:
        values = values >> 1
    bits, signed = width_of(int(values.min()), int(values.max()))
    bits += not signed
    kind = next((t for t in (np.int8, np.int16, np.int32) if bits <= np.iinfo(t).bits), np.int64)
    return StoredWeights(values.astype(kind), bits, odd)


def weight_table(engine: Engine, form: str) -> Table | None:
    """Return the memory of an engine's weights as its unit has it; None where it has none."""
    bits = stored_weights(engine).bits
    if not bits:
        return None
    flat, varying = packed_places(packed_weights(engine, form), bits)
    return Table("weights", flat, varying, ZERO) if varying else None


def _in_order(engine: Engine, values: Longs) -> Longs:
    pe, simd = engine.fold.pe, engine.fold.simd
    if isinstance(engine, MatrixVector):
        rows = values.reshape(len(values) // pe, pe, -1, simd)
        return np.ascontiguousarray(rows.transpose(0, 2, 1, 3)).reshape(-1, pe, simd)
    if isinstance(engine, Depthwise):
        taps = values.reshape(-1, simd, values.shape[1] // pe, pe)
        return np.ascontiguousarray(taps.transpose(2, 0, 3, 1)).reshape(-1, pe, simd)
    return np.zeros((0, pe, simd), np.int64)


WindowEngine = MatrixVector | Depthwise | Pool


class WindowParts:
    """What a window engine is made of, before it is put together.

    Attributes:
        engine: the engine.
        form: how it is built.
        element: each of its processing elements.
    """

    def __init__(self, engine: WindowEngine, form: str, family: Family) -> None:
        self.engine, self.form, stored = engine, form, stored_weights(engine)
        x, y = engine.inputs[0], engine.output
        accumulator = (y.bits, y.signed)
        if isinstance(engine, Pool) and engine.factors is not None:
            accumulator = width_of(*engine.sum_limits)
        self.element = Element(
            x.bits,
            x.signed,
            engine.fold.simd,
            stored.bits,
            stored.odd,
            engine.reduction,
            *accumulator,
            group=max(1, family.lut // (x.bits + 1)) if form == "planes" else 0,
        )


def inner_modules(engine: WindowEngine, form: str, family: Family) -> list[tuple[Module, int]]:
    """Return the modules inside a unit, with how many there are: in little else do its forms
    differ.

    What all others share comes first.
    """
    element = WindowParts(engine, form, family).element
    offset = [(operand_sum(element), 1)] if form in ("planes", PACKED) else []
    if form == PACKED:
        return [*offset, *packed_elements(element, engine.fold.pe, family)]
    return [*offset, (processing_element(element), engine.fold.pe)]


def window(unit: Unit[WindowEngine]) -> None:
    """Line buffer, weights, PE processing elements."""
    m, engine = unit.module, unit.engine
    parts = WindowParts(engine, unit.form, unit.style.family)
    element, fold = parts.element, engine.fold
    dense = isinstance(engine, MatrixVector)
    timing = engine.timing
    assert isinstance(timing, WindowTiming)
    shared = timing.results // engine.op.groups if isinstance(engine, MatrixVector) else 1
    buffer = LineBuffer(
        m,
        timing,
        engine.geometry,
        valid=unit.valid[0],
        data=unit.data[0],
        room=unit.room,
        taps=max(1, fold.simd // engine.tap_lanes),
        span=max(1, engine.tap_lanes // fold.simd),
        shared=shared,
        luts=bool(unit.style.family.ram),
    )
    unit.take(buffer.take)
    words = [
        _padded(engine, data, inside)
        for data, inside in zip(buffer.words, buffer.inside, strict=True)
    ]
    weights = _read_weights(m, parts, buffer.step)
    stages = tree_depth(fold.simd) + (2 if element.weight else 1)
    valid = m.delayed(buffer.step, stages, reset=True)
    first = m.delayed(buffer.first, stages)
    inputs = {"valid": valid, "first": first}
    # all elements see the same words, or each its own channel of every tap
    if dense:
        sums = place_elements(m, parts, unit.style.family, inputs, join(words), weights)
    else:
        module, bits = processing_element(element), element.operand
        sums = []
        for k in range(fold.pe):
            own = join(data[k * bits : (k + 1) * bits] for data in words)
            each = {**inputs, "x": own, **({"w": weights[k]} if weights else {})}
            sums.append(m.place(f"pe{k}", module, each).outputs["sum"])
    if isinstance(engine, Pool) and engine.factors is not None:
        # of the window that is read now: beside its sum, which it meets after the accumulator
        row, column = (
            chosen(values.tolist(), at)
            for values, at in zip(engine.factors, (buffer.row, buffer.column), strict=True)
        )
        factor = m.delayed(m.register(row * column), stages)
        sums = [m.register(total * factor) for total in sums]
    unit.give(sums, buffer.step & buffer.last)


def place_elements(
    m: Module,
    parts: WindowParts,
    family: Family,
    controls: Mapping[str, Word],
    x: Word,
    weights: Sequence[Word],
) -> list[Word]:
    """Return processing elements that see the same operands, in the form of ``parts``, and their
    sums.
    """
    inputs, sums = {**controls, "x": x}, list[Word]()
    for module, copies in inner_modules(parts.engine, parts.form, family):
        if "offset" in module.outputs:
            inputs["offset"] = m.place("offset", module, {"x": x}).outputs["offset"]
            continue
        for _ in range(copies):
            done, results = len(sums), len(module.outputs)
            each = {**inputs, "w": join(weights[done : done + results])}
            sums += m.place(f"pe{done}", module, each).outputs.values()
    return sums


def dot_products(engine: MatrixVector, form: str, family: Family) -> Module:
    """Return an engine's processing elements alone, with what they share.

    Ports: ``x``; ``w{k}``, an element's weights as they are stored; ``valid`` and ``first``, as of
    ``element.processing_element``; ``sum{k}``.
    """
    parts = WindowParts(engine, form, family)
    element = parts.element
    m = Module(f"dot_{element.name}_{form}")
    x = m.input("x", element.simd * element.operand)
    controls = {name: m.input(name) for name in ("valid", "first")}
    weights = [m.input(f"w{k}", element.simd * element.weight) for k in range(engine.fold.pe)]
    for k, total in enumerate(place_elements(m, parts, family, controls, x, weights)):
        m.output(f"sum{k}", total)
    return m


def _padded(engine: WindowEngine, data: Word, inside: Word) -> Word:
    """Return a word of the line buffer, or of what stands outside the map."""
    op, bits = engine.op, engine.inputs[0].bits
    if not any(op.pads):
        return data
    outside = engine.pad_value()
    lanes = data.width // bits
    mask = (1 << bits) - 1
    value = sum((outside & mask) << (k * bits) for k in range(lanes))
    return choose(inside, data, pattern(value, data.width))


def _read_weights(m: Module, parts: WindowParts, step: Word) -> list[Word]:
    """Return the weights of each processing element, in the cycle after a step."""
    bits = parts.element.weight
    if not bits:
        return []
    weights = packed_weights(parts.engine, parts.form)
    at = Counter(m, len(weights), "weight")
    at.count(step)
    return m.packed_table("weights", weights, bits, at.value)


def global_pool(unit: Unit[GlobalPool]) -> None:
    """Build sums or maxima of all pixels, which are given with the last one."""
    m, engine = unit.module, unit.engine
    y = engine.output
    folds = y.shape[2] // engine.fold.pe
    fold = Counter(m, folds, "fold")
    pixel = Counter(m, engine.inputs[0].shape[0] * engine.inputs[0].shape[1], "pixel")
    fires = unit.valid[0] & (unit.room | ~pixel.last)
    unit.take(fires)
    fold.count(fires)
    pixel.count(fires & fold.last)
    wide = engine.fold.pe * y.bits
    if folds == 1:
        old: Word = m.holder(wide, "so_far")
    else:
        ring = m.memory("ring", folds, wide, transparent=True)
        old = ring.read(fold.following(fires))
    begins = pixel.value.equals(0)
    lanes = []
    for x, so_far in zip(unit.operands(), elements(old, y.bits, y.signed), strict=True):
        both = greater(x, so_far) if engine.reduction == "max" else so_far + x
        lanes.append(bits_of(choose(begins, x, both), y.bits, y.signed))
    new = join(lanes)
    if folds == 1:
        m.assign(old, new, fires)  # type: ignore[arg-type]
    else:
        ring.write(fires, fold.value, new)
    unit.give(elements(m.register(new), y.bits, y.signed), fires & pixel.last)
