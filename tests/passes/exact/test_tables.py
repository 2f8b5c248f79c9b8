"""Passes on lowered programs: evenly spaced tables, constant channels, narrow types."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from n2uqc.passes import compile_graph
from n2uqc.passes.checks.prove import prove_tables
from n2uqc.passes.exact.affine_tables import affine_tables, fit
from n2uqc.passes.exact.constant_channels import constant_channels, kept_channels, removed_codes
from n2uqc.passes.exact.narrow_types import narrow_types
from n2uqc.passes.program import (
    Add,
    Constant,
    Conv,
    Requantize,
    Thresholds,
    channel_ranges,
    run,
    trace,
    verify,
)
from n2uqc.passes.program.rounding import round_shift

from ...properties.builder import NetworkBuilder
from ...properties.networks import networks
from ...properties.programs import Builder, programs


@settings(max_examples=300, deadline=None)
@given(
    st.integers(-300, 0),
    st.integers(1, 600),
    st.integers(1, 15),
    st.integers(1, 4000),
    st.integers(0, 7),
    st.integers(-3000, 3000),
)
def test_fit_finds_and_equals_evenly_spaced_tables(lo, count, n, m, shift, bias) -> None:
    """Bounds made by some multiplier and shift are recognized, and give every code again."""
    hi = lo + count
    values = np.arange(lo - 2, hi + 2)
    codes = np.clip(round_shift(values * m + bias, shift), 0, n)
    bounds = [int(values[codes <= k].max(initial=lo - 1)) for k in range(n)]
    bounds = [min(b, hi) for b in bounds]
    found = fit(bounds, lo, hi)
    assert found is not None
    reachable = np.arange(lo, hi + 1)
    got = np.clip(round_shift(reachable * found[0] + found[1], found[2]), 0, n)
    want = (reachable[:, None] > np.array(bounds)).sum(axis=1)
    assert (got == want).all()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=2, max_size=15))
def test_fit_is_right_whenever_it_answers(bounds) -> None:
    bounds = sorted(bounds)
    found = fit(bounds, -40, 40)
    assume(found is not None)
    v = np.arange(-40, 41)
    got = np.clip(round_shift(v * found[0] + found[1], found[2]), 0, len(bounds))
    assert (got == (v[:, None] > np.array(bounds)).sum(axis=1)).all()


def test_uneven_tables_stay() -> None:
    assert fit([0, 10, 11, 30, 31, 50, 90], -100, 100) is None


def uniform_network(bits: int):
    """A quantizer of even steps, as a uniform baseline has."""
    b = NetworkBuilder(3, 2, 4)  # of odd weights, and sums that take most codes
    code = b.quantize("x", bits)
    acc = b.batchnorm(b.conv(code, 3, bits=bits), 0.25)
    n = 2**bits - 1
    table = (np.arange(1, n + 1, dtype=np.float32) - np.float32(0.5))[None]
    scalar = [b.array(np.array(1.0, t)) for t in (np.float32, np.float64)]
    y = b.node(
        "Threshold", [acc, b.array(table), *scalar], b.shape[acc], divisor=1, strict=1, bits=bits
    )
    return b.model(b.batchnorm(b.conv(y, 2, bits=bits)))


def test_uniform_quantizers_become_requantizations_and_are_proved() -> None:
    model = uniform_network(4)
    program = compile_graph(model)
    made = [op for op in program.ops if isinstance(op, Requantize) and op.hi == 15]
    assert len(made) == 1
    assert any("evenly spaced" in note for note in program.notes)
    proofs = prove_tables(model, program)
    assert made[0].output in {p.table for p in proofs}
    assert not [m for p in proofs for m in p.mismatches]
    step = 2 ** program.constants[made[0].shift].values
    wrong = program.constants[made[0].bias].values + step
    changed = replace(
        program, constants={**program.constants, made[0].bias: Constant.narrow(wrong)}
    )
    assert [m for p in prove_tables(model, changed) for m in p.mismatches]


@settings(max_examples=60, deadline=None)
@given(programs())
def test_passes_on_lowered_programs_keep_the_outputs(case) -> None:
    program, x = case
    want = run(program, x)
    for step in (affine_tables, constant_channels, narrow_types):
        program = step(program)
        verify(program)
        assert (run(program, x) == want).all()


def test_dead_channels_leave_both_convolutions() -> None:
    b = Builder(5, 5, 3, 2, False)
    acc = b.conv("x", 8, bits=2)
    code = b.thresholds(acc, 2)
    table = next(op for op in b.ops if isinstance(op, Thresholds))
    kind = b.types[acc]
    for name, row in ((table.bounds, kind.hi), (table.base, 0)):
        values = b.consts[name].values.copy()
        values[[1, 4]] = row
        b.consts[name] = Constant.narrow(values)
    program = b.finish(b.requantize(b.conv(code, 4, bits=2)))
    smaller = constant_channels(program)
    verify(smaller)
    kept = kept_channels(smaller, table.output, 8)
    assert 1 not in kept and 4 not in kept
    shapes = [
        smaller.constants[op.weight].values.shape for op in smaller.ops if isinstance(op, Conv)
    ]
    assert shapes[0][0] == shapes[1][3] == len(kept) < 8
    x = b.input(20)
    assert (run(smaller, x) == run(program, x)).all()


@pytest.mark.parametrize(
    ("channels", "dead", "left"), [(64, 1, 64), (64, 9, 56), (64, 60, 8), (20, 3, 20), (12, 5, 7)]
)
def test_channels_that_are_left_divide_well(channels: int, dead: int, left: int) -> None:
    b = Builder(5, 4, 3, 2, False)
    code = b.thresholds(b.conv("x", channels, bits=2, kernel=1), 2)
    table = next(op for op in b.ops if isinstance(op, Thresholds))
    bounds = np.tile([-1, 0, 1], (channels, 1))
    bounds[:dead] = b.types[table.inputs[0]].hi
    b.consts[table.bounds] = Constant.narrow(bounds)
    b.consts[table.signs] = Constant.narrow(np.ones_like(bounds))
    b.consts[table.base] = Constant.narrow(np.zeros(channels, np.int64))
    b.types[code] = table.infer(b.types, b.consts)
    program = b.finish(b.requantize(b.conv(code, 4, bits=2, kernel=1)))
    smaller = constant_channels(program)
    verify(smaller)
    assert len(kept_channels(smaller, table.output, channels)) == left
    assert (run(smaller, x := b.input(5)) == run(program, x)).all()


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["table", "requantize", "both"]))
def test_channels_of_any_constant_code_leave_where_no_border_tells_them(seed, behind) -> None:
    b = Builder(seed, 5, 3, 2, False)
    code = b.thresholds(b.conv("x", 8, bits=2), 2)
    table = next(op for op in b.ops if isinstance(op, Thresholds))
    bounds, base = (b.consts[n].values.copy() for n in (table.bounds, table.base))
    constants = {1: 0, 4: 3, 6: int(b.rng.integers(0, 4))}
    for c, value in constants.items():
        bounds[c], base[c] = b.types[table.inputs[0]].hi, value
    b.consts[table.bounds], b.consts[table.base] = (Constant.narrow(v) for v in (bounds, base))
    b.types[code] = table.infer(b.types, b.consts)
    acc = b.conv(code, 4, bits=2, kernel=int(b.rng.choice([1, 3])))
    reader = b.ops[-1]
    ends = []
    if behind != "requantize":
        ends.append(b.requantize(b.conv(b.thresholds(acc, 2), 4, bits=2, kernel=1)))
    if behind != "table":
        ends.append(b.requantize(acc))
    shapes = {b.types[e].shape for e in ends}
    assume(len(shapes) == 1)
    for e in ends:
        b.types[e] = replace(b.types[e], scale=b.types[ends[0]].scale)
    program = b.finish(ends[0] if len(ends) == 1 else b.add(Add, *ends))
    smaller = constant_channels(program)
    verify(smaller)
    kept = kept_channels(smaller, table.output, 8)
    for c, value in constants.items():
        assert (c not in kept) == (not any(reader.pads) or value == reader.pad_value)
    gone = removed_codes(smaller, table.output, 8)
    assert all(gone[c] == (0 if c in kept else value) for c, value in constants.items())
    x = b.input(20)
    assert (run(smaller, x) == run(program, x)).all()


def test_removed_constant_codes_are_proved() -> None:
    """Removed channels count in the proof, with the code that they have."""
    b = NetworkBuilder(3, 2, 5)
    y = b.quantize("x", 2)
    y = b.batchnorm(b.conv(y, 24, bits=2, kernel=1), 0.3)
    y = b.batchnorm(b.conv(b.quantize(b.prelu(y), 2), 24, bits=2, kernel=1), 3.0)
    y = b.batchnorm(b.conv(b.quantize(b.prelu(y), 2), 3, bits=2, kernel=1), 3.0)
    model = b.model(y)
    program = compile_graph(model)
    codes = {
        name: removed_codes(program, name.removeprefix("constants."), 24)
        for name in program.metadata
        if name.startswith("constants.")
    }
    assert any(row.any() for row in codes.values())
    proofs = prove_tables(model, program)
    assert [p.channels for p in proofs] == [2, 24, 24]
    assert not [m for p in proofs for m in p.mismatches]
    for name, text in program.metadata.items():
        if name in codes:  # another code in its place is no constant of the network
            wrong = ",".join(str((int(v) + 1) % 4) for v in text.split(","))
            changed = replace(program, metadata={**program.metadata, name: wrong})
            assert [m for p in prove_tables(model, changed) for m in p.mismatches]


@settings(max_examples=30, deadline=None)
@given(networks())
def test_ranges_hold_and_widths_are_narrow(case) -> None:
    model, _ = case
    program = compile_graph(model)
    ranges = channel_ranges(program)
    kind = program.types[program.input]
    rng = np.random.default_rng(0)
    x = rng.integers(kind.lo, kind.hi, (8, *kind.shape), endpoint=True)
    x[0], x[1] = kind.lo, kind.hi
    for name, values in trace(program, x).items():
        low, high = ranges[name]
        assert (values >= low).all() and (values <= high).all(), name


@pytest.mark.parametrize("bits", [2, 3])
def test_few_steps_stay_comparisons(bits: int) -> None:
    program = compile_graph(uniform_network(bits))
    tables = [op for op in program.ops if isinstance(op, Thresholds)]
    assert len(tables) == (2 if bits == 2 else 1)
