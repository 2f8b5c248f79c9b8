"""Passes on lowered programs: evenly spaced tables, constant channels, narrow types."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from n2uqc.passes import compile_graph
from n2uqc.passes.affine_tables import affine_tables, fit
from n2uqc.passes.constant_channels import constant_channels, kept_channels
from n2uqc.passes.narrow_types import narrow_types
from n2uqc.passes.program import (
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
from n2uqc.passes.prove import prove_tables

from ..properties.networks import NetworkBuilder, networks
from ..properties.programs import Builder, programs


@settings(max_examples=300, deadline=None)
@given(
    st.integers(-300, 0), st.integers(1, 600), st.integers(1, 15), st.integers(1, 4000),
    st.integers(0, 7), st.integers(-3000, 3000),
)
def test_fit_finds_and_equals_evenly_spaced_tables(lo, count, n, m, shift, bias) -> None:
    """Bounds made by some multiplier and shift are recognised, and give every code again."""
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
    b = NetworkBuilder(0, 2, 4)
    code = b.quantize("x", bits)
    acc = b.batchnorm(b.conv(code, 3, bits=bits), 0.25)
    n = 2**bits - 1
    table = (np.arange(1, n + 1, dtype=np.float32) - np.float32(0.5))[None]
    scalar = [b.array(np.array(1.0, t)) for t in (np.float32, np.float64)]
    y = b.node("Threshold", [acc, b.array(table), *scalar], b.shape[acc], divisor=1, strict=1,
               bits=bits)
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
    changed = replace(program, constants={
        **program.constants, made[0].bias: Constant.narrow(wrong)})
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
    shapes = [smaller.constants[op.weight].values.shape for op in smaller.ops
              if isinstance(op, Conv)]
    assert shapes[0][0] == shapes[1][3] == len(kept) < 8
    x = b.input(20)
    assert (run(smaller, x) == run(program, x)).all()


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
