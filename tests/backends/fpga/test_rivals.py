"""Processing elements of other number systems compute what their levels say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("amaranth", reason="hardware needs the extra rtl")

from n2uqc.backends.fpga.engines import Fold
from n2uqc.backends.fpga.engines.matrix_vector import MatrixVector
from n2uqc.backends.fpga.hdl.families import FAMILIES
from n2uqc.backends.fpga.hdl.mapping import count
from n2uqc.backends.fpga.hdl.module import Module
from n2uqc.backends.fpga.units.element import Element
from n2uqc.backends.fpga.units.levels import RIVALS, coefficients, growth, levels_of
from n2uqc.backends.fpga.units.rivals import rival_unit, waiting
from n2uqc.backends.fpga.units.window import dot_products
from n2uqc.passes.program import Constant, ConstRef, Conv, IntType

from .icarus import icarus

RESULTS, PE = 5, 2


def packed(codes: np.ndarray, bits: int) -> list[int]:
    """Rows of codes as numbers, the first code lowest."""
    return [sum(int(code) << (bits * k) for k, code in enumerate(row)) for row in codes]


@pytest.mark.parametrize(
    ("operand", "weight", "simd", "cycles", "lut"),
    [(2, 2, 7, 3, 6), (1, 3, 4, 9, 4), (3, 2, 1, 1, 6), (4, 4, 5, 2, 4)],
)
def test_every_rival_computes_its_levels(
    operand: int, weight: int, simd: int, cycles: int, lut: int, tmp_path: Path
) -> None:
    """Dot products of random codes, results behind each other, in Icarus Verilog."""
    rng = np.random.default_rng(operand + 8 * weight)
    element = Element(operand, False, simd, weight, True, "sum", 20, True)
    folds = RESULTS * cycles
    x = rng.integers(0, 1 << operand, (folds, simd))
    w = rng.integers(0, 1 << weight, (PE, folds, simd))
    x[:cycles], w[0, :cycles] = (1 << operand) - 1, (1 << (weight - 1)) - 1  # the greatest
    few = max(operand, weight) <= 3  # of more bits a codebook has a hundred planes and more
    shown = [n for n in RIVALS if few or n not in ("codebook planes", "codebook symmetric")]
    units = {numbers: rival_unit(element, numbers, cycles, lut, PE) for numbers in shown}
    longest = max(waiting(element, numbers, cycles, lut) for numbers in shown) + 1
    still = np.zeros((longest, simd), np.int64)
    flags = np.arange(folds + longest)
    given = {
        "x": packed(np.concatenate([x, still]), operand),
        "valid": (flags < folds).astype(int).tolist(),
        "first": ((flags % cycles == 0) & (flags <= folds)).astype(int).tolist(),
        **{f"w{k}": packed(np.concatenate([w[k], still]), weight) for k in range(PE)},
    }
    top = Module("rivals")
    ports = {"x": simd * operand, "valid": 1, "first": 1}
    ports |= {f"w{k}": simd * weight for k in range(PE)}
    words = {name: top.input(name, width) for name, width in ports.items()}
    for number, unit in enumerate(units.values()):
        for name, word in top.place(f"unit{number}", unit, words).outputs.items():
            top.output(f"{name}_{number}", word)
    said = icarus(top, given, tmp_path)
    for number, numbers in enumerate(units):
        activations, weights = map(np.array, levels_of(numbers, operand, weight))
        bits = element.accumulator + growth(numbers, operand, weight)
        for k in range(PE):
            sums = (activations[x] * weights[w[k]]).reshape(RESULTS, -1).sum(axis=1)
            wait = waiting(element, numbers, cycles, lut)
            seen = said[f"sum{k}_{number}"]
            made = [seen[cycles * (r + 1) + wait] for r in range(RESULTS)]
            assert made == [int(s) % (1 << bits) for s in sums], numbers


def test_coefficients_add_up_to_the_levels() -> None:
    levels = [3, -7, 11, 20, 0, 5, 8, -1]
    found = coefficients(levels)
    for code, level in enumerate(levels):
        assert sum(c for k, c in enumerate(found) if k & code == k) == level


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_levels_are_what_they_are_called(bits: int) -> None:
    for numbers in RIVALS:
        operands, weights = levels_of(numbers, bits, bits)
        assert len(operands) == len(weights) == 1 << bits
        assert min(operands) == 0 and max(operands) <= 255 and max(map(abs, weights)) <= 128
    _, symmetric = levels_of("codebook symmetric", bits, bits)
    assert 0 in symmetric and set(symmetric) == {-level for level in symmetric}
    _, free = levels_of("codebook planes", bits, bits)
    assert 0 not in free and set(free) != {-level for level in free}
    assert len(set(free)) == 1 << bits


def layer(bits: int, odd: bool, pe: int, simd: int) -> MatrixVector:
    """A convolution of codes whose weights reach both ends of their range."""
    top = (1 << bits) - 1
    low, high = (-top, top) if odd else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    ends = np.resize([low, high], (pe, 1, 1, simd))
    weight = Constant.odd(ends, bits) if odd else Constant.narrow(ends)
    x = IntType((2, 2, simd), bits, False, 0, top)
    op = Conv(output="y", inputs=("x",), weight=ConstRef("w"))
    y = op.infer({"x": x}, {"w": weight})
    assert isinstance(y, IntType)
    engine = MatrixVector(op=op, inputs=(x,), output=y, constants={"w": weight})
    folded = engine.folded(Fold(pe, simd))
    assert isinstance(folded, MatrixVector)
    return folded


LAYERS = [(2, True, 6, 5), (3, False, 5, 4), (4, True, 5, 3), (4, False, 2, 2), (2, False, 1, 4)]
"""Bits, whether weights are odd, elements (of which blocks hold unlike numbers), lanes."""


def test_forms_of_low_bit_products_in_icarus(tmp_path: Path) -> None:
    """Every form on every family computes the same dot products, all operands and weights free."""
    rng, folds = np.random.default_rng(5), 40
    top, given, expected = Module("forms"), {}, {}
    for number, (bits, odd, pe, simd) in enumerate(LAYERS):
        engine = layer(bits, odd, pe, simd)
        assert ("packed" in engine.forms, "planes" in engine.forms) == (pe > 1, odd)
        x = rng.integers(0, 1 << bits, (folds, simd))
        u = rng.integers(0, 1 << bits, (pe, folds, simd))
        x[:4], u[:, :2], u[:, 2:4] = (1 << bits) - 1, 0, (1 << bits) - 1
        w = 2 * u - (1 << bits) + 1 if odd else u - (1 << (bits - 1))
        signs = u ^ (1 << (bits - 1))
        sums = (x[None] * w).sum(axis=2)
        for family in FAMILIES if number < 3 else ["ecp5"]:
            for form in engine.forms:
                at = f"{number}_{family}_{form}"
                stored = u if form == "packed" else signs
                ports = {"x": packed(x, bits), "valid": [1] * folds, "first": [1] * folds}
                ports |= {f"w{k}": packed(stored[k], bits) for k in range(pe)}
                unit = dot_products(engine, form, FAMILIES[family])
                words = {
                    port: top.input(f"{port}_{at}", word.width)
                    for port, word in unit.inputs.items()
                }
                given |= {f"{port}_{at}": row for port, row in ports.items()}
                outputs = top.place(f"unit_{at}", unit, words).outputs
                for k, word in enumerate(outputs.values()):
                    top.output(f"sum{k}_{at}", word)
                    behind = 2 + (simd - 1).bit_length()
                    wide = engine.output.bits
                    expected[f"sum{k}_{at}"] = behind, [int(s) % (1 << wide) for s in sums[k]]
    said = icarus(top, given, tmp_path)
    for name, (behind, wanted) in expected.items():
        assert said[name][behind:] == wanted[: folds - behind], name


def test_blocks_hold_as_many_products_as_fit() -> None:
    """Counted: 2, 3 and 4 bits are 4, 6 and 8 apart, a bit more where pairs are added inside."""
    for family, each in {"xc7": (5, 4, 3), "xcup": (7, 4, 3), "ecp5": (5, 3, 2)}.items():
        for bits, results in zip((2, 3, 4), each, strict=True):
            for pe in (results, results + 1, 2 * results):
                made = count(dot_products(layer(bits, True, pe, 8), "packed", FAMILIES[family]),
                             FAMILIES[family])  # fmt: skip
                assert made.dsp == 8 * -(-pe // results), (family, bits, pe)
