"""A program held against its network: right ones pass, every changed number is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.reference import evaluate
from n2uqc.models.shipped import path
from n2uqc.passes import Options, compile_graph
from n2uqc.passes.checks import network
from n2uqc.passes.checks.draw import as_images, drawn
from n2uqc.passes.checks.evaluate import reference
from n2uqc.passes.checks.network import Holder, NetworkComparison, hold
from n2uqc.passes.checks.relation import Unrelated, outward
from n2uqc.passes.fixed_point.calibrate import as_maps
from n2uqc.passes.pixels import Pixels
from n2uqc.passes.program import Clamp, Constant, IllegalOp, Program, quantize_inputs
from n2uqc.passes.program.interpreter import steps
from n2uqc.passes.program.ops.real import RealConv

from ...properties.builder import NetworkBuilder
from ...properties.networks import networks


def held(
    model: ir.Model, program: Program, options: Options | None = None, samples: int = 12
) -> NetworkComparison:
    images = as_images(program, drawn(program, samples, 3), 3)
    return hold(reference(model, options or Options()), program, images)


def faults(found: NetworkComparison) -> list[object]:
    return [fault for row in found.rows for fault in row.faults]


def test_large_maps_are_compared_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is that of one image then, and the result is the same."""
    b = NetworkBuilder(4, 2, 5)
    y = b.batchnorm(b.conv("x", 4, bits=None))
    model = b.model(b.conv(b.quantize(y, 2), 3, bits=2))
    program, pieces, whole = compile_graph(model), [], network.Holder._chunk

    def chunk(self, integers, maps, start: int) -> int:
        pieces.append(len(maps["x"]))
        return whole(self, integers, maps, start)

    monkeypatch.setattr(network.Holder, "_chunk", chunk)
    monkeypatch.setattr(network, "CHUNK", 8)
    together = held(model, program)
    monkeypatch.setattr(network, "_TOGETHER", 3 * 4 * 5 * 5)
    apart = held(model, program)
    assert pieces == [8, 4, 3, 3, 3, 3]
    assert [(row.values, row.differing, row.wrong) for row in apart.rows] == [
        (row.values, row.differing, row.wrong) for row in together.rows
    ]
    np.testing.assert_allclose(apart.output.share, together.output.share, rtol=1e-9)


@settings(max_examples=20, deadline=None)
@given(networks())
def test_random_networks_hold(case) -> None:
    model, _ = case
    assert not faults(held(model, compile_graph(model)))


@settings(max_examples=20, deadline=None)
@given(networks(far=1000.0))
def test_random_networks_of_odd_ranges_and_clamps_hold(case) -> None:
    model, images = case
    program = compile_graph(model)
    found = held(model, program)
    assert not faults(found)
    # The reference is itself what ONNX's own evaluator makes of the canonical graph.
    real = reference(model, Options())
    exact = next(v for name, v in steps(real, images.transpose(0, 2, 3, 1)) if name == real.output)
    if not any(row.open for row in found.rows):
        want = evaluate(model, images)
        np.testing.assert_allclose(
            outward(real.interface.output, exact).reshape(want.shape), want, 1e-9, 1e-9
        )


def small() -> tuple[ir.Model, Program]:
    """A network with a clamp of both sides, quantizers, a codebook, a skip and a real layer."""
    b = NetworkBuilder(4, 2, 5)
    y = b.batchnorm(b.conv("x", 4, bits=None))
    bounds = [b.array(np.array(v, np.float32)) for v in (0, 6)]
    skip = b.node("Clip", [y, *bounds], b.shape[y])
    y = b.batchnorm(b.conv(b.quantize(skip, 2), 4, bits=2), 3.0)
    y = b.add(y, b.batchnorm(b.conv(b.codebook(y, 2), 4, bits=2)))
    y = b.conv(b.bias(b.prelu(b.add(y, skip))), 3, bits=None)
    model = b.model(b.node("GlobalAveragePool", [y], (3, 1, 1)))
    return model, compile_graph(model)


@pytest.fixture(scope="module")
def digits() -> tuple[ir.Model, Program]:
    model = load_graph(path("digits_2bit"))
    return model, compile_graph(model)


def changed(program: Program, name: str, rng: np.random.Generator) -> Program:
    """Every number of a constant off by an eighth and at least by one step, in its encoding.

    A bias is doubled: an eighth of it may lie within the error of what it is added to.
    """
    constant = program.constants[name]
    values = constant.values
    off = np.maximum(np.abs(values) // 8, 1) * rng.choice([-1, 1], values.shape)
    off = values if name.endswith("bias") else off
    if constant.encoding == "odd":
        values = np.where(rng.integers(2, size=values.shape), -values, values)
    else:
        values = np.abs(values + off) if "shift" in name else values + off
        values = np.clip(values, -(2**31) + 1, 2**31 - 1) if "multiplier" in name else values
        values = np.sort(values, axis=1) if name.endswith("bounds") else values
    made = Constant.odd(values, constant.bits)
    made = made if constant.encoding == "odd" else Constant.narrow(values)
    return typed_anew(replace(program, constants={**program.constants, name: made}))


def typed_anew(program: Program) -> Program:
    """The same operations with the ranges that they reach now; what they claim stays."""
    types = {program.input: program.types[program.input]}
    for op in program.ops:
        old = program.types[op.output]
        new = op.infer(types, program.constants)
        types[op.output] = replace(new, scale=old.scale, error=old.error)
    return replace(program, types=types)


def test_every_constant_counts() -> None:
    model, program = small()
    assert not faults(held(model, program))
    rng = np.random.default_rng(5)
    unnoticed = []
    for name, constant in program.constants.items():
        if not constant.values.any():
            continue
        try:
            wrong = changed(program, name, rng)
        except IllegalOp:
            continue  # nobody can run it
        if not faults(held(model, wrong, samples=16)):
            unnoticed.append(name)
    assert not unnoticed


@pytest.mark.parametrize(
    "change",
    [
        lambda op: replace(op, lo=op.lo + 1 + (op.hi - op.lo) // 1000),
        lambda op: replace(op, hi=op.hi - 1 - (op.hi - op.lo) // 1000),
    ],
)
def test_the_bounds_of_a_clamp_count(change: Callable[[Clamp], Clamp]) -> None:
    model, program = small()
    ops = tuple(change(op) if isinstance(op, Clamp) else op for op in program.ops)
    found = held(model, typed_anew(replace(program, ops=ops)))
    assert ops != program.ops and faults(found)


def test_codes_may_differ_only_within_the_error(digits) -> None:
    """Tables off by what the types state of their input are within the bound, ten times are not."""
    model, program = digits
    name = "layer2.0.quan1.bounds"
    kind = program.types["layer1.0.bias31"]
    unit = int(kind.error / kind.scale)

    def moved(by: int) -> list[object]:
        values = Constant.narrow(program.constants[name].values + by)
        return faults(held(model, replace(program, constants={**program.constants, name: values})))

    assert unit > 2 and not moved(unit // 2) and moved(2_000_000)


def test_few_codes_are_undecided(digits) -> None:
    """None where the accumulator is exact; behind coarse fixed point some, few of which differ."""
    model, program = digits
    balanced = compile_graph(model, options=Options.preset("balanced"))
    found = held(model, balanced, Options.preset("balanced"))
    for row in (*held(model, program).codes, *found.codes):
        assert row.differing <= row.open <= row.values * (0.02 if row.bound else 0), row.tensor
    assert any(row.open for row in found.codes)


def test_images_and_pixels_and_other_networks(digits) -> None:
    model, program = digits
    images = as_images(program, integers := drawn(program, 20, 1), 1)
    np.testing.assert_equal(quantize_inputs(program, images), integers)
    options = Options(pixels=Pixels(scale=1 / 16, mean=(0.3,), std=(0.5,)))
    assert not faults(held(model, compile_graph(model, options), options))
    with pytest.raises(Unrelated, match="shapes of inputs and outputs"):
        hold(reference(small()[0], Options()), program, images)


def test_fitted_ranges_are_left_with_a_word(digits) -> None:
    model, _ = digits
    image = np.zeros((1, 1, 8, 8))
    image[..., 3, 3] = 1
    options = Options(calibration=image, margin=1.0)
    found = held(model, compile_graph(model, options), options)
    assert found.left and not faults(found)
    wide = replace(options, margin=4.0)
    inside = hold(reference(model, wide), compile_graph(model, wide), image)
    assert not inside.left and not faults(inside)
    assert all(row.values for row in inside.rows)


def test_the_network_in_float64_states_its_own_error() -> None:
    """Sums are rounded there, too; what is compared may be off by as much."""
    model, program = small()
    holder = Holder(reference(model, Options()), program)
    maps = as_maps(holder.real, as_images(program, drawn(program, 2, 3), 3))
    seen = {name: reach for name, _, reach, _ in holder._network(maps, {})}
    sums = [op.output for op in holder.real.ops if isinstance(op, RealConv)]
    once = {name: reach.most * 2.0**-51 for name, reach in seen.items()}  # of rounding one number
    assert sums and all((seen[name].error > 2 * once[name]).any() for name in sums)
