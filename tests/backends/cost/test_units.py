"""The unit formulas give back what was synthesized, and grow with what they are given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2uqc.backends.cost import TECHNOLOGIES, Basis
from n2uqc.backends.cost.assumptions import _engine as engine_model
from n2uqc.backends.cost.technology import ECP5, ENGINES, XC7, Curve, Estimate
from n2uqc.backends.cost.units.elementwise import elementwise
from n2uqc.backends.cost.units.mac import MacShape, cheapest_plain, fixed_array, low_bit_array
from n2uqc.backends.cost.units.requantizer import dsp_tiles, requantizer
from n2uqc.backends.cost.units.resources import Memory, place
from n2uqc.backends.cost.units.thresholds import Table, binary_search, cheapest, parallel
from n2uqc.frontend.diagnostics import CompileError
from n2uqc.passes.program.operation import OPS

FAMILIES = st.sampled_from(sorted(TECHNOLOGIES.values(), key=lambda t: t.id))

PARALLEL = {12: (25, 59, 128), 16: (37, 87, 188), 20: (43, 101, 218), 24: (49, 115, 248)}
BINARY = {12: (40, 60, 90), 16: (56, 84, 126), 20: (68, 102, 154), 24: (80, 120, 182)}
"""xc7, yosys 0.23: LUT for 2, 3, 4 bits; the binary search holds tables of 16 channels."""

NEWER = {8: (20, 46, 107), 28: (59, 137, 302), 32: (68, 158, 347)}
"""xc7, yosys 0.70, parallel."""


def table(width: int, bits: int) -> Table:
    return Table(width, (1 << bits) - 1, bits)


@pytest.mark.parametrize("width", PARALLEL)
def test_thresholds_equal_synthesis(width: int) -> None:
    for k, bits in enumerate((2, 3, 4)):
        assert parallel(table(width, bits), 1, XC7).logic.lut == PARALLEL[width][k]
        found = binary_search(table(width, bits), 16, XC7).resources.lut
        assert found == pytest.approx(BINARY[width][k], rel=0.025)


@pytest.mark.parametrize("width", NEWER)
def test_wider_and_narrower_thresholds(width: int) -> None:
    for k, bits in enumerate((2, 3, 4)):
        unit = parallel(table(width, bits), 1, XC7)
        assert unit.logic.lut == pytest.approx(NEWER[width][k], rel=0.10)
        assert unit.logic.basis <= Basis.INTERPOLATED


def test_newer_tool_ties_at_16_bits() -> None:
    for bits, flat, search in ((2, 34, 54), (3, 80, 81), (4, 173, 122)):
        assert parallel(table(16, bits), 1, XC7).logic.lut == pytest.approx(flat, rel=0.20)
        found = binary_search(table(16, bits), 16, XC7).resources.lut
        assert found == pytest.approx(search, rel=0.20)


def test_ecp5_thresholds() -> None:
    for bits, flat, search in ((2, 49, 80), (3, 116, 160), (4, 250, 301)):
        assert parallel(table(16, bits), 1, ECP5).logic.lut == flat
        found = binary_search(table(16, bits), 16, ECP5).resources.lut
        assert found == pytest.approx(search, rel=0.02)


@pytest.mark.parametrize(
    ("width", "multiplier", "options", "lut", "dsp"),
    [
        (16, 16, {}, 11, 1),
        (16, 32, {}, 32, 2),
        (16, 16, {"channel_shift": True}, 109, 1),
        (16, 16, {"dsp": False}, 721, 0),
        (24, 16, {}, 16, 1),
        (24, 32, {}, 84, 4),
        (24, 16, {"channel_shift": True}, 136, 1),
        (24, 16, {"dsp": False}, 984, 0),
    ],
)
def test_requantizer_equals_synthesis(
    width: int, multiplier: int, options: dict[str, bool], lut: int, dsp: int
) -> None:
    unit = requantizer(width, 2, 1, XC7, multiplier=multiplier, **options)
    assert (unit.logic.lut, unit.logic.dsp) == (lut, dsp)


def test_requantizer_parameters() -> None:
    assert requantizer(16, 2, 64, XC7).storage.lut == 32
    bent = requantizer(16, 2, 64, XC7, bent=True)
    assert bent.storage.lut == 2 * 32 + 16  # two sets and the bend
    assert bent.logic.lut == requantizer(16, 2, 64, XC7).logic.lut + 12


@pytest.mark.parametrize(
    ("family", "kind", "lanes"),
    [
        (XC7, "direct", (13.4, 19.6, 42)),
        (XC7, "planes", (9.4, 20, 36)),
        (XC7, "apot", (13.3, 24, 47)),
        (XC7, "codebook", (52, 51, 166)),
        (XC7, "lqnets", (10.8, None, 43)),
        (ECP5, "direct", (27, 52, 92)),
        (ECP5, "planes", (16, 35, 70)),
        (ECP5, "apot", (21, 41, 89)),
        (ECP5, "codebook", (87, 167, 290)),
    ],
)
def test_mac_equals_synthesis(family: object, kind: str, lanes: tuple[float | None, ...]) -> None:
    for bits, lane in zip((2, 3, 4), lanes, strict=True):
        if lane is None:
            continue
        array = low_bit_array(kind, MacShape(bits, bits, 16, 1, 16), family)
        assert array.lut == pytest.approx(16 * lane)
        assert array.basis == Basis.MEASURED


def test_codebook_with_dsp() -> None:
    for bits, lane in ((2, 20), (4, 29)):
        array = low_bit_array("codebook-dsp", MacShape(bits, bits, 16, 1, 16), XC7)
        assert (array.lut, array.dsp) == (pytest.approx(16 * lane), 16)


def test_plain_lanes_take_the_cheaper_form() -> None:
    forms = {b: cheapest_plain(MacShape(b, b, 16, 1, 16), XC7) for b in (2, 3, 4)}
    assert forms == {2: "planes", 3: "direct", 4: "planes"}


@pytest.mark.parametrize("engine", ENGINES)
def test_whole_engines_are_not_exceeded(engine) -> None:
    """MACs and thresholds of the model are most of a whole engine, and not more than it."""
    assert 0.6 * engine.lut < engine_model(engine) < 1.05 * engine.lut


def test_memories() -> None:
    assert place(Memory(3 * 16, 64), XC7).lut == 48  # N * W * ceil(C / 64)
    assert place(Memory(3 * 16, 65), XC7).lut == 96
    assert place(Memory(48, 1), XC7).lut == 0
    assert place(Memory(2, 16384), XC7).bram18 == 2
    assert place(Memory(36, 512), XC7).bram18 == 1


def test_curves_say_where_they_were_measured() -> None:
    curve = Curve(((4, 10), (8, 20)))
    assert (curve.at(4).value, curve.at(4).basis) == (10, Basis.MEASURED)
    assert (curve.at(6).value, curve.at(6).basis) == (15, Basis.INTERPOLATED)
    assert (curve.at(12).value, curve.at(12).basis) == (30, Basis.EXTRAPOLATED)
    assert curve.at(0).value == 5  # never below half the nearest figure
    assert Curve(((4, 10),)).at(8) == Estimate(20, Basis.EXTRAPOLATED)


WIDTHS, BITS = st.integers(2, 63), st.integers(1, 6)


@given(FAMILIES, WIDTHS, BITS, st.integers(1, 512))
def test_thresholds_grow(family, width: int, bits: int, channels: int) -> None:
    for form in (parallel, binary_search):
        unit = form(table(width, bits), channels, family)
        wider = form(table(width + 1, bits), channels, family)
        finer = form(table(width, bits + 1), channels, family)
        for larger in (wider, finer):
            assert larger.logic.lut >= unit.logic.lut > 0
            assert larger.logic.ff >= unit.logic.ff
            assert larger.parameter_bits > unit.parameter_bits
        assert unit.parameter_bits == channels * ((1 << bits) - 1) * width
    best = cheapest(table(width, bits), channels, family)
    assert best.resources.dsp == 0


@given(FAMILIES, WIDTHS, st.integers(1, 512))
def test_signs_cost(family, width: int, channels: int) -> None:
    for form in (parallel, binary_search):
        shapes = [Table(width, 3, 2, shape) for shape in ("rising", "monotone", "mixed")]
        rising, monotone, mixed = (form(t, channels, family) for t in shapes)
        assert rising.parameter_bits + channels == monotone.parameter_bits < mixed.parameter_bits


@given(FAMILIES, WIDTHS, st.integers(1, 512), st.sampled_from([16, 32]), st.booleans())
def test_requantizers_grow(family, width: int, channels: int, multiplier: int, dsp: bool) -> None:
    unit, wider = (
        requantizer(w, 2, channels, family, multiplier=multiplier, dsp=dsp)
        for w in (width, width + 1)
    )
    assert wider.logic.lut >= unit.logic.lut > 0
    assert wider.logic.dsp >= unit.logic.dsp == (dsp_tiles(width, multiplier, family) if dsp else 0)


@given(
    FAMILIES,
    st.sampled_from(["direct", "planes", "apot", "lqnets", "codebook-dsp"]),
    st.integers(1, 8),
    st.integers(1, 8),
    st.integers(1, 64),
    st.integers(1, 64),
)
def test_arrays_grow_with_lanes(family, kind: str, a: int, w: int, pe: int, simd: int) -> None:
    array = low_bit_array(kind, MacShape(a, w, 16, pe, simd), family)
    assert low_bit_array(kind, MacShape(a, w, 16, pe + 1, simd), family).lut > array.lut > 0
    assert low_bit_array(kind, MacShape(a, w, 16, pe, simd + 1), family).lut > array.lut
    assert low_bit_array(kind, MacShape(a, w, 17, pe, simd), family).lut > array.lut
    finer = low_bit_array(kind, MacShape(min(a + 1, 8), min(w + 1, 8), 16, pe, simd), family)
    assert finer.lut >= array.lut


@given(FAMILIES, st.integers(2, 40), st.integers(2, 40))
def test_fixed_lanes_take_dsps(family, a: int, w: int) -> None:
    array = fixed_array(MacShape(a, w, 48, 2, 3), family)
    assert array.dsp == 6 * dsp_tiles(a, w, family) >= 6
    assert dsp_tiles(a, w, family) == dsp_tiles(w, a, family)


@given(FAMILIES, st.integers(0, 300), st.integers(0, 70000))
def test_memories_fit_where_they_are_put(family, width: int, depth: int) -> None:
    memory = Memory(width, depth)
    found = place(memory, family)
    if memory.bits and depth > 1:
        assert (found.lut > 0) != (found.bram18 > 0)
        assert found.lut * family.rom_depth + found.bram18 * 18 * 1024 >= memory.bits


def test_every_operation_of_the_stream_has_a_model_and_no_other_is_free() -> None:
    apart = {"conv", "thresholds", "flatten"}
    lowered = {name for name, op in OPS.items() if not op.__module__.endswith(".real")}
    for kind in lowered - apart:
        unit = elementwise(kind, 16, 8, XC7, multiplier=16, word=32, entries=16)
        assert unit.logic.lut + unit.logic.ff > 0, kind
    with pytest.raises(CompileError, match="negate: an operation without a cost model"):
        elementwise("negate", 16, 8, XC7)
