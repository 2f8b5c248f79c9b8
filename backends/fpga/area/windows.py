"""Terms of engines behind a line buffer: matrix-vector, depthwise, pooling."""

from __future__ import annotations

from typing import Any

from n2uqc.passes.program import IntType
from n2uqc.passes.program.types import width_of

from ..engines import WindowTiming
from ..engines.window import tree_depth
from .count import Count, bits_of, digits

TABLE_BITS = 6  # of units.element


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


def window(count: Count, engine: Any, form: str) -> None:
    w: WindowTiming = engine.timing
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
    # maxima too short for a carry chain have inputs left for padding
    merged = getattr(engine, "reduction", "") == "max" and x.bits + 2 <= count.device.lut
    if any(geometry.pads) and not merged:
        lut["padding"] += word * taps
    operands = simd * (1 if dense else pe)
    if bits:
        folds = geometry.taps * (x.shape[2] if dense else 1) // (groups if dense else 1) // simd
        words = (y.shape[2] // pe) * folds
        count.counter(words)
        looked = _weights(count, engine, words, bits)
    greatest = x.limits[1]
    reduction = getattr(engine, "reduction", "sum")
    factors = getattr(engine, "factors", None)
    held = y.bits if factors is None else width_of(*engine.sum_limits)[0]
    inside = False
    if form == "planes":
        _planes(count, x.bits, bits, simd, pe, greatest)
    else:
        term, tiles = x.bits, 0
        if bits and words == 1 and x.bits <= count.device.lut:
            _known_products(count, engine, held)
        else:
            if bits:
                padded = dense and any(geometry.pads)
                term, tiles = _products(count, x, bits, looked, odd, pe, simd, padded)
                if odd and dense and not tiles:
                    # the last bit of all products, and sums, is the same for all elements
                    lut["adder"] -= (pe - 1) * (simd - 1)
                    ff["table"] -= (pe - 1) * simd
            absorbed = count.device.adds and tiles == 1  # the block's own adder
            _tree(count, term, simd, pe, reduction, held, absorbed)
            inside = absorbed and simd == 1
    name = "accumulator in block" if inside else "maximum" if reduction == "max" else "accumulator"
    if factors is not None:  # a product behind the accumulator
        count.product(held, int(factors[0].max() * factors[1].max()).bit_length(), pe)
    lut[name] += pe * held * (2 if count.device.chained and reduction != "max" else 1)
    ff["accumulator"] += 0 if inside else pe * held
    ff["state"] += 2 * (tree_depth(simd) + 2)
    lut["operands"] += operands


def _weights(count: Count, engine: Any, words: int, bits: int) -> float:
    """The memory of weights; so many bits of a weight are not the same in all words."""
    pe, simd = engine.fold.pe, engine.fold.simd
    if words > 4 or engine.kind != "matrix-vector":
        count.rom(words, pe * simd * bits)
        return float(bits)
    rows = engine.values(engine.op.weight)
    rows = rows.reshape(len(rows) // pe, pe, -1, simd).transpose(0, 2, 1, 3)
    return float(count.table(rows.reshape(words, -1)) / (pe * simd))


def _known_products(count: Count, engine: Any, held: int) -> None:
    """Products with the same weight in every cycle, and their adder tree.

    A product is as wide as its values ask for, and one with 1 is the operand.  A carry chain takes
    LUTs only where both summands have bits, and one for a sign that goes on.
    """
    lut, ff = count.all.lut, count.all.ff
    low, high = engine.inputs[0].limits
    pe, simd = engine.fold.pe, engine.fold.simd
    rows = (
        engine.weights().reshape(simd, pe).T
        if engine.kind == "depthwise"
        else engine.values(engine.op.weight).reshape(pe, simd)
    )
    for row in rows.tolist():
        terms = []
        for w in row:
            ends = sorted((w * low, w * high))
            bits = width_of(*ends)[0] if w else 0
            lut["table"] += 0 if w in (0, 1) else bits - (w & 1)
            ff["table"] += bits
            terms.append((ends[0], ends[1], bits))
        while len(terms) > 1:
            joined = []
            for (a, b, m), (c, d, n) in zip(terms[::2], terms[1::2], strict=False):
                bits = min(held, width_of(a + c, b + d)[0])
                lut["adder"] += bits if count.device.chained else min(bits, min(m, n) + 1)
                joined.append((a + c, b + d, bits))
            terms = joined + terms[2 * len(joined) :]
            ff["tree"] += sum(bits for _, _, bits in terms)


def _products(
    count: Count, x: IntType, bits: int, looked: float, odd: bool, pe: int, simd: int, padded: bool
) -> tuple[int, int]:
    """Products as tables (``units.element.product``): bits of one, multiplier blocks of one.

    Of a weight's ``bits`` so many are looked at; the others are the same in all words.
    """
    a, lanes = x.bits, pe * simd
    low, high = x.limits
    q_low, q_high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    ends = [k * (2 * q + 1 if odd else q) for k in (low, high) for q in (q_low, q_high)]
    out = width_of(min(0, *ends), max(0, *ends))[0]
    lut = count.all.lut
    k = count.device.lut
    free = 1 if odd else 0  # the last bit of an odd weight's product is the operand's
    if a == 1 and free:  # a register's reset is the operand, but for the sign
        lut["table"] += lanes * max(2, bits) * _function(a + looked, k)
    elif a + bits <= TABLE_BITS:
        lut["table"] += lanes * (out - free) * _function(a + looked, k)
    elif a + 2 <= TABLE_BITS and a + bits - 2 <= TABLE_BITS:
        # the sum of both overlaps in ``a`` bits, where the high part may share the LUT of the adder
        merged = a - 1 if k > 4 and bits > 3 else 0
        share = looked / bits
        lut["table"] += lanes * (
            (a + (3 if odd else 2) - free) * _function(a + 2 * share, k)
            + (a + bits - 2 - merged) * _function(a + (bits - 2) * share, k)
        )
        lut["adder"] += lanes * a
    else:
        return out, count.product(a, bits + free, lanes)
    if padded and k > 4 and (a + bits == k or bits == 4 == a and pe < 8):
        # tables without an input left: padding is done in each of them, but for many long ones
        lut["padded table"] += lanes * out
    count.all.ff["table"] += lanes * out
    return out, 0


def _function(inputs: float, lut: int) -> float:
    """LUTs of a function of so many inputs, of which a product's share some."""
    return 1 + 0.8 * max(0, inputs - lut)


def _tree(
    count: Count, bits: int, terms: int, copies: int, reduction: str, held: int, absorbed: bool
) -> None:
    """An adder (or maximum) tree with a register behind each level.

    Synthesis drops bits above those ``held`` behind it.  The first level is ``absorbed`` by
    multiplier blocks that add one product to the other's.
    """
    if absorbed:
        terms, bits = -(-terms // 2), bits + 1
    bits = min(bits, held)
    while terms > 1:
        pairs = terms // 2
        if reduction == "max":
            count.all.lut["maximum"] += copies * pairs * bits * 1.5
        else:
            count.all.lut["adder"] += copies * pairs * count.sum(bits)
            bits = min(bits + 1, held)
        terms -= pairs
        count.all.ff["tree"] += copies * terms * bits


def _planes(count: Count, a: int, bits: int, simd: int, pe: int, greatest: int) -> None:
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
        lut["adder"] += pe * bits * pairs * count.sum(term)
        terms -= pairs
        term += 1 if pairs else 0
        ff["tree"] += pe * bits * terms * term
    most = simd * ((1 << bits) - 1) * greatest
    # what is left of all planes, and the offset, in one sum: a full adder for each bit but those of
    # the result, of nearly two LUTs; next to other elements a fifth less where planes have no tree
    each = 1.8 if simd > 2 else 1.45
    lut["sum of planes"] += pe * each * (bits * terms * term - 1)
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
    count: Count, w: WindowTiming, geometry: Any, word: int, taps: int, span: int, shared: int
) -> None:
    lut, ff = count.all.lut, count.all.ff
    height, width = w.kept
    for period in (
        w.words,
        w.drop[0],
        w.drop[1],
        *w.arriving,
        width,
        w.buffer_words,
        span,
        geometry.taps // taps,
        shared,
        w.results // shared,
        *w.out,
        w.rows,
    ):
        count.counter(period)
    count.ram(max(2, w.buffer_words), word, taps)
    coordinate = [
        width_of(min(0, -pad), max(1, size))[0]
        for pad, size in (
            (w.left, (w.out[1] - 1) * w.stride[1]),
            (w.top, (w.out[0] - 1) * w.stride[0]),
        )
    ]
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
