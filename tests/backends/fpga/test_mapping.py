"""The count of small modules: rules by hand, and against yosys on modules drawn at random."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from n2uqc.backends.fpga.hdl.families import ECP5, FAMILIES, XC7, Family
from n2uqc.backends.fpga.hdl.mapping import count
from n2uqc.backends.fpga.hdl.module import Module
from n2uqc.backends.fpga.hdl.terms import Cells
from n2uqc.backends.fpga.hdl.words import Word, choose, join, lookup
from n2uqc.backends.fpga.units.element import Element, processing_element
from n2uqc.backends.toolchain import ToolchainError


def built(write: Callable[[Module], Word]) -> Module:
    m = Module("small")
    m.output("y", write(m))
    return m


def signed(m: Module, name: str, bits: int) -> Word:
    return m.input(name, bits).as_signed()


SUMS: dict[str, tuple[Callable[[Module], Word], int]] = {
    "two": (lambda m: signed(m, "a", 16) + signed(m, "b", 16), 16),
    "short": (lambda m: m.input("a", 16) + m.input("b", 8), 8),
    "a bit": (lambda m: signed(m, "a", 16) + m.input("b"), 1),
    "a constant": (lambda m: signed(m, "a", 16) + 0x5A5, 0),
    "three": (lambda m: signed(m, "a", 16) + signed(m, "b", 16) + signed(m, "c", 16), 32),
    "masked": (lambda m: signed(m, "t", 9) + choose(m.input("f"), 0, signed(m, "k", 16)), 16),
}
"""What yosys 0.70 makes of them for the 7 series, in LUTs."""


@pytest.mark.parametrize("name", SUMS)
def test_sums(name: str) -> None:
    write, luts = SUMS[name]
    assert count(built(write), XC7).cells("xc7").lut == luts


def ecp5(m: Module) -> float:
    return count(m, ECP5).cells("ecp5").lut


@pytest.mark.parametrize(("bits", "luts"), [(1, 2), (2, 3), (3, 5)])
def test_sums_too_short_for_a_carry_chain(bits: int, luts: int) -> None:
    """Each of their bits is a LUT, and so is each carry from the third place on."""
    m = built(lambda m: m.input("a", bits) + m.input("b", bits))
    assert count(m, ECP5).cells("ecp5") == Cells(lut=luts)


def test_numbers_that_do_not_overlap_are_put_side_by_side() -> None:
    for family in FAMILIES.values():
        m = built(lambda m: (m.input("a", 9) << 4) + m.input("b", 4))
        assert count(m, family).cells(family.id) == Cells()
        m = built(lambda m: (m.input("a", 9) << 4) - m.input("b", 4))
        assert count(m, family).cells(family.id).carry > 0


def test_a_shifted_sum_is_a_chain_of_its_own() -> None:
    """Synthesis adds the terms of a sum of sums at once, unless one is shifted first."""
    words = [("a", 12), ("b", 12), ("c", 12)]
    together = built(lambda m: m.input(*words[0]) + m.input(*words[1]) + m.input(*words[2]))
    apart = built(lambda m: ((m.input(*words[0]) + m.input(*words[1])) << 3) + m.input(*words[2]))
    assert count(together, XC7).lut["full adder"] > 0
    assert count(apart, XC7).lut["full adder"] == 0


@pytest.mark.parametrize("turned", [False, True])
def test_a_reset_while_a_wire_is_0_takes_an_inverter(turned: bool) -> None:
    def masked(m: Module) -> Word:
        # the bit lies in the middle of others: which one it is has to be known
        bit = join([m.input("p", 2), m.input("w"), ~m.input("v"), m.input("q", 3)])[
            3 if turned else 2
        ]
        return m.register(choose(bit, m.input("x", 8), 0))

    assert count(built(masked), ECP5).cells("ecp5") == Cells(lut=not turned, ff=8)
    assert count(built(masked), XC7).cells("xc7") == Cells(ff=8)


def test_a_truth_table_looks_at_the_inputs_on_which_it_depends() -> None:
    """The low bits of a product of 3 by 3 bits look at fewer than six inputs."""
    values = [(k & 7) * (k >> 3) for k in range(64)]
    m = built(lambda m: lookup(m.input("x", 6), values))
    depends = []
    for bit in range(6):
        f = [v >> bit & 1 for v in values]
        depends.append(sum(any(f[k] != f[k ^ 1 << v] for k in range(64)) for v in range(6)))
    assert depends == [2, 4, 6, 6, 6, 6]
    assert count(m, XC7).cells("xc7").lut == 6
    assert ecp5(m) == 1 + 1 + 4 * 4


ELEMENTS = [
    # lanes, bits, form, ECP5: LUT, FF, carry, 7 series: LUT, FF, carry
    (4, 2, "planes", (75, 47, 10), (45, 39, 11)),
    (16, 2, "planes", (214, 187, 24), (143, 135, 43)),
    (64, 2, "planes", (701, 759, 102), (529, 519, 163)),
    (8, 3, "planes", (234, 174, 30), (123, 174, 31)),
    (16, 3, "planes", (416, 363, 68), (222, 363, 67)),
    (8, 4, "planes", (348, 284, 86), (199, 284, 55)),
    (16, 4, "planes", (612, 599, 192), (366, 599, 121)),
    (4, 1, "products", (31, 26, 4), (23, 26, 5)),
    (32, 1, "products", (188, 195, 28), (164, 195, 41)),
    (8, 2, "products", (112, 98, 30), (83, 98, 17)),
    (32, 2, "products", (410, 386, 118), (323, 386, 69)),
    (16, 3, "products", (457, 259, 76), (228, 259, 41)),
    (8, 4, "products", (396, 162, 70), (188, 162, 41)),
    (16, 4, "products", (778, 323, 140), (372, 323, 83)),
]
"""Processing elements, what most of a large engine is, by yosys 0.70; accumulators as below."""

ACCUMULATORS = {(4, 1): 8, (32, 1): 12, (4, 2): 12, (8, 2): 12, (16, 2): 14, (32, 2): 14,
                (64, 2): 16, (8, 3): 14, (16, 3): 16, (8, 4): 16, (16, 4): 18}  # fmt: skip


@pytest.mark.parametrize("family", [ECP5, XC7], ids=lambda f: f.id)
@pytest.mark.parametrize("row", ELEMENTS, ids=lambda r: f"{r[2]} {r[0]} of {r[1]} bits")
def test_processing_elements(family: Family, row: Any) -> None:
    lanes, bits, form, *made = row
    lut, ff, carry = made[family is XC7]
    group = max(1, family.lut // (bits + 1)) if form == "planes" else 0
    element = Element(bits, False, lanes, bits, True, "sum", ACCUMULATORS[lanes, bits], True, group)
    found = count(processing_element(element), family).cells(family.id)
    assert (found.ff, found.carry) == (ff, carry)
    assert abs(found.lut - lut) <= 0.085 * lut, found


def test_what_nothing_reads_is_not_there() -> None:
    m = Module("dead")
    x = m.input("x", 8)
    kept = m.register(x)
    m.register(x + 1)
    m.output("y", kept[:4])
    assert count(m, XC7).cells("xc7") == Cells(lut=0, ff=4)


def test_registers_in_a_row_are_a_shift_register_on_amd() -> None:
    m = Module("row")
    m.output("y", m.delayed(m.input("x", 8), 4))
    assert count(m, XC7).cells("xc7") == Cells(lut=8, ff=0)
    assert count(m, ECP5).cells("ecp5") == Cells(lut=0, ff=32)


def test_a_register_does_its_enable_and_one_reset() -> None:
    m = Module("counter")
    state = m.state(0, 255, name="s")
    m.assign(state, choose(m.input("clear"), 0, m.input("x", 8)), m.input("enable"))
    m.output("y", state)
    assert count(m, XC7).cells("xc7").lut == 0


def test_a_product_takes_a_block_with_its_register() -> None:
    m = Module("product")
    m.output("y", m.register(signed(m, "a", 16) * signed(m, "b", 16)))
    assert count(m, XC7).cells("xc7") == Cells(dsp=1)


def drawn(rng: np.random.Generator, number: int) -> Module:
    """A few sums, choices and comparisons of random widths behind each other, with registers."""
    m = Module(f"drawn{number}")
    words = [
        m.input(f"x{k}", int(rng.integers(1, 13))) if rng.random() < 0.5
        else signed(m, f"x{k}", int(rng.integers(2, 13)))
        for k in range(4)
    ]  # fmt: skip
    for _ in range(4):
        a, b, c = (words[int(rng.integers(len(words)))] for _ in range(3))
        kind = rng.integers(4)
        if kind == 0:
            words.append(m.register(a + b))
        elif kind == 1:
            words.append(m.register(a - b))
        elif kind == 2:
            words.append(m.register(choose(m.register(c < b), a, b)))
        else:
            words.append(m.register(a + b + c))
    for k, word in enumerate(words[4:]):
        m.output(f"y{k}", word)
    return m


@pytest.mark.slow
@pytest.mark.parametrize("family", [XC7, ECP5], ids=lambda f: f.id)
def test_modules_drawn_at_random(family) -> None:
    rtlil = pytest.importorskip("amaranth.back.rtlil")
    from n2uqc.backends.fpga.hdl.amaranth import Hardware
    from n2uqc.backends.fpga.rtl.synthesis import cells_of
    from n2uqc.backends.fpga.rtl.verilog import run_yosys

    rng = np.random.default_rng(5)
    modules = [drawn(rng, k) for k in range(24)]
    files, script = {}, ""
    for m in modules:
        hardware = Hardware(m)
        files[f"{m.name}.il"] = rtlil.convert(
            hardware, name=m.name, ports=list(hardware.ports.values())
        )
        script += f"read_rtlil {m.name}.il\n"
    names = " ".join(m.name for m in modules)
    places = "".join(f"(* keep *) {m.name} i_{m.name}();\n" for m in modules)
    files["top.v"] = f"module top();\n{places}endmodule\n"
    script += (
        f"setattr -mod -set keep_hierarchy 1 {names}\nread_verilog top.v\n{family.script}\n"
        "tee -q -o stat.json stat -json\n"
    )
    try:
        said = run_yosys(script, files, "stat.json")
    except ToolchainError as error:
        pytest.skip(str(error))
    stat = json.loads(said[said.index("{") :])["modules"]
    made = [cells_of(Counter(stat[f"\\{m.name}"]["num_cells_by_type"]), family.id) for m in modules]
    mine = [count(m, family).cells(family.id) for m in modules]
    assert [c.ff for c in mine] == [c.ff for c in made]
    errors = sorted(abs(a.lut - b.lut) / max(b.lut, 24) for a, b in zip(mine, made, strict=True))
    assert errors[len(errors) // 2] <= 0.08


@pytest.mark.parametrize(
    ("a", "b", "dsp", "ff"),
    [(25, 18, 1, 0), (18, 20, 1, 0), (18, 30, 2, 17), (25, 19, 2, 17), (26, 18, 2, 17),
     (36, 18, 2, 17), (25, 35, 4, 60)],
)  # fmt: skip
def test_the_second_of_two_blocks_holds_its_part_of_a_product(
    a: int, b: int, dsp: int, ff: int
) -> None:
    """The register of the low bits, which the first one makes, stays outside (yosys 0.70)."""
    m = built(lambda m: m.register(signed(m, "a", a) * signed(m, "b", b)))
    found = count(m, XC7).cells("xc7")
    assert (found.dsp, found.ff) == (dsp, ff)


@pytest.mark.parametrize("family", [XC7, ECP5])
def test_a_sum_of_which_no_bit_is_read(family: Family) -> None:
    """Zeros that were shifted in are all that leaves; the sum of three has no column."""
    m = Module("unread")
    x, y, z = (m.input(name, 8) for name in "xyz")
    m.output("out", ((x + y - z) << 4)[0:3])
    assert count(m, family).cells(family.id) == Cells()


def test_a_choice_in_front_of_a_function_reads_its_condition_once() -> None:
    """Two bits of either word, their condition and a bit beside them are six inputs."""

    def write(m: Module) -> Word:
        chosen = choose(m.input("when", 1), m.input("x", 2), m.input("y", 2))
        return lookup(join([chosen, m.input("z", 1)]), (0, 1, 1, 0, 1, 0, 0, 0))

    assert count(built(write), XC7).cells("xc7").lut == 1
