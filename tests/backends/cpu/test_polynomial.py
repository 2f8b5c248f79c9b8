"""Packed polynomials on Cortex-M: the proof of their fields, extreme numbers, odd shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tvm import te

from n2uqc.backends import compile as compile_program
from n2uqc.backends import find_target, run_artifact
from n2uqc.backends.cpu import choose
from n2uqc.backends.cpu.kernels import polynomial
from n2uqc.backends.cpu.kernels.layer import Layer
from n2uqc.backends.cpu.kernels.polynomial_fields import packed_taps, sums_of
from n2uqc.backends.cpu.kernels.polynomial_sum import sum_function
from n2uqc.backends.cpu.model import build_model
from n2uqc.passes.plan_memory import plan_memory
from n2uqc.passes.program import Constant, Conv, Program, run
from tests.properties.programs import Builder

from .kernels.stages import computed


def conv(
    bits: int,
    channels: int,
    out: int,
    size: tuple[int, int],
    weight: str = "drawn",
    pads: tuple[int, int, int, int] = (1, 1, 1, 1),
    rows: int = 3,
    pad_value: int = 0,
    table: bool = False,
) -> Program:
    b = Builder(bits * 100 + channels, max(size), channels, bits, False)
    b.types["x"] = type(b.types["x"]).ranged(
        (*size, channels), 0, (1 << bits) - 1, b.types["x"].scale
    )
    top = (1 << bits) - 1
    shape = (out, rows, 3, channels)
    drawn = 2 * b.rng.integers(0, top + 1, shape) - top
    signs = np.where(np.arange(out) % 2, top, -top)[:, None, None, None]
    values = drawn if weight == "drawn" else np.broadcast_to(signs, shape)
    acc = b.add(
        Conv, "x", weight=b.const(Constant.odd(values, bits)), pads=pads, pad_value=pad_value
    )
    return plan_memory(b.finish(b.thresholds(acc, top) if table else acc))


def case(**options: object) -> dict[str, object]:
    return options


CASES = {
    "two bits, a table": case(bits=2, channels=32, out=6, size=(9, 8), table=True),
    "all weights extreme": case(bits=2, channels=40, out=4, size=(6, 7), weight="extreme"),
    "chunks": case(bits=3, channels=37, out=5, size=(7, 10)),
    "chunks of extreme weights": case(bits=4, channels=5, out=4, size=(5, 6), weight="extreme"),
    "one row, one channel": case(bits=2, channels=1, out=3, size=(1, 5)),
    "one row": case(bits=2, channels=8, out=3, size=(1, 5)),
    "no padding": case(bits=2, channels=7, out=3, size=(6, 11), pads=(0, 0, 0, 0)),
    "uneven padding": case(bits=3, channels=6, out=2, size=(4, 4), pads=(0, 2, 1, 3)),
    "padding with a code": case(bits=2, channels=6, out=2, size=(4, 4), pad_value=3),
    "two rows of taps": case(bits=2, channels=4, out=3, size=(5, 9), pads=(1, 1, 0, 1), rows=2),
    "four rows of taps": case(bits=2, channels=6, out=3, size=(9, 6), rows=4),
    "seven rows of taps": case(bits=2, channels=3, out=2, size=(12, 5), rows=7),
}


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m7"])
@pytest.mark.parametrize("name", CASES)
def test_equal_to_the_interpreter(
    name: str, core: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(choose.TABLE, Conv, polynomial.KERNELS)  # dear or not
    program = conv(**CASES[name])
    folder = compile_program(program, core).save(tmp_path / "net")
    kind = program.types[program.input]
    x = np.random.default_rng(3).integers(kind.lo, kind.hi + 1, (6, *kind.shape))
    x[0], x[1], x[2] = kind.lo, kind.hi, np.where(x[2] > kind.hi // 2, kind.hi, kind.lo)
    np.testing.assert_array_equal(run_artifact(folder, x), run(program, x))


def test_memory_beside_the_maps_is_that_of_one_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    """However high the map is: padded rows, packed words and sums are those of a few rows."""
    monkeypatch.setitem(choose.TABLE, Conv, polynomial.KERNELS)
    processor = find_target("cortex-m4").processor
    models = [
        build_model(conv(bits=2, channels=48, out=3, size=(rows, 30)), "net", processor)
        for rows in (12, 48)
    ]
    assert models[0].workspace_bytes == models[1].workspace_bytes > 1 << 12


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32),
    st.integers(1, 3),
    st.integers(1, 6),
    st.integers(1, 4),
    st.integers(1, 15),
    st.integers(-8, 8),
    st.integers(0, 15),
)
def test_sums_hold_every_beginning_and_are_reached(
    seed: int, rows: int, depth: int, channels: int, most: int, lo: int, span: int
) -> None:
    """The bounds hold for any subset of the taps with any codes, and are the least such."""
    rng = np.random.default_rng(seed)
    weight = rng.integers(-most, most + 1, (3, rows, 3, depth))
    ends = np.full(depth, lo), np.full(depth, lo + span)
    for k, (least, greatest, last) in enumerate(sums_of(weight, *ends, channels)):
        part = weight[..., k * channels : (k + 1) * channels]
        for _ in range(20):
            taken = rng.random(part.shape) < rng.random()
            codes = rng.integers(lo, lo + span + 1, part.shape)
            sums = (part * codes * taken).sum(axis=(1, 2, 3))
            assert least <= sums.min() and sums.max() <= greatest
            lasts = (part * codes * taken)[:, :, 0].sum(axis=(1, 2))
            assert np.abs(lasts).max() <= last
        terms = [np.minimum(part * e, 0) for e in (lo, lo + span)]
        assert least == np.minimum(*terms).sum(axis=(1, 2, 3)).min()


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 5), st.booleans())
@example(1, 9, 2, False)
@example(1, 9, 1, True)
@example(2, 7, 1, False)
def test_the_loop_multiplies_all_pairs_once(
    rows: int, taps: int, unrolled: int, dual: bool
) -> None:
    """The assembly run by a small interpreter of its own five instructions."""
    rng = np.random.default_rng(rows * 100 + taps * 10 + unrolled)
    count = 2
    codes = rng.integers(0, 9, (count * unrolled, rows + taps - 1)).tolist()
    factors = rng.integers(-9, 9, (count * unrolled, taps)).tolist()
    memory = {"r0": [c for row in codes for c in row], "r1": [f for row in factors for f in row]}
    place, registers, sums = {"r0": 0, "r1": 0}, {}, {}
    text = sum_function(rows, taps, unrolled, dual).split('"')[1].replace("\\0A", "\n")
    body = text.partition("1:\n")[2]
    for _ in range(count):
        for line in body.split("\n"):
            name, _, rest = line.partition(" ")
            if "[sp]" in line:
                break
            if name == "smlal":
                low, _, code, tap = (part.strip() for part in rest.split(","))
                sums[low] = sums.get(low, 0) + registers[code] * registers[tap]
            elif name == "ldm":
                base, _, names = rest.partition("!, ")
                for register in names.strip("{}").split(", "):
                    registers[register] = memory[base][place[base]]
                    place[base] += 1
            elif name == "ldr":
                register, _, where = rest.partition(", ")
                base, _, offset = where.strip("[]").partition(", #")
                if where.endswith("], #4"):
                    base = where[1:3]
                    registers[register] = memory[base][place[base]]
                    place[base] += 1
                else:
                    registers[register] = memory[base][place[base] + int(offset) // 4]
            else:
                assert name == "add"
                base, _, step = rest.partition(", #")
                place[base[:2]] += int(step) // 4
    expected = [
        sum(c[r + k] * f[k] for c, f in zip(codes, factors, strict=True) for k in range(taps))
        for r in range(rows)
    ]
    assert [sums[f"r{2 + 2 * r}"] for r in range(rows)] == expected


def test_taps_lie_reversed_in_a_word() -> None:
    weight = np.arange(1, 13).reshape(2, 1, 3, 2)
    packed = packed_taps(weight, 1, 3)
    assert packed.shape == (1, 2, 3, 1)
    assert packed[0, 0, 0, 0] == 5 + (3 << 13) + (1 << 26)
    assert not packed[:, :, 2].any()


def test_coefficients_of_a_word() -> None:
    """Five fields of 13 bits, with numbers at their ends beside one another."""
    rng = np.random.default_rng(0)
    parts = np.concatenate(
        [rng.integers(-4095, 4096, (60, 5)), rng.choice([-4095, -1, 0, 1, 4095], (200, 5))]
    )
    parts[:, 4] = parts[:, 4].clip(-2046, 2046)
    word = te.placeholder((len(parts),), "int64", "word")
    fields = te.compute(
        (3, len(parts)), lambda k, n: polynomial.extracted(word[n], k), "coefficients"
    )
    given = (word, (parts << 13 * np.arange(5)).sum(axis=1))
    np.testing.assert_array_equal(computed(fields, given).T, parts[:, :3])
    upper = te.compute((len(parts),), lambda n: polynomial.high_half(word[n]), "upper")
    np.testing.assert_array_equal(computed(upper, given), given[1] >> 32)


@pytest.mark.parametrize(
    ("lo", "hi", "weight"),
    [(0, 31, 1), (0, 32, 1), (-31, 0, 1), (-32, 0, 1), (0, 1, 31), (0, 1, 32), (0, 1, -32)],
)
def test_three_codes_or_taps_fit_a_word(lo: int, hi: int, weight: int) -> None:
    b = Builder(0, 5, 2, 5, True)
    b.types["x"] = type(b.types["x"]).ranged((5, 5, 2), lo, hi, b.types["x"].scale)
    b.add(Conv, "x", weight=b.const(Constant.narrow(np.full((1, 3, 3, 2), weight))))
    program = b.finish(b.ops[-1].output)
    (op,) = program.ops
    assert isinstance(op, Conv)
    vectors = find_target("cortex-m4").processor.vectors
    most = max(-lo, hi, abs(weight))
    fits = most * (1 + (1 << 13) + (1 << 26)) < 1 << 31
    assert bool(list(polynomial.plans(Layer.of(op, program), vectors))) == fits
