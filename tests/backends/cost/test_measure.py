"""What is synthesized once to compare counts with: which units, and the table that is printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from n2uqc.backends.cost import measure
from n2uqc.backends.fpga.hdl.families import VARIANTS, Family
from n2uqc.backends.fpga.hdl.mapping import count
from n2uqc.backends.fpga.hdl.module import Module
from n2uqc.backends.fpga.hdl.terms import Cells
from n2uqc.backends.fpga.units.levels import RIVALS


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_the_layer_has_all_odd_weights_of_its_bits(bits: int) -> None:
    """Sixteen lanes of four results, whose sums have 16 bits."""
    engine, top = measure.layer(bits), (1 << bits) - 1
    weights = engine.values(engine.op.weight)
    assert weights.shape == (4, 3, 3, 16)
    assert set(np.unique(weights).tolist()) == set(range(-top, top + 1, 2))
    x = engine.inputs[0]
    assert (x.shape, x.bits, x.signed, x.lo, x.hi) == ((8, 8, 16), bits, False, 0, top)
    assert (engine.output.shape, engine.output.bits) == ((8, 8, 4), 16)
    assert (engine.fold.pe, engine.fold.simd) == (4, 16)


@pytest.mark.parametrize("bits", [2, 3])
def test_every_form_is_measured(bits: int) -> None:
    found = measure.rivals(bits, "ecp5")
    names = [rival.name for rival in found]
    assert len(set(names)) == len(names)
    planes = ["codebook planes", "codebook symmetric"] if bits == 2 else []
    others = [n for n in RIVALS if n not in ("codebook planes", "codebook symmetric")]
    assert set(names) == {
        "thresholds, parallel", "thresholds, binary search",
        "multiply-shift", "multiply-shift without DSP", "power of two",
        "narrow multiply-shift", "narrow multiply-shift without DSP",
        *(f"N2UQ {form}" for form in measure.layer(bits).forms), *planes, *others,
    }  # fmt: skip
    for rival in found:
        assert rival.family == ("ecp5 without DSP" if "without" in rival.name else "ecp5")
    multiplied = next(r for r in found if r.name == "multiply-shift")
    assert multiplied.counted.dsp == 1
    device = VARIANTS["ecp5 without DSP"]
    alone = next(r for r in found if r.name == "multiply-shift without DSP")
    assert alone.counted == count(alone.module, device).cells(device.id)
    assert alone.counted.dsp == 0 < alone.counted.lut


def test_counts_are_printed_beside_what_is_synthesized(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tool finds two LUTs more than are counted, and three registers."""
    pytest.importorskip("amaranth", reason="hardware needs the extra rtl")
    from n2uqc.backends.fpga.rtl import synthesis

    def synthesize(modules: Sequence[Module], family: Family) -> list[Cells]:
        made = [count(module, family).cells(family.id) for module in modules]
        return [replace(cells, lut=cells.lut + 2, ff=cells.ff + 3) for cells in made]

    monkeypatch.setattr(measure, "rivals", cache(measure.rivals))
    monkeypatch.setattr(synthesis, "synthesize_modules", synthesize)
    monkeypatch.setattr(synthesis, "yosys_version", lambda: "Yosys 0")
    arguments = ["--family", "ecp5", "--bits", "2", "1", "--only", "multiply-shift"]
    assert measure.main(arguments) == 0
    title, *lines, last = capsys.readouterr().out.splitlines()
    assert title.split() == ["ecp5,", "Yosys", "0", "LUT", "FF", "DSP", "BRAM18"]
    assert last == "counted / synthesized" and len(lines) == 8
    expected = []
    for bits in (2, 1):
        wanted = [r for r in measure.rivals(bits, "ecp5") if "multiply-shift" in r.name]
        for rival in sorted(wanted, key=lambda r: r.family):
            cells = rival.counted
            pairs = (cells.lut, 2), (cells.ff, 3), (cells.dsp, 0), (cells.bram18, 0)
            columns = "".join(
                f"{f'{n} / {n + more}':>{wide}}"
                for (n, more), wide in zip(pairs, (13, 13, 9, 9), strict=True)
            )
            expected.append(f"{f'{bits} bit {rival.name}':38}{columns}")
    assert lines == expected
