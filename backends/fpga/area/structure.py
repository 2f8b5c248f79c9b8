"""What an engine is made of, counted from its widths and folding: the terms of the area formulas.

Each term is a number of LUTs that the structure suggests (an adder: one a bit); ``model`` scales
the terms by coefficients fitted to synthesis.  Everything here mirrors ``rtl``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, expm1, prod
from typing import Any

import numpy as np

from n2uqc.passes.program import IntType
from n2uqc.passes.program.types import limits_of, width_of

from ..engines import Engine, Window
from ..engines.window import tree_depth

TABLE_BITS = 6  # of rtl.element


@dataclass(frozen=True)
class Device:
    """What synthesis for a family makes of memories, tables and products.

    Attributes:
        lut: inputs of a LUT.
        ram: (words, bits, LUTs, cost) of the memories in LUTs.
        block: cost of a block of RAM.
        rom_bits: bits of constants in LUTs that cost as much as 1.
        blocks: (width, depth) of an 18-Kbit block.
        dsp: bits of the two operands of a multiplier block; None has none.
        least: product bits from which a product goes there.
    """

    lut: int
    ram: tuple[tuple[int, int, int, int], ...]
    block: int
    rom_bits: int
    blocks: tuple[tuple[int, int], ...]
    dsp: tuple[int, int]
    least: int


BLOCKS = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
DEVICES: Mapping[str, Device] = {
    "xc7": Device(6, ((32, 6, 4, 8), (64, 3, 4, 8)), 129, 64, BLOCKS, (24, 17), 9),
    "ecp5": Device(4, ((16, 4, 6, 4),), 128, 64, BLOCKS, (17, 17), 4),
}
"""Costs of yosys' ``memory_libmap`` and ``mul2dsp`` rules for the families."""

LUT_INPUTS: Mapping[str, int] = {name: device.lut for name, device in DEVICES.items()}
"""By family."""


@dataclass
class Structure:
    """Terms of an engine, by name, and its blocks.

    Attributes:
        lut, ff: terms.
        dsp, bram18: numbers of blocks.
    """

    lut: defaultdict[str, float]
    ff: defaultdict[str, float]
    dsp: int = 0
    bram18: int = 0


def bits_of(period: int) -> int:
    """Width of a counter."""
    return max(0, (period - 1).bit_length())


def digits(value: int) -> int:
    """Terms of a constant in signed digits of which no two follow each other."""
    return bin(value ^ (3 * value)).count("1")


class _Count:
    """Gathers the terms of one engine."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.all = Structure(defaultdict(float), defaultdict(float))
        self.tables: defaultdict[tuple[str, int], float] = defaultdict(float)

    def counter(self, period: int) -> None:
        """A counter with its comparison."""
        bits = bits_of(period)
        if bits:
            self.all.lut["counter"] += bits + (1 if period & (period - 1) else 0)
            self.all.lut["counters"] += 1
            self.all.ff["state"] += bits

    def rom(self, words: int, bits: float, address: str = "") -> None:
        """Constants read one word a cycle; ``bits`` of a word that are not alike in all words.

        Tables of one ``address`` share what they have in common; "" shares nothing.
        """
        if words < 2 or not bits:
            return
        blocks = self._blocks(words, ceil(bits))
        if words * bits > self.device.rom_bits * self.device.block * blocks:
            self.all.bram18 += blocks
            self.all.lut["rom block"] += 1
            return
        key = address or f"own {len(self.tables)}"
        self.tables[key, words] += bits

    def finish(self) -> Structure:
        """The terms, tables of constants included."""
        for (_, words), bits in self.tables.items():
            inputs, k = bits_of(words), self.device.lut
            # Columns of few words are functions of few inputs: at random, so many differ by more
            # than an inversion.  Those of a single input are wires.
            functions = 2.0 ** (min(words, 40) - 1) - 1
            held = functions * -expm1(-bits / functions)
            self.all.ff["rom"] += held
            if words <= 4:
                self.all.lut["rom tiny"] += held * max(0.0, 1 - inputs / functions)
            elif inputs <= k + 2:
                # multiplexers behind two and four LUTs are part of the slice
                self.all.lut["rom"] += held * (1 << max(0, inputs - k))
            else:
                self.all.lut["rom deep"] += bits * words / (1 << k)
        return self.all

    def ram(self, words: int, bits: int, ports: int = 1) -> None:
        """A memory written and read every cycle, with so many places read at once."""
        blocks = self._blocks(words, bits)
        luts, rows, cost = min(
            (ceil(words / depth) * ceil(bits / width) * luts, ceil(words / depth),
             ceil(words / depth) * bits / width * cost)
            for depth, width, luts, cost in self.device.ram
        )
        if cost + bits * (rows - 1) > self.device.block * blocks:
            self.all.bram18 += blocks * ports
            self.all.lut["ram block"] += ports
            return
        self.all.lut["ram"] += luts * ports
        self.all.lut["ram choice"] += bits * ports * (rows - 1) / 3 + (rows if rows > 1 else 0)
        self.all.ff["ram"] += bits * ports

    def compare(self, width: int, words: int, copies: int = 1) -> None:
        """Comparisons with one of so many constants.

        A LUT decides whether three bits (of LUTs with six inputs) are equal, another whether they
        are greater; a carry chain joins them (yosys' ``cmp2lcu``).  Constants take no inputs.
        """
        constant = words <= 2
        at_once = self.device.lut if constant else self.device.lut // 2
        name = "compare constant" if constant else "compare"
        self.all.lut[name] += copies * 2 * width / at_once

    def _blocks(self, words: int, bits: int) -> int:
        return min(ceil(bits / width) * ceil(words / depth) for width, depth in self.device.blocks)

    def product(self, a: int, b: int, copies: int = 1) -> int:
        """A product that synthesis makes, in how many multiplier blocks; 0 if it is too narrow."""
        if a + b >= self.device.least and min(a, b) >= 2:
            wide, narrow = self.device.dsp
            high, low = ceil((max(a, b) - 1) / wide), ceil((min(a, b) - 1) / narrow)
            tiles = max(1, high) * max(1, low)
            self.all.dsp += tiles * copies
            self.all.lut["product join"] += (tiles - 1) * (a + b) * copies
            self.all.ff["product join" if tiles > 1 else "product"] += (a + b) * copies
            return tiles
        self.all.lut["product"] += a * b * copies
        self.all.ff["table"] += (a + b) * copies
        return 0


def structure(engine: Engine, form: str, family: str) -> Structure:
    """The terms of a folded engine in one of its forms."""
    count = _Count(DEVICES[family])
    kind = engine.kind
    if isinstance(engine.timing, Window):
        _window(count, engine, form)
    else:
        _ELEMENTS[kind](count, engine, form)
    count.all.lut["engine"] += 1
    count.all.ff["state"] += engine.timing.latency
    return count.finish()


# --- engines behind a line buffer ---

def weight_code(engine: Any) -> tuple[int, bool]:
    """Bits that a weight is stored in, and whether its odd last bit is left out."""
    def work_out() -> tuple[int, bool]:
        values = engine.values(engine.op.weight)
        odd = bool(values.size) and bool((values % 2 != 0).all())
        if odd:
            values = (values - 1) // 2
        bits, signed = width_of(int(values.min()), int(values.max()))
        return bits if signed else bits + 1, odd

    found: tuple[int, bool] = engine.fact("weight code", work_out)
    return found


def _window(count: _Count, engine: Any, form: str) -> None:
    w: Window = engine.timing
    pe, simd, tap_lanes = engine.fold.pe, engine.fold.simd, engine.tap_lanes
    x, y, geometry = engine.inputs[0], engine.output, engine.geometry
    dense = engine.kind == "matrix-vector"
    multiplied = dense or engine.kind == "depthwise"
    bits, odd = weight_code(engine) if multiplied else (0, False)
    taps = max(1, simd // tap_lanes)
    span = max(1, tap_lanes // simd)
    word = engine.in_lanes * x.bits
    groups = engine.op.groups if dense else 1
    shared = w.results // groups if dense else 1
    _line_buffer(count, w, geometry, word, taps, span, shared)
    lut, ff = count.all.lut, count.all.ff
    if any(geometry.pads):
        lut["padding"] += word * taps
    operands = simd * (1 if dense else pe)
    if bits:
        folds = geometry.taps * (x.shape[2] if dense else 1) // (groups if dense else 1) // simd
        words = (y.shape[2] // pe) * folds
        count.counter(words)
        count.rom(words, pe * simd * bits)
    greatest = x.limits[1]
    reduction = getattr(engine, "reduction", "sum")
    inside = False
    if form == "planes":
        _planes(count, x.bits, bits, simd, pe, greatest)
    else:
        term, tiles = x.bits, 0
        if bits:
            term, tiles = _products(count, x, bits, odd, pe * simd)
        _tree(count, term, simd, pe, reduction)
        inside = tiles == 1 and simd == 1
    name = "accumulator in block" if inside else "maximum" if reduction == "max" else "accumulator"
    held, factors = y.bits, getattr(engine, "factors", None)
    if factors is not None:  # a product behind the accumulator
        held = width_of(*engine.sum_limits)[0]
        count.product(held, int(factors[0].max() * factors[1].max()).bit_length(), pe)
    lut[name] += pe * held
    ff["accumulator in block" if inside else "accumulator"] += pe * held
    ff["state"] += 2 * (tree_depth(simd) + 2)
    lut["operands"] += operands


def _products(
    count: _Count, x: IntType, bits: int, odd: bool, lanes: int
) -> tuple[int, int]:
    """Products as tables (``rtl.element.product``): bits of one, multiplier blocks of one."""
    a = x.bits
    low, high = x.limits
    q_low, q_high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    ends = [k * (2 * q + 1 if odd else q) for k in (low, high) for q in (q_low, q_high)]
    out = width_of(min(0, *ends), max(0, *ends))[0]
    lut = count.all.lut
    k = count.device.lut
    free = 1 if odd else 0  # the last bit of an odd weight's product is the operand's
    if a + bits <= TABLE_BITS:
        lut["table"] += lanes * (out - free) * _function(a + bits, k)
    elif a + 2 <= TABLE_BITS and a + bits - 2 <= TABLE_BITS:
        # the sum of both overlaps in ``a`` bits; there, functions of few inputs of the high part
        # share a LUT with the adder
        merged = max(0, min(a, k + 1 - bits))
        lut["table"] += lanes * (
            (a + (3 if odd else 2) - free) * _function(a + 2, k)
            + (a + bits - 2 - merged) * _function(a + bits - 2, k)
        )
        lut["adder"] += lanes * a
    else:
        return out, count.product(a, bits + free, lanes)
    count.all.ff["table"] += lanes * out
    return out, 0


def _function(inputs: int, lut: int) -> float:
    """LUTs of a function of so many inputs."""
    return 1.0 if inputs <= lut else float(1 << (inputs - lut))


def _tree(count: _Count, bits: int, terms: int, copies: int, reduction: str = "sum") -> None:
    """An adder (or maximum) tree with a register behind each level."""
    while terms > 1:
        pairs = terms // 2
        if reduction == "max":
            count.all.lut["maximum"] += copies * pairs * bits * 1.5
        else:
            count.all.lut["adder"] += copies * pairs * bits
            bits += 1
        terms -= pairs
        count.all.ff["tree"] += copies * terms * bits


def _planes(count: _Count, a: int, bits: int, simd: int, pe: int, greatest: int) -> None:
    lut, ff = count.all.lut, count.all.ff
    group = max(1, count.device.lut // (a + 1))
    full, rest = divmod(simd, group)
    term = (group * greatest).bit_length()
    for size, number in ((group, full), (rest, 1)):
        if size:
            out = (size * greatest).bit_length()
            # one operand is selected by the register's reset
            lut["table"] += pe * bits * number * out * (size > 1)
            ff["table"] += pe * bits * number * out
    terms = -(-simd // group)
    for _ in range(tree_depth(simd) - 1):
        pairs = terms // 2
        lut["adder"] += pe * bits * pairs * term
        terms -= pairs
        term += 1 if pairs else 0
        ff["tree"] += pe * bits * terms * term
    most = simd * ((1 << bits) - 1) * greatest
    # what is left of all planes, and the offset, in one sum
    left = bits * terms
    several = 1.0 if left == 1 else max(3.0, 0.87 * left)
    lut["sum of planes"] += pe * several * (most.bit_length() + 1)
    ff["tree"] += pe * (most.bit_length() + 1)
    width, left = a, simd
    while left > 1:
        pairs = left // 2
        lut["adder"] += pairs * width
        width += 1
        left -= pairs
        ff["tree"] += left * width
    lut["adder"] += width + bits  # times 2**bits - 1


def _line_buffer(
    count: _Count, w: Window, geometry: Any, word: int, taps: int, span: int, shared: int
) -> None:
    lut, ff = count.all.lut, count.all.ff
    height, width = w.kept
    for period in (
        w.words, w.drop[0], w.drop[1], *w.arriving, width, w.buffer_words, span,
        geometry.taps // taps, shared, w.results // shared, *w.out, w.rows,
    ):
        count.counter(period)
    count.ram(max(2, w.buffer_words), word, taps)
    coordinate = [width_of(min(0, -pad), max(1, size))[0] for pad, size in (
        (w.left, (w.out[1] - 1) * w.stride[1]), (w.top, (w.out[0] - 1) * w.stride[0]))]
    rows, pixels = bits_of(w.rows + height) + 1, bits_of((height + w.rows) * width) + 1
    lut["corner"] += sum(coordinate)
    lut["held"] += 2 * rows + 2 * pixels
    lut["last pixel"] += pixels * digits(width) + 2 * sum(coordinate)
    ff["state"] += sum(coordinate) + rows + pixels + bits_of(height + 1)
    address = bits_of(max(2, w.buffer_words))
    sums = max(0, digits(width) - 1) + max(0, digits(w.words) - 1)
    sums += (1 if w.rows > 1 else 0) + (1 if w.words > 1 else 0)
    lut["address"] += taps * address * sums
    if geometry.kernel != (1, 1):
        lut["tap"] += taps * sum(coordinate)
    if geometry.kernel != (1, 1) and w.rows > 1:
        lut["ring"] += taps * bits_of(w.rows)
    lut["tap choice"] += taps * (geometry.taps // taps > 1)


# --- engines that map one element to one ---

def _folds(engine: Engine) -> int:
    return engine.output.shape[2] // engine.fold.pe


def _thresholds(count: _Count, engine: Any, form: str) -> None:
    x, pe, folds = engine.inputs[0], engine.fold.pe, _folds(engine)
    steps, levels, width = engine.constants[engine.op.bounds].values.shape[1], engine.levels, x.bits
    stored = engine.fact("bounds", lambda: _spread(engine.values(engine.op.bounds)))
    lut, ff = count.all.lut, count.all.ff
    count.counter(folds)
    for _ in range(pe):
        if form == "parallel":
            count.compare(width, folds, steps)
            count.rom(folds, steps * stored, "fold")
            lut["height"] += steps
            ff["search"] += steps
            ff["delay"] += engine.op.bits * (levels - 1)
            lut["delay"] += levels - 1 if levels > 2 else 0
        else:
            for level in range(levels):
                count.compare(width, folds << level)
                count.rom(folds << level, stored, "fold" if level == 0 else "")
                ff["search"] += (width if level < levels - 1 else 0) + level + 1
        if not engine.rising:
            count.rom(folds << levels, engine.op.bits)
    lut["delay"] += 0 if folds == 1 else bits_of(folds) * max(0, levels - 2)


def _spread(values: Any) -> int:
    """Bits of a table in which its values differ."""
    if values.size == 0:
        return 0
    differ = int(np.bitwise_or.reduce(np.ravel(values) ^ values.flat[0]))
    return (differ & ((1 << width_of(int(values.min()), int(values.max()))[0]) - 1)).bit_count()


def _requantize(count: _Count, engine: Any, form: str) -> None:
    x, y, op, pe, folds = (
        engine.inputs[0], engine.output, engine.op, engine.fold.pe, _folds(engine))
    rows = engine.fact("rows", engine.rows)
    multiplier, bias, shift, half = (rows[n] for n in ("multiplier", "bias", "shift", "half"))
    m_bits = max(1, width_of(int(multiplier.min()), int(multiplier.max()))[0])
    product = x.bits + m_bits
    lut, ff = count.all.lut, count.all.ff
    count.counter(folds)
    whole = product + 1
    if _spread(multiplier):
        # a constant a lane, where a lane serves one channel: synthesis takes a block all the same
        count.product(x.bits, m_bits, pe)
    else:
        lut["product constant"] += pe * product * (digits(int(multiplier.flat[0])) - 1)
        ff["product join"] += pe * product
    if folds > 1 and _spread(bias):
        lut["bias"] += pe * whole
        lut["half"] += pe * whole * 2  # a carry-save row
        lut["half of several"] += pe * 2 * _spread(half)
    else:
        lut["bias constant"] += pe * whole
        lut["half constant"] += pe * max(1, whole - int(shift.min()))
    ff["bias"] += pe * whole
    if folds > 1 and _spread(shift):
        kept = whole - int(shift.min())
        stages = bits_of(int(shift.max()) - int(shift.min()) + 1)
        lut["shift"] += pe * kept * stages
    else:
        kept = whole - int(shift.min())
    ff["shift"] += pe * max(1, kept)
    _clamped(count, engine, max(1, kept), pe)
    ff["result"] += pe * y.bits
    for values in (multiplier, bias, half, shift):
        if _spread(values):
            count.rom(folds, pe * _spread(values), "fold" if values is multiplier else "")
    del op


def _prelu(count: _Count, engine: Any, form: str) -> None:
    x, y, op, pe, folds = (
        engine.inputs[0], engine.output, engine.op, engine.fold.pe, _folds(engine))
    rows = engine.fact("rows", engine.rows)
    slope, bias = rows["multiplier"], rows["bias"]
    m_bits = max(1, width_of(int(slope.min()), int(slope.max()))[0])
    product = x.bits + m_bits
    lut, ff = count.all.lut, count.all.ff
    count.counter(folds)
    lut["mask"] += pe * x.bits
    count.product(x.bits, m_bits, pe)
    lut["half constant"] += pe * (product + 1)
    kept = max(x.bits, product + 1 - op.shift)
    lut["bend"] += pe * kept
    lut["bias constant"] += pe * (kept + 1)
    _clamped(count, engine, kept + 1, pe)
    ff["bend"] += pe * (2 * x.bits + 1 + kept * 2)
    ff["result"] += pe * y.bits
    for values in (slope, bias):
        if _spread(values):
            count.rom(folds, pe * _spread(values), "fold" if values is slope else "")


def _clamp(count: _Count, engine: Any, form: str) -> None:
    _clamped(count, engine, engine.inputs[0].bits, engine.fold.pe)


def _clamped(count: _Count, engine: Any, width: int, pe: int) -> None:
    """Comparisons of so many bits with both ends that may be passed, and what chooses."""
    low, high = limits_of(width, True)
    ends = (engine.op.lo > low) + (engine.op.hi < high)
    count.all.lut["clamp"] += pe * ends * 2 * width / count.device.lut
    count.all.lut["clamped"] += pe * engine.output.bits * bool(ends)


def _add(count: _Count, engine: Any, form: str) -> None:
    count.all.lut["sum"] += engine.fold.pe * engine.output.bits


def _concat(count: _Count, engine: Any, form: str) -> None:
    count.counter(engine.timing.take[0])
    count.all.lut["select"] += engine.fold.pe * engine.output.bits


def _lookup(count: _Count, engine: Any, form: str) -> None:
    table = engine.fact("table", lambda: engine.values(engine.op.table))
    for _ in range(engine.fold.pe):
        count.rom(len(table), _spread(table))


def _global_pool(count: _Count, engine: Any, form: str) -> None:
    x, y, pe, folds = engine.inputs[0], engine.output, engine.fold.pe, _folds(engine)
    count.counter(folds)
    count.counter(prod(x.shape[:2]))
    if engine.reduction == "max":
        count.all.lut["maximum"] += pe * y.bits * 1.5
    else:
        count.all.lut["accumulator"] += pe * y.bits
    count.all.ff["result"] += pe * y.bits * 2
    if folds > 1:
        count.ram(folds, pe * y.bits)
        count.all.lut["bypass"] += pe * y.bits


_ELEMENTS: Mapping[str, Any] = {
    "threshold": _thresholds, "requantize": _requantize, "prelu": _prelu, "clamp": _clamp,
    "add": _add, "concat": _concat, "lookup": _lookup, "global pool": _global_pool,
}

