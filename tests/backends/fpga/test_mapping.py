"""The count of small modules: rules by hand, and against yosys on modules drawn at random."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from n2uqc.backends.fpga.hdl.families import ECP5, XC7
from n2uqc.backends.fpga.hdl.mapping import count
from n2uqc.backends.fpga.hdl.module import Module
from n2uqc.backends.fpga.hdl.terms import Cells
from n2uqc.backends.fpga.hdl.words import Word, choose
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
