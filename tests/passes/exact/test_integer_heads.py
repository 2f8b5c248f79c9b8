"""ArgMax, ArgMin and TopK in integers: against ONNX Runtime where many values are equal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from onnx import helper

from n2uqc.frontend.load import load_graph
from n2uqc.passes import Options, compile_graph
from n2uqc.passes.checks.draw import as_images, drawn
from n2uqc.passes.checks.evaluate import deviation, reference
from n2uqc.passes.checks.heads import Unrelated, scored
from n2uqc.passes.checks.network import hold
from n2uqc.passes.checks.recompile import differences, recompiled
from n2uqc.passes.exact.integer_heads import HeadBuilder
from n2uqc.passes.program import (
    Constant,
    Program,
    Requantize,
    dump,
    parse,
    real_outputs,
    run,
)

from ...frontend.networks import build
from ...properties.heads import headed, lowered, programs_with_heads, with_head
from ...properties.programs import Builder
from ...properties.test_program import interpreter_equals_spec

RNG = np.random.default_rng(8)

CASES = {
    "channels": ("y = ArgMax <axis = 1> (c)", "int64[] y", (7, 3, 2), 0),
    "the last of equals": (
        "y = ArgMax <axis = 1, keepdims = 0, select_last_index = 1> (c)",
        "int64[] y", (21, 2, 3), 0,
    ),
    "the least": ("y = ArgMin <axis = -3, keepdims = 0> (c)", "int64[] y", (19, 2, 2), 0),
    "rows": ("y = ArgMax <axis = 2, keepdims = 0> (c)", "int64[] y", (3, 5, 2), 0),
    "columns": ("y = ArgMin <axis = 3, select_last_index = 1> (c)", "int64[] y", (3, 2, 11), 0),
    "features": ("f = Flatten (c) y = ArgMax <axis = 1> (f)", "int64[] y", (10, 1, 1), 0),
    "a number of features without small divisors": (
        "f = Flatten (c) y = ArgMax <axis = -1, keepdims = 0> (f)", "int64[] y", (37, 1, 1), 0,
    ),
    "one of one": ("y = ArgMax <axis = 1> (c)", "int64[] y", (1, 2, 2), 0),
    "pixels of a map": (
        "f = Flatten <axis = 1> (c) y = ArgMax <axis = 1> (f)", "int64[] y", (3, 2, 4), 0,
    ),
    "the last axis after a transpose": (
        "t = Transpose <perm = [0, 2, 3, 1]> (c) y, z = TopK <axis = -1> (t, k)",
        "float[] y, int64[] z", (6, 3, 2), 3,
    ),
    "the greatest": ("y, z = TopK <axis = 1> (c, k)", "float[] y, int64[] z", (12, 2, 3), 4),
    "all of them, the least first": (
        "f = Flatten (c) y, z = TopK <largest = 0> (f, k)", "float[] y, int64[] z", (5, 1, 1), 5,
    ),
    "indices alone, behind a softmax": (
        "f = Flatten (c) s = Softmax <axis = -1> (f) v, y = TopK (s, k)", "int64[] y", (9, 1, 1), 2,
    ),
    "indices as other numbers": (
        "y = ArgMax <axis = 1> (c) z = Cast <to = 6> (y)", "int64[] y, int32[] z", (4, 2, 2), 0,
    ),
    "beside the values": (
        "y = ArgMax <axis = 1> (c) z = Softmax <axis = 1> (c)",
        "float[] c, int64[] y, float[] z", (4, 2, 2), 0,
    ),
}  # fmt: skip


def exported(name: str) -> onnx.ModelProto:
    """A network that doubles small integers, behind which are many ties."""
    body, y, (c, h, w), k = CASES[name]
    weight = 2 * np.eye(c, dtype=np.float32).reshape(c, c, 1, 1)
    more = {"k": np.array([k], np.int64)} if k else {}
    x = f"float[N,{c},{h},{w}] x"
    return build(f"c = Conv (x, V) {body}", {"V": weight, **more}, x=x, y=y)


@pytest.mark.parametrize("name", CASES)
def test_ties_are_those_of_onnxruntime(name: str) -> None:
    model, shape = exported(name), CASES[name][2]
    graph = load_graph(model)
    program = compile_graph(graph)
    x = RNG.integers(-2, 2, (24, *shape)).astype(np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    got = program({"x": x})
    for each, want in zip(names, session.run(names, {"x": x}), strict=True):
        assert got[each].dtype.kind == want.dtype.kind and got[each].shape == want.shape
        if want.dtype.kind == "i":
            np.testing.assert_array_equal(got[each], want)
        else:
            np.testing.assert_allclose(got[each], want, rtol=1e-6)
    assert program.host is None or set(program.host.operators) <= {"Cast", "Softmax"}
    assert dump(parse(dump(program))) == dump(program)
    assert any("indices are exact in the integers of" in note for note in program.notes)
    real = reference(graph, Options())
    held = hold(real, program, as_images(program, drawn(program, 9, 0), 0))
    rows = {row.what: row for row in held.rows}
    assert rows["indices"].values and not any(row.wrong for row in held.rows)
    assert deviation(real, program, {"x": x}).top1 == len(x)
    assert list(differences(program, recompiled(graph, program))) == []


@settings(max_examples=60, deadline=None)
@given(headed())
def test_the_host_gives_the_same(case) -> None:
    """A program that computes its head, against ONNX's reference behind the same integers."""
    before, x = case
    program = lowered(before)
    assert program.host is None
    want, got = (real_outputs(p, run(p, {"x": x})) for p in (before, program))
    assert list(got) == list(want)
    for name in want:
        assert got[name].dtype == want[name].dtype
        np.testing.assert_array_equal(got[name], want[name])


@settings(max_examples=10, deadline=None)
@given(programs_with_heads())
def test_its_operations_follow_the_specification(case) -> None:
    interpreter_equals_spec(case)


def columns(bits: int, channels: int = 3) -> Program:
    b = Builder(0, 2, channels, bits, signed=True)
    return b.finish(b.requantize("x", 24))


def test_a_wrong_index_is_found() -> None:
    graph = load_graph(exported("channels"))
    program = compile_graph(graph)
    last = program.producer(program.output)
    assert isinstance(last, Requantize)
    changed = {**program.constants, last.bias: Constant.narrow([5])}
    wrong = replace(program, constants=changed)
    held = hold(reference(graph, Options()), wrong, as_images(program, drawn(program, 9, 0), 0))
    assert sum(row.wrong for row in held.rows if row.what == "indices") > 0


def test_another_networks_scores_are_refused() -> None:
    graph = load_graph(exported("channels"))
    program = compile_graph(graph)
    other = replace(program, metadata={**program.metadata, "scores": "c,x"})
    with pytest.raises(Unrelated, match="c,x"):
        scored(other, reference(graph, Options()))


def test_what_cannot_be_stays_on_the_host_and_says_why() -> None:
    many = load_graph(build(
        "c = Conv (x, V) y, z = TopK <axis = 2> (c, k)",
        {"V": np.ones((1, 1, 1, 1), np.float32), "k": np.array([17], np.int64)},
        x="float[N,1,20,1] x", y="float[] y, int64[] z",
    ))  # fmt: skip
    behind = load_graph(build(
        "c = Conv (x, V) e = Exp (c) y = ArgMax <axis = 1> (e)",
        {"V": np.ones((2, 1, 1, 1), np.float32)}, x="float[N,1,2,2] x", y="int64[] y",
    ))  # fmt: skip
    for graph, operator, reason in (
        (many, "TopK", "it takes 17 of 20 elements"),
        (behind, "ArgMax", "it reads what Exp computes there"),
    ):
        program = compile_graph(graph)
        assert program.host is not None and operator in program.host.operators
        assert reason in program.notes[-1]


def test_values_of_several_scales_and_keys_beyond_64_bits_stay_too() -> None:
    node = helper.make_node("ArgMax", ["y"], ["i"], axis=1)
    program = with_head(columns(20), node)
    wide = {**program.types, program.output: replace(program.int_type(program.output), bits=57)}
    none = {**program.types, program.output: replace(program.int_type(program.output), scale=None)}
    for types, reason in ((wide, "need more than 58"), (none, "differs by channel")):
        found = lowered(replace(program, types=types, plan=None))
        assert found.host is not None and reason in found.notes[-1]


def test_a_part_of_a_tensor_from_any_place_on() -> None:
    b = Builder(0, 3, 4, 5, True)
    program = b.finish(b.thresholds("x", 2))
    whole = np.arange(36).reshape(3, 3, 4)
    x = b.input(10)
    for part in (whole[1:, 2:, 1:], whole[::2, :, ::3], whole[::-1], whole[:, :, 2:3]):
        builder = HeadBuilder(program)
        name = builder._moved("x", part)
        (op,) = builder.ops
        assert op.output == name and builder.types[name].shape == part.shape
        got = op.execute([x], builder.constants.all)
        np.testing.assert_array_equal(got, x.reshape(len(x), -1)[:, part])
    builder = HeadBuilder(program)
    assert builder._moved("x", whole) == "x" and not builder.ops
