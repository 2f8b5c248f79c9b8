"""Promise 1: every folded code is the code of exact arithmetic, for every reachable integer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal, localcontext

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import HealthCheck, assume, given, settings

from n2uqc.frontend import opset
from n2uqc.passes import compile_graph
from n2uqc.passes.checks.prove import prove_tables
from n2uqc.passes.exact.constant_channels import kept_channels, removed_codes
from n2uqc.passes.program import Constant, ConstRef, Conv, Program, Thresholds, channel_ranges

from ..properties.networks import networks


@pytest.fixture(autouse=True, scope="module")
def digits() -> Iterator[None]:
    with localcontext() as context:
        context.prec = 60
        yield


@settings(max_examples=25, deadline=None)
@given(networks())
def test_the_prover_accepts_every_table(case) -> None:
    model, _ = case
    program = compile_graph(model)
    proofs = prove_tables(model, program)
    assert len(proofs) == sum(isinstance(op, Thresholds) for op in program.ops) > 0
    assert not [m for p in proofs for m in p.mismatches]


@settings(max_examples=25, deadline=None)
@given(networks())
def test_the_prover_catches_a_table_that_is_off_by_one(case) -> None:
    model, _ = case
    program = compile_graph(model)
    for op in program.ops:
        if not isinstance(op, Thresholds):
            continue
        bounds = program.constants[op.bounds]
        kind = program.types[op.inputs[0]]
        inside = np.argwhere((bounds.values > kind.lo) & (bounds.values < kind.hi - 1))
        if not len(inside):
            continue
        c, k = inside[0]
        row = bounds.values[c]
        moved = bounds.values.copy()
        moved[c][row == row[k]] += 1  # all steps at that bound, so that the row stays sorted
        signs = program.constants[op.signs].values[c]
        if signs[row == row[k]].sum() == 0 or row[k] + 1 in row:
            continue
        if channel_ranges(program)[op.inputs[0]][1][c] <= row[k]:
            continue  # padding of an unused step
        wrong = replace(program, constants={**program.constants, op.bounds: Constant.narrow(moved)})
        users = [o for o in program.ops if isinstance(o, Thresholds) and o.bounds == op.bounds]
        proofs = prove_tables(model, wrong)
        assert {m.table for p in proofs for m in p.mismatches} == {o.output for o in users}
        return
    assume(False)  # nothing was moved; too many such networks fail the health check


def _with_step(program: Program, op: Thresholds, c: int, bound: int, sign: int, more: int):
    """The program with a step and a base added in one channel of a table."""
    bounds, signs, base = (program.constants[n].values for n in (op.bounds, op.signs, op.base))
    column = np.full((len(bounds), 1), program.types[op.inputs[0]].hi)
    column[c] = bound
    wider = np.append(bounds, column, axis=1)
    signed = np.append(signs, np.ones_like(column), axis=1)
    signed[c, -1] = sign
    order = np.argsort(wider, axis=1, kind="stable")
    changed = {
        "moved.bounds": Constant.narrow(np.take_along_axis(wider, order, axis=1)),
        "moved.signs": Constant.odd(np.take_along_axis(signed, order, axis=1), 1),
        "moved.base": Constant.narrow(base + more * (np.arange(len(base)) == c)),
    }
    new = replace(op, **{name.partition(".")[2]: ConstRef(name) for name in changed})
    return replace(
        program,
        ops=tuple(new if o is op else o for o in program.ops),
        constants={**program.constants, **changed},
    )


@pytest.mark.parametrize("end", ["least", "greatest"])
@settings(max_examples=20, deadline=None)
@given(networks())
def test_the_prover_looks_at_both_ends_of_a_range(end: str, case) -> None:
    model, _ = case
    program = compile_graph(model)
    ranges = channel_ranges(program)
    for op in program.ops:
        if not isinstance(op, Thresholds):
            continue
        for c, (lo, hi) in enumerate(
            zip(*(row.tolist() for row in ranges[op.inputs[0]]), strict=True)
        ):
            if lo == hi:
                continue
            at = lo if end == "least" else hi
            bounds, signs, base = (
                program.constants[n].values[c] for n in (op.bounds, op.signs, op.base)
            )
            code = int(base + (signs * (at > bounds)).sum())
            more = 1 if code == 0 else -1
            # Another code at the end itself, and nowhere else.
            step = (lo, -more, more) if end == "least" else (hi - 1, more, 0)
            proofs = prove_tables(model, _with_step(program, op, c, *step))
            # A code that was never given widens the ranges behind it: later tables may miss too.
            [found] = [m for p in proofs for m in p.mismatches if m.table == op.output]
            assert found.value == at
            assert (found.table_code, found.network_code) == (code + more, code)
            return
    assume(False)


def _decimal_step(link: ir.Node, c: int) -> Callable[[Decimal], Decimal]:
    """One ONNX node on one channel, in 60 digits."""
    p = [Decimal(float(opset.constant(i).ravel()[c])) for i in link.inputs[1:]]
    if link.op_type == "BatchNormalization":
        eps = Decimal(float(np.float32(link.attributes["epsilon"].as_float())))
        slope = p[0] / (p[3] + eps).sqrt()
        return lambda y: (y - p[2]) * slope + p[1]
    if link.op_type == "Add":
        return lambda y: y + p[0]
    return lambda y: y * p[0] if y < 0 else y


def decimal_codes(model: ir.Model, program: Program) -> int:
    """An evaluation that shares no code with the passes: 60-digit decimals from ONNX parameters.

    Walks forward from each quantized convolution whose result runs through one chain into a
    quantizer; returns the number of values compared.
    """
    compared = 0
    ranges = channel_ranges(program)
    by_origin = {(type(op), name): op for op in program.ops for name in op.origin}
    for node in model.graph:
        if node.op_type != "Conv" or not opset.is_op(node.inputs[1].producer(), "Weight"):
            continue
        if not opset.is_op(node.inputs[0].producer(), "Threshold"):
            continue
        chain, value = [], node.outputs[0]
        while (
            len(uses := list(value.consumers())) == 1
            and uses[0].op_type in ("BatchNormalization", "Add", "PRelu")
            and opset.constant(uses[0].inputs[1]) is not None
        ):
            chain.append(uses[0])
            value = uses[0].outputs[0]
        if len(uses) != 1 or not opset.is_op(uses[0], "Threshold"):
            continue
        table, conv = by_origin[Thresholds, uses[0].name], by_origin[Conv, node.name]
        weight = opset.read_weight(node.inputs[1].producer())
        if weight.levels is not None:
            continue  # rounded to integers within a bound: see test_levels
        source = opset.read_threshold(node.inputs[0].producer())
        quantizer = opset.read_threshold(uses[0])
        gone = np.zeros(weight.codes.shape[1], int)  # of a depthwise convolution nothing is
        if conv.groups == 1:
            gone = removed_codes(program, conv.inputs[0], weight.codes.shape[1])
        lows, highs = ranges[conv.output]
        for row, c in enumerate(kept_channels(program, table.output, len(weight.step))):
            values = np.arange(lows[row], highs[row] + 1)
            batch = np.zeros((len(values), 1, 1, len(lows)), dtype=np.int64)
            batch[:, 0, 0, row] = values
            codes = table.execute([batch], program.constants)[:, 0, 0, row]
            unit = (
                Decimal(float(weight.step[c]))
                / weight.divisor
                * Decimal(float(source.step))
                / source.divisor
            )
            steps = [_decimal_step(link, c) for link in chain]
            missing = int((weight.codes[c].sum(axis=(1, 2)) * gone).sum())
            for acc, code in zip(values.tolist(), codes.tolist(), strict=True):
                y = unit * (acc + missing)
                for step in steps:
                    y = step(y)
                y *= Decimal(float(quantizer.input_scale))
                gaps = [y - Decimal(float(t)) for t in quantizer.thresholds[0]]
                if any(0 < abs(g) < Decimal("1e-45") for g in gaps):
                    continue  # a tie or not: 60 digits cannot tell, the exact prover does
                want = sum(g > 0 or (g == 0 and not quantizer.strict) for g in gaps)
                assert code == want, (node.name, c, acc)
                compared += 1
    return compared


@pytest.mark.parametrize("examples", [25, pytest.param(1000, marks=pytest.mark.slow)])
def test_codes_equal_decimal_arithmetic_on_the_onnx_parameters(examples: int) -> None:
    compared = 0

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(networks())
    def check(case) -> None:
        nonlocal compared
        model, _ = case
        compared += decimal_codes(model, compile_graph(model))

    check()
    assert compared > 1000
