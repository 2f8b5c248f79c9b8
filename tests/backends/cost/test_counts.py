"""Counts equal what a program's loops do, counted one by one."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings

from n2uqc.backends.cost.counting import count_layers, count_thresholds
from n2uqc.passes.program import Constant, Conv, Program, SumPool, Thresholds
from n2uqc.passes.program.types import width_of

from ...properties.programs import Builder, programs
from ..fpga.test_timing import finished
from .networks import residual


def conv_products(program: Program, op: Conv) -> int:
    """Products of a convolution, one window position and one output channel after the other."""
    height, width, _ = program.types[op.inputs[0]].shape
    out, kh, kw, depth = program.constants[op.weight].values.shape
    top, left, bottom, right = op.pads
    count, row = 0, -top
    while row + (kh - 1) * op.dilation[0] < height + bottom:
        column = -left
        while column + (kw - 1) * op.dilation[1] < width + right:
            for _ in range(out):
                count += sum(1 for _ in product(range(kh), range(kw), range(depth)))
            column += op.stride[1]
        row += op.stride[0]
    return count


def table_compares(program: Program, op: Thresholds) -> int:
    """Comparisons whose step some operand in the proven range makes fire."""
    kind = program.types[op.inputs[0]]
    bounds = program.constants[op.bounds].values
    count = 0
    for _ in range(kind.shape[0] * kind.shape[1]):
        for row in bounds.tolist():
            count += sum(1 for bound in row if kind.hi > bound)
    return count


@settings(max_examples=60, deadline=None)
@given(programs())
def test_counts_equal_loops(case) -> None:
    program, _ = case
    layers = count_layers(program)
    macs = {layer.mac.name: layer.mac for layer in layers if layer.mac}
    tables = {q.name: q for layer in layers for q in layer.quantizers}
    others = {o.name: o for layer in layers for o in layer.others}
    for op in program.ops:
        if isinstance(op, Conv):
            mac, weight = macs.pop(op.output), program.constants[op.weight]
            assert mac.macs == conv_products(program, op)
            assert mac.rows * mac.depth == weight.values.size
            assert mac.weight_storage == weight.storage_bits
            kind = program.types[op.output]
            assert (mac.accumulator, kind.lo < 0) == width_of(kind.lo, kind.hi)
        elif isinstance(op, Thresholds):
            table = tables.pop(op.output)
            assert table.compares == table_compares(program, op)
            assert table.steps >= max(table.live)
            top = (1 << op.bits) - 1
            assert table.shape == "mixed" or table.steps <= top
            assert not (table.bent and table.shape != "mixed")
        elif not op.in_place(program.types, program.constants):
            other = others.pop(op.output)
            assert other.elements == program.types[op.output].size
    assert not macs and not tables and not others


@settings(max_examples=30, deadline=None)
@given(programs())
def test_monotone_tables_can_be_padded(case) -> None:
    """A table called rising is a plain count of its steps, bases as steps that always fire."""
    program, _ = case
    tables = {q.name: q for layer in count_layers(program) for q in layer.quantizers}
    for op in program.ops:
        if not isinstance(op, Thresholds) or tables[op.output].shape != "rising":
            continue
        kind = program.types[op.inputs[0]]
        signs, base = program.constants[op.signs].values, program.constants[op.base].values
        bounds = program.constants[op.bounds].values
        for c in range(len(base)):
            padded = [kind.lo - 1] * int(base[c]) + bounds[c][bounds[c] < kind.hi].tolist()
            assert len(padded) <= tables[op.output].steps
            for x in {kind.lo, kind.hi, *(b + d for b in padded for d in (0, 1))}:
                if kind.lo <= x <= kind.hi:
                    code = base[c] + sum(
                        s for s, b in zip(signs[c], bounds[c], strict=True) if x > b
                    )
                    assert code == sum(x > b for b in padded)


def test_layers_of_a_residual_network() -> None:
    layers = count_layers(residual())
    convs = [layer.mac for layer in layers]
    assert [m.low_bit for m in convs] == [False, True, True, True, True, False]
    assert [m.depth for m in convs] == [27, 144, 144, 144, 288, 32]
    # stem: its requantization and the first table; a block's end: skip, PReLU and the next table
    assert [len(layer.quantizers) for layer in layers] == [1, 1, 1, 1, 0, 0]
    assert [o.kind for o in layers[2].others] == ["requantize", "add", "prelu"]
    assert layers[1].quantizers[0].attached and not layers[0].quantizers[0].attached


def test_sums_multiplied_up_at_edges() -> None:
    b = Builder(1, 6, 2, 4, False)
    y = b.add(SumPool, "x", kernel=(3, 3), stride=(2, 2), pads=(1, 1, 1, 1), counted=(0,) * 4)
    (layer,) = count_layers(finished(b, y))
    (pool,) = layer.others
    assert (pool.multiplier, pool.multiplies, pool.adds) == (4, 3 * 3 * 2, 3 * 3 * 2 * 8)


@pytest.mark.parametrize(
    ("bounds", "signs", "base", "shape"),
    [
        ([2, 5, 9], [1, 1, 1], 0, "rising"),
        ([2, 5, 99], [1, 1, -1], 0, "rising"),  # a step that never comes counts for nothing
        ([2, 99, 99], [1, -1, -1], 2, "rising"),
        ([2, 5, 9], [-1, -1, -1], 3, "monotone"),
        ([2, 99, 99], [-1, 1, 1], 1, "monotone"),
        ([2, 5, 9], [1, -1, 1], 0, "mixed"),
    ],
)
def test_forms_of_tables(bounds: list[int], signs: list[int], base: int, shape: str) -> None:
    b = Builder(0, 2, 1, 4, False)
    top = b.types["x"].hi
    table = b.add(
        Thresholds,
        "x",
        bounds=b.const(Constant.narrow(np.array([[min(v, top) for v in bounds]]))),
        signs=b.const(Constant.odd(np.array([signs]), 1)),
        base=b.const(Constant.narrow(np.array([base]))),
        bits=2,
    )
    program = b.finish(b.conv(table, 1, bits=2))
    assert count_thresholds(program, program.ops[0]).shape == shape
