"""Levels as small integers: what they are, how near, and what the program says of it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.backends.cost.compare import compare
from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import read_weight
from n2uqc.frontend.recognize.weight_levels import weight_levels
from n2uqc.frontend.summary import summarize
from n2uqc.passes import Options, compile_graph, load
from n2uqc.passes.checks.evaluate import reference
from n2uqc.passes.checks.network import hold
from n2uqc.passes.checks.prove import prove_tables
from n2uqc.passes.exact.levels import integer_levels
from n2uqc.passes.program import Conv, IntType, Lookup, Program
from n2uqc.passes.program.text import dump, parse
from tests.frontend.networks import build, images, ladder, node, run_onnx, rungs
from tests.frontend.rivals import RIVALS, apot_levels, network

METHODS = sorted(RIVALS)


def fractions(levels: np.ndarray) -> list[Fraction]:
    return [Fraction(float(v)) for v in levels]


@pytest.mark.parametrize(
    ("bits", "numbers"),
    [
        (2, (0, 1, 2, 4)),
        (3, (0, 1, 2, 3, 4, 6, 8, 10)),
        (4, (0, 1, 2, 3, 4, 6, 8, 9, 12, 16, 18, 24, 32, 33, 36, 48)),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 1.7, 3e-4])
def test_sums_of_powers_of_two_are_small(bits: int, numbers: tuple[int, ...], scale: float) -> None:
    """Levels computed by APoT's code in float32 are found up to the rounding of that code."""
    found = integer_levels(fractions(apot_levels(bits) * np.float32(scale)), 24)
    assert found.numbers == numbers
    assert found.miss <= Fraction(2.0**-22) * found.step * numbers[-1]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=16).map(lambda v: [0.0, *v]),
    st.integers(4, 26),
)
def test_any_levels(levels: list[float], bits: int) -> None:
    """Numbers fit the width, 0 is exact, and errors stay below those stated and those of
    rounding.
    """
    values = [Fraction(v) for v in levels]
    found = integer_levels(values, bits)
    signed = any(v < 0 for v in values)
    assert max(map(abs, found.numbers)) < 1 << max(bits - signed, 7)
    assert found.numbers[0] == 0
    off = [abs(v - n * found.step) for v, n in zip(values, found.numbers, strict=True)]
    assert max(off) == found.miss
    near = max(2.0**-21, 0.5 / ((1 << (bits - signed)) - 1))
    assert found.miss <= Fraction(near * (1 + 2.0**-40)) * max(map(abs, values))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-127, 127), min_size=2, max_size=9), st.floats(2**-10, 5, width=32))
def test_whole_numbers_are_exact(numbers: list[int], step: float) -> None:
    values = [n * Fraction(step) for n in numbers]
    found = integer_levels(values, 8)
    assert found.miss == 0
    assert [n * found.step for n in found.numbers] == values
    assert np.gcd.reduce(found.numbers) in (0, 1)


def convolutions(program: Program) -> list[Conv]:
    """Those behind quantizers: all but stem and head."""
    return [op for op in program.ops if isinstance(op, Conv)][1:-1]


def checked(model: onnx.ModelProto, options: Options, near: float) -> Program:
    """The program of a network, within its bounds of it and near what onnxruntime computes."""
    graph = load_graph(model)
    program = compile_graph(graph, options)
    x = images(model, 8)
    held = hold(reference(graph, options), program, x)
    assert not any(row.wrong for row in held.rows), held.rows
    assert not any(row.differing for row in held.rows[:-1])
    assert not [m for proof in prove_tables(graph, program) for m in proof.mismatches]
    assert dump(parse(dump(program))) == dump(program)
    want = run_onnx(model, x)
    assert np.abs(program(x) - want).max() <= near * want.std()
    return program


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bits", [2, 3, 4])
@pytest.mark.parametrize(("folded", "depthwise"), [(False, False), (True, True)])
def test_networks(method: str, bits: int, folded: bool, depthwise: bool) -> None:
    model = network(method, bits, bits, folded=folded, depthwise=depthwise, skip=depthwise)
    program = checked(model, Options(), 1e-3)
    found = compare(program)
    assert found.low_bit_macs == sum(
        m.macs for m in (layer.counts.mac for layer in found.layers) if m is not None
        and m.name in {op.output for op in convolutions(program)}
    )  # fmt: skip
    for op in convolutions(program):
        weight, x = program.constants[op.weight], program.types[op.inputs[0]]
        assert isinstance(x, IntType)
        width = op.levels or weight.bits
        assert width <= (bits + 1 if method in ("apot", "lcq") else bits)
        if method in ("lsq", "pact", "dorefa"):
            assert x.bits == bits and not program.types[op.output].error
        if method == "apot":
            assert x.hi <= 48 and weight.bits <= 5


@pytest.mark.parametrize("form", ["argmin", "gather"])
@pytest.mark.parametrize("method", ["apot", "lcq", "lqnets"])
def test_forms_of_a_table(method: str, form: str) -> None:
    program = checked(network(method, 3, 1, form=form), Options(), 1e-3)
    assert sum(isinstance(op, Lookup) for op in program.ops) == 2


@pytest.mark.parametrize("bits", [5, 8, 13])
def test_a_chosen_width_holds(bits: int) -> None:
    """Codes differ from the network's, but only within the proven bound."""
    model = network("lcq", 3, 4)
    graph, options = load_graph(model), Options(level_bits=bits)
    program = compile_graph(graph, options)
    held = hold(reference(graph, options), program, images(model, 8))
    assert not any(row.wrong for row in held.rows)
    assert not [m for proof in prove_tables(graph, program) for m in proof.mismatches]
    for op in convolutions(program):
        kind = program.types[op.inputs[0]]
        assert isinstance(kind, IntType) and kind.bits <= max(bits, 7) and kind.error
        assert program.constants[op.weight].bits <= max(bits, 8)
    assert Options.from_facts(program.metadata).level_bits == bits


def test_a_bound_that_lies_is_found() -> None:
    """Weights rounded more coarsely than the program says."""
    model = network("lcq", 3, 4)
    graph = load_graph(model)
    coarse = compile_graph(graph, Options(level_bits=5))
    types = {
        name: kind if not isinstance(kind, IntType) or not name.endswith(".acc")
        else IntType(kind.shape, kind.bits, kind.signed, kind.lo, kind.hi, kind.scale)
        for name, kind in coarse.types.items()
    }  # fmt: skip
    lying = Program(**{**vars(coarse), "types": types})
    assert any(row.wrong for row in hold(reference(graph, Options()), lying, images(model, 8)).rows)


def test_through_load(tmp_path) -> None:
    path = tmp_path / "net.onnx"
    model = network("lqnets", 4, 3)
    onnx.save(model, path)
    program, x = load(path), images(model, 16)
    want = run_onnx(model, x)
    assert np.abs(program(x) - want).max() <= 1e-3 * want.std()


@pytest.mark.parametrize("pads", [0, 1])
def test_a_zero_point_that_is_no_code(pads: int) -> None:
    """LSQ+: (code + z) * s with z no integer; where zeros stand around the map, levels hold it."""
    model = network("lsq", 2, 0)
    for made in model.graph.node:
        if made.op_type == "Mul":  # q = k * s + 0.3
            made.output[0] += "_even"
    extra = [
        onnx.helper.make_node("Add", [f"q{k}_even", "beta"], [f"q{k}"], f"plus{k}")
        for k in range(2)
    ]
    order = []
    for made in model.graph.node:
        if made.op_type == "Conv" and made.name != "stem":
            made.attribute[0].ints[:] = [pads] * 4
        order.append(made)
        order += [e for e in extra if e.input[0] == made.output[0]]
    del model.graph.node[:]
    model.graph.node.extend(order)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(0.3), "beta"))
    program = checked(model, Options(), 1e-3)
    found = [op for op in program.ops if isinstance(op, Lookup)]
    assert len(found) == (2 if pads else 0)


def test_inspect_shows_low_bits_and_levels() -> None:
    graph = load_graph(network("lcq", 2, 0))
    found = summarize(graph)
    layers = [layer for layer in found.layers if layer.activation_bits and layer.weights]
    assert [(layer.weight_bits, layer.activation_bits) for layer in layers] == [(2, 2)] * 2
    assert all(layer.becomes == "integer" and "uneven levels" in layer.why for layer in layers)
    book, folded = (summarize(load_graph(network("lqnets", 2, 0, folded=f))) for f in (False, True))
    assert [len(layer.weight_levels) for layer in book.layers if layer.weight_levels] == [8, 8]
    assert [q.kind for q in folded.quantizers] == ["codebook"] * 2


@pytest.mark.parametrize("kind", ["normal", "pruned", "half"])
def test_real_weights_are_no_levels(kind: str) -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(16, 8, 3, 3)).astype(np.float32)
    if kind == "pruned":
        weights[rng.random(weights.shape) < 0.9] = 0
    if kind == "half":
        weights = weights.astype(np.float16).astype(np.float32)
    assert weight_levels(weights) is None
    assert weight_levels(weights[:, :1]) is None  # depthwise


@pytest.mark.parametrize("scaled", [False, True])
def test_recovered_levels(scaled: bool) -> None:
    """Every level, and which weight has which, with the noise of (q - w) + w."""
    rng = np.random.default_rng(1)
    levels = np.float32([-0.71, -0.2, 0.0, 0.33, 0.9])
    codes = rng.integers(0, 5, (6, 4, 3, 3))
    weights = levels[codes]
    if scaled:
        weights = weights * rng.uniform(0.5, 2, (6, 1, 1, 1)).astype(np.float32)
    latent = weights + rng.uniform(-0.1, 0.1, weights.shape).astype(np.float32)
    noisy = (weights - latent) + latent
    noisy[weights == 0] = 0
    found = weight_levels(noisy)
    assert found is not None and found.bits == 3 and found.levels is not None
    np.testing.assert_array_equal(found.codes, codes)
    assert len(found.levels) == (6 if scaled else 1)
    np.testing.assert_allclose(found.values(), weights, rtol=1e-6)


def test_levels_near_a_grid_stay_levels() -> None:
    """2e-4 of a step away from -1, 0, 1, 3: too far for folding's noise."""
    rng = np.random.default_rng(2)
    levels = np.float32([-1.00012, 0.0, 1.0, 3.0003]) * np.float32(0.117)
    weights = levels[rng.integers(0, 4, (8, 8, 3, 3))]
    parameters = rungs([0.5, 1, 1.5], [0, 1, 2, 3]) | {"W": weights}
    model = build(ladder(3) + "[c] y = Conv (f, W)", parameters, "float[N,8,4,4] x")
    weight = read_weight(node(load_graph(model), "Weight"))
    assert weight.levels is not None
    np.testing.assert_array_equal(weight.values().astype(np.float32), weights)
