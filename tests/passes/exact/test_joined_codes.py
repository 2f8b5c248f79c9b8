"""Codes of several quantizers, joined: quantized again, or read by a layer as they are."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.frontend.load import load_graph
from n2uqc.passes import Options, compile_graph
from n2uqc.passes.checks.evaluate import reference
from n2uqc.passes.checks.network import hold
from n2uqc.passes.checks.prove import prove_tables
from n2uqc.passes.exact.levels import joint_levels
from n2uqc.passes.program import Conv, IntType, Program
from tests.frontend.networks import build, check_same, images, run_onnx

Grid = tuple[float, int]
"""Scale and zero point of codes."""

GRIDS: dict[str, list[Grid]] = {
    "of one scale": [(0.02, 120), (0.02, 120)],
    "of a power of two": [(0.02, 120), (0.01, 120)],
    "of other zero points": [(0.02, 120), (0.02, 90)],
    "of any scale": [(0.02, 120), (0.0137, 90)],
    "three": [(0.02, 0), (0.0137, 90), (0.031, 128)],
}
BETWEEN = {
    "nothing": ("", "c", "conv"),
    "a pool": ("u = MaxPool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]> (c)",
               "u", "conv"),
    "a shuffle": ("t = Transpose <perm = [0, 1, 3, 2]> (c) "
                  "u = Slice (t, starts, ends, axes, steps)", "u", "conv"),
    "zeros": ("u = Pad (c, around)", "u", "conv"),
    "a flattening": ("u = Flatten (c)", "u", "dense"),
}  # fmt: skip


class Network:
    """A network of layers whose outputs are quantized by QuantizeLinear, and joined."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(5)
        self.parameters: dict[str, Any] = {
            "starts": np.array([6]), "ends": np.array([-9]), "axes": np.array([3]),
            "steps": np.array([-2]), "around": np.array([0, 0, 1, 0, 0, 0, 0, 2]),
        }  # fmt: skip
        self.body: list[str] = []

    def quantized(self, x: str, grid: Grid) -> str:
        scale, zero = grid
        self.parameters |= {f"{x}.s": np.float32(scale), f"{x}.z": np.uint8(zero)}
        self.body += [
            f"{x}.k = QuantizeLinear ({x}, {x}.s, {x}.z)",
            f"{x}.q = DequantizeLinear ({x}.k, {x}.s, {x}.z)",
        ]
        return f"{x}.q"

    def weight(self, name: str, shape: tuple[int, ...]) -> str:
        spread = np.float32(1.2 / np.sqrt(np.prod(shape[1:])))
        self.parameters[f"{name}.k"] = self.rng.integers(-100, 101, shape).astype(np.int8)
        self.parameters[f"{name}.s"] = np.float32(spread / 58)
        self.body += [f"{name} = DequantizeLinear ({name}.k, {name}.s)"]
        return name

    def joined(self, grids: list[Grid], mean: str = "") -> str:
        x = self.quantized("x", (0.03, 128))
        parts = []
        for k, grid in enumerate(grids):
            weight = self.weight(f"w{k}", (3 + k, 3, 3, 3))
            self.body += [f"p{k} = Conv <pads = [1, 1, 1, 1]> ({x}, {weight})"]
            parts.append(self.quantized(f"p{k}", grid))
        self.body += [f"c = Concat <axis = 1> ({', '.join(parts)})", mean]
        return "c"

    def model(self, last: str) -> onnx.ModelProto:
        self.body += [f"y = Relu ({last})"]
        names = {
            name: name.replace(".", "_")
            for name in sorted({*self.parameters, *(line.split(" ")[0] for line in self.body)})
        }
        body = " ".join(self.body)
        for name, plain in names.items():
            body = body.replace(name, plain) if "." in name else body
        parameters = {names[name]: value for name, value in self.parameters.items()}
        return build(body, parameters, x="float[N,3,8,8] x")


def channels(grids: list[Grid]) -> int:
    return sum(3 + k for k in range(len(grids)))


def checked(model: onnx.ModelProto, step: float) -> Program:
    """The program, proved, and within its bounds of the network; ONNX Runtime's codes are near."""
    graph = load_graph(model)
    program = compile_graph(graph)
    x = images(model, 4)
    held = hold(reference(graph, Options()), program, x)
    assert not any(row.wrong or row.differing for row in held.rows), held.rows
    proofs = prove_tables(graph, program)
    assert proofs and not [m for proof in proofs for m in proof.mismatches]
    off = np.abs(program(x) - run_onnx(model, x))
    assert off.max() < 1.1 * step and (off > step / 2).mean() < 0.01
    return program


def read_bits(program: Program) -> list[int]:
    """Bits of what each layer reads; every weight must be its code."""
    layers = [op for op in program.ops if isinstance(op, Conv)]
    assert all(program.constants[op.weight].bits <= 8 for op in layers)
    return [program.int_type(op.inputs[0]).bits for op in layers]


@pytest.mark.parametrize(
    ("grids", "between"),
    [*((grids, "nothing") for grids in GRIDS),
     *((grids, between) for grids in ("of one scale", "of any scale") for between in BETWEEN
       if between != "nothing")],
)  # fmt: skip
def test_read_by_a_layer(grids: str, between: str) -> None:
    network, given = Network(), GRIDS[grids]
    last = network.joined(given)
    text, last, kind = BETWEEN[between]
    network.body += [text]
    count = channels(given)
    if kind == "dense":
        weight = network.weight("w", (64 * count, 4))
        network.body += [f"d = MatMul ({last}, {weight})"]
    else:
        weight = network.weight("w", (4, count, 3, 3))
        network.body += [f"d = Conv <pads = [1, 1, 1, 1]> ({last}, {weight})"]
    program = checked(network.model(network.quantized("d", (0.02, 100))), 0.02)
    *_, bits = read_bits(program)
    last_conv = [op for op in program.ops if isinstance(op, Conv)][-1]
    codes = program.int_type(last_conv.inputs[0])
    if grids in ("of one scale", "of a power of two", "of other zero points"):
        assert bits <= 10 and not codes.error
    assert bits <= 20
    assert codes.error * 2**20 < max(scale for scale, _ in given) * 255


@pytest.mark.parametrize(
    ("grids", "mean"),
    [("of one scale", ""), ("of any scale", ""), ("of any scale", "a row a channel"),
     ("three", "a row a channel")],
)  # fmt: skip
def test_quantized_again(grids: str, mean: str) -> None:
    network, given = Network(), GRIDS[grids]
    last, count = network.joined(given), channels(given)
    if mean:
        network.parameters |= {
            "slope": network.rng.uniform(0.5, 2, (1, count, 1, 1)),
            "shift": network.rng.normal(0, 0.4, (count, 1, 1)),
        }
        network.body += [f"m = Mul ({last}, slope)", "n = Sub (m, shift)", "r = Relu (n)"]
        last = "r"
    last = network.quantized(last, (0.0171, 0 if mean else 101))
    weight = network.weight("w", (4, count, 3, 3))
    network.body += [f"d = Conv <pads = [1, 1, 1, 1]> ({last}, {weight})"]
    model = network.model(network.quantized("d", (0.02, 100)))
    program = checked(model, 0.02)
    assert read_bits(program) == [8] * (len(given) + 1)
    assert not any(t.error for t in types_between(program)), "nothing is rounded"


def types_between(program: Program) -> list[IntType]:
    """Types of all tensors from the first quantizer to the last."""
    ends = {*program.inputs, *program.outputs}
    found = [program.int_type(op.output) for op in program.ops if op.output not in ends]
    return found[: -1 if "offset" in program.ops[-2].output else None]


def test_joins_of_joins_and_several_readers() -> None:
    """A dense block whose stream is codes: each layer quantizes all before it by its own grid."""
    network, count = Network(), 7
    stream = network.joined(GRIDS["of any scale"])
    for k in range(3):
        network.body += [f"s{k} = Identity ({stream})"]
        last = network.quantized(f"s{k}", (0.015 + 0.003 * k, 99 + k))
        weight = network.weight(f"v{k}", (2, count, 1, 1))
        network.body += [f"e{k} = Conv ({last}, {weight})"]
        part = network.quantized(f"e{k}", (0.01 + 0.002 * k, 110))
        network.body += [f"g{k} = Concat <axis = 1> ({stream}, {part})"]
        stream, count = f"g{k}", count + 2
    weight = network.weight("w", (4, count, 1, 1))
    network.body += [f"d = Conv ({stream}, {weight})"]
    model = network.model(network.quantized("d", (0.02, 100)))
    program = checked(model, 0.02)
    assert read_bits(program)[:-1] == [8] * 5


@pytest.mark.slow
def test_a_long_chain_behind_a_join() -> None:
    network = Network()
    last = network.joined(GRIDS["of any scale"])
    for k in range(600):
        network.body += [f"u{k} = MaxPool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> ({last})"]
        last = f"u{k}"
    weight = network.weight("w", (4, 7, 1, 1))
    network.body += [f"d = Conv ({last}, {weight})"]
    program = compile_graph(load_graph(network.model(network.quantized("d", (0.02, 100)))))
    assert read_bits(program)[-1] <= 20


def test_a_join_that_is_also_real() -> None:
    """What a sum reads keeps its fixed point; the layer beside it reads codes."""
    network = Network()
    last = network.joined(GRIDS["of any scale"])
    weight = network.weight("w", (7, 7, 1, 1))
    network.body += [f"d = Conv ({last}, {weight})"]
    part = network.quantized("d", (0.02, 100))
    network.body += [f"z = Add ({part}, {last})"]
    model = network.model("z")
    graph = load_graph(model)
    program = compile_graph(graph)
    held = hold(reference(graph, Options()), program, images(model, 4))
    assert not any(row.wrong or row.differing for row in held.rows), held.rows
    assert max(read_bits(program)) <= 20


@pytest.mark.parametrize("grids", ["of other zero points", "three"])
def test_the_graph_means_the_same(grids: str) -> None:
    network = Network()
    last = network.quantized(network.joined(GRIDS[grids]), (0.05, 101))
    check_same(network.model(last))


GRID = st.tuples(st.floats(2.0**-10, 8, width=32), st.integers(0, 255))


@settings(max_examples=60, deadline=None)
@given(st.lists(GRID, min_size=1, max_size=4), st.integers(9, 26))
def test_joint_levels(grids: list[tuple[float, int]], bits: int) -> None:
    """Levels fit the width, and are off by no more than stated and than rounding needs."""
    rows = [[Fraction(s) * (k - z) for k in range(256)] for s, z in grids]
    found = joint_levels(rows, bits)
    most = max(abs(v) for row in rows for v in row)
    for row, levels in zip(rows, found, strict=True):
        assert levels.step == found[0].step
        miss = max(abs(v - n * levels.step) for v, n in zip(row, levels.numbers, strict=True))
        assert miss == levels.miss <= max(levels.step / 2, most / 2**20)
        assert max(map(abs, levels.numbers)) < 2**bits
        assert min(levels.numbers) >= 0 or max(map(abs, levels.numbers)) < 2 ** (bits - 1)


@pytest.mark.parametrize("ratio", [Fraction(1, 2), Fraction(3, 4), Fraction(5, 7), Fraction(1)])
def test_steps_of_a_common_measure_are_exact(ratio: Fraction) -> None:
    first = Fraction(float(np.float32(0.0137))) * 35
    rows = [[first * k for k in range(16)], [first * ratio * (k - 8) for k in range(16)]]
    for row, levels in zip(rows, joint_levels(rows, 24), strict=True):
        assert levels.miss == 0
        assert [n * levels.step for n in levels.numbers] == row
        assert max(map(abs, levels.numbers)) <= 15 * 7
