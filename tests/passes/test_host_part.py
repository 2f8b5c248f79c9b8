"""Heads on the host: the network's outputs behind the program's, against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.host_model import HostModel, HostModelError
from n2uqc.frontend.host_part import HOST
from n2uqc.frontend.load import load_graph
from n2uqc.frontend.summary import summarize
from n2uqc.passes import compile_graph
from n2uqc.passes.program import dump, load, parse, result_names, run, save

from ..frontend.networks import build, images, run_onnx

RNG = np.random.default_rng(5)
W = RNG.normal(0, 0.5, (6, 2, 3, 3)).astype(np.float32)
GRID = RNG.normal(0, 1, (1, 2, 2, 2, 2)).astype(np.float32)
TRUNK = "r = Relu (x) c = Conv <pads = [1,1,1,1]> (r, W) "
FLAT = TRUNK + "p = GlobalAveragePool (c) f = Flatten (p) "

HEADS = {
    "softmax": (FLAT + "y = Softmax (f)", "float[] y", {}),
    "sigmoid of a map": (TRUNK + "y = Sigmoid (c)", "float[] y", {}),
    "log softmax along channels": (TRUNK + "y = LogSoftmax <axis = 1> (c)", "float[] y", {}),
    "argmax of channels": (TRUNK + "y = ArgMax <axis = 1, keepdims = 0> (c)", "int64[] y", {}),
    "argmax behind softmax": (FLAT + "s = Softmax (f) y = ArgMax <axis = 1> (s)", "int64[] y", {}),
    "the last of equals": (
        TRUNK + "y = ArgMax <axis = -3, select_last_index = 1> (c)", "int64[] y", {},
    ),
    "top 3": (
        FLAT + "y, z = TopK (f, k)", "float[] y, int64[] z", {"k": np.array([3], np.int64)},
    ),
    "inner and both": (
        FLAT + "y = Softmax (f) z = Sigmoid (c)", "float[] y, float[] z, float[] f", {},
    ),
    "decoded boxes": (
        "r = Relu (x) c = Conv <pads = [1,1,1,1], strides = [2,2]> (r, W) "
        "v = Reshape (c, five) t = Transpose <perm = [0, 1, 3, 4, 2]> (v) s = Sigmoid (t) "
        "a, b = Split <axis = 4> (s, parts) m = Mul (a, two) g = Add (m, grid) e = Exp (b) "
        "d = Concat <axis = 4> (g, e) y = Reshape (d, three)",
        "float[] y",
        {
            "five": np.array([-1, 2, 3, 2, 2], np.int64),
            "three": np.array([0, -1, 3], np.int64),
            "parts": np.array([2, 1], np.int64),
            "two": np.array(2.0, np.float32),
            "grid": GRID,
        },
    ),
    "scores of all boxes": (
        "r = Relu (x) c = Conv <pads = [1,1,1,1]> (r, W) n = Shape <start = 0, end = 1> (x) "
        "t = Transpose <perm = [0, 2, 3, 1]> (c) flat = Concat <axis = 0> (n, rest) "
        "f = Reshape (t, flat) all = Concat <axis = 0> (n, open) b = Reshape (f, all) "
        "y = Softmax <axis = -1> (b)",
        "float[] y",
        {"rest": np.array([-1], np.int64), "open": np.array([-1, 3], np.int64)},
    ),
    "boxes on a grid spread to the batch": (
        "r = Relu (x) c = Conv <pads = [1,1,1,1]> (r, W) s = Sigmoid (c) n = Shape (s) "
        "one = Div (n, n) g = Expand (grid, one) y = Add (s, g)",
        "float[] y",
        {"grid": GRID[:, :1, 0, :1, :1]},
    ),
    "normalized embedding": (
        FLAT + "l = ReduceL2 <axes = [1], keepdims = 1> (f) m = Clip (l, small) n = Shape (f) "
        "e = Expand (m, n) y = Div (f, e)",
        "float[] y",
        {"small": np.array(1e-12, np.float32)},
    ),
    "distances of boxes, by a convolution": (  # as in YOLO v8
        TRUNK + "v = Reshape (c, four) t = Transpose <perm = [0, 2, 1, 3]> (v) "
        "s = Softmax <axis = 1> (t) d = Conv (s, bins) y = Reshape (d, three)",
        "float[] y",
        {
            "four": np.array([-1, 2, 3, 16], np.int64),
            "bins": np.array([0, 1, 2], np.float32).reshape(1, 3, 1, 1),
            "three": np.array([0, 2, 16], np.int64),
        },
    ),
    "coordinates of keypoints, by a matrix": (
        TRUNK + "v = Reshape (c, three) s = Softmax (v) l = Reshape (s, three) y = MatMul (l, at)",
        "float[] y",
        {"three": np.array([0, 6, 16], np.int64), "at": W.reshape(-1)[:32].reshape(16, 2)},
    ),
    "years, by a layer with an offset": (
        FLAT + "s = Softmax (f) y = Gemm <transB = 1> (s, years, from)",
        "float[] y",
        {"years": 10 + np.arange(6, dtype=np.float32)[None], "from": np.array([5], np.float32)},
    ),
    "coordinates of keypoints, by the sums of rows": (
        TRUNK + "v = Reshape (c, three) s = Softmax (v) m = Reshape (s, four) "
        "p = ReduceSum <keepdims = 0> (m, last) y = MatMul (p, at)",
        "float[] y",
        {
            "three": np.array([0, 6, 16], np.int64),
            "four": np.array([0, 6, 4, 4], np.int64),
            "last": np.array([3], np.int64),
            "at": np.arange(4, dtype=np.float32)[:, None],
        },
    ),
    "cosine of two vectors": (
        FLAT + "u, v = Split <axis = 1> (f, halves) m = Mul (u, v) p2 = Mul (u, u) q2 = Mul (v, v) "
        "s = ReduceSum <keepdims = 0> (m, one) p1 = ReduceSum <keepdims = 0> (p2, one) "
        "q1 = ReduceSum <keepdims = 0> (q2, one) pq = Mul (p1, q1) l = Sqrt (pq) "
        "n = Max (l, small) y = Div (s, n)",
        "float[] y",
        {
            "halves": np.array([3, 3], np.int64),
            "one": np.array([1], np.int64),
            "small": np.array(1e-8, np.float32),
        },
    ),
    "distance of two vectors, as PyTorch's pairwise_distance is exported": (
        FLAT + "u, v = Split <axis = 1> (f, halves) d = Sub (u, v) e = Pow (d, two) "
        "s = ReduceSum <keepdims = 0> (e, one) t = Add (s, small) y = Pow (t, half)",
        "float[] y",
        {
            "halves": np.array([3, 3], np.int64),
            "one": np.array([1], np.int64),
            "two": np.array(2, np.float32),
            "small": np.array(1e-6, np.float32),
            "half": np.array(1 / 2.000001, np.float32),
        },
    ),
    "deviation of a map": (
        TRUNK + "m = Mul (c, c) p = GlobalAveragePool (m) y = Sqrt (p)", "float[] y", {},
    ),
    "cube root": (
        TRUNK + "d = Clip (c, small) p = GlobalAveragePool (d) f = Flatten (p) y = Pow (f, third)",
        "float[] y",
        {"small": np.array(0.1, np.float32), "third": np.array(1 / 3, np.float32)},
    ),
    "distances with an offset each": (
        TRUNK + "s = Softmax <axis = 1> (c) y = Conv (s, bins, from)",
        "float[] y",
        {"bins": W.reshape(-1)[:12].reshape(2, 6, 1, 1), "from": np.array([5, -1], np.float32)},
    ),
}  # fmt: skip


def exported(name: str) -> onnx.ModelProto:
    body, y, more = HEADS[name]
    return build(body, {"W": W, **more}, y=y)


@pytest.mark.parametrize("name", HEADS)
def test_heads(name: str, tmp_path) -> None:
    model = exported(name)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    x = RNG.uniform(-2, 2, (5, 2, 4, 4)).astype(np.float32)
    names = [output.name for output in session.get_outputs()]
    want = dict(zip(names, session.run(names, {"x": x}), strict=True))
    program = compile_graph(load_graph(model))
    assert result_names(program) == tuple(names)
    got = program({"x": x})
    for each in names:
        assert got[each].shape == want[each].shape
        if want[each].dtype.kind == "i":
            np.testing.assert_array_equal(got[each], want[each])
        else:
            np.testing.assert_allclose(got[each], want[each], atol=1e-4)
    assert dump(parse(dump(program))) == dump(program)
    save(program, tmp_path / "p.n2uq")
    assert dump(load(tmp_path / "p.n2uq")) == dump(program)
    notes = [note.text for note in summarize(load_graph(model)).notes]
    assert notes and all(
        "runs on the host" in note or "becomes integer operations" in note for note in notes
    )
    if len(names) == 1:
        np.testing.assert_array_equal(program(x), got[names[0]])
        assert program(x[:0]).shape == (0, *want[names[0]].shape[1:])


def test_softmax_before_argmax_drops_out() -> None:
    graph = load_graph(exported("argmax behind softmax"))
    assert graph.meta[HOST].operators == ["Flatten", "ArgMax"]
    assert compile_graph(graph).host is None


def test_ties_take_the_lowest_index_and_saturation_makes_none() -> None:
    """Integers decide: 40 and 41 are the same sigmoid in float64."""
    body = "s = Sigmoid (c) y = ArgMax <axis = 1, keepdims = 0> (s)"
    one = np.ones((3, 1, 1, 1), np.float32) * np.array([40, 41, 41], np.float32).reshape(3, 1, 1, 1)
    model = build("c = Conv (x, V) " + body, {"V": one}, x="float[N,1,1,1] x", y="int64[] y")
    assert program_of(model)(np.ones((1, 1, 1, 1), np.float32)).tolist() == [[[1]]]


def program_of(model: onnx.ModelProto):
    return compile_graph(load_graph(model))


def test_what_a_layer_follows_stays() -> None:
    """Only the ArgMax is behind all layers; the ReLU that it reads is not."""
    body = "s = Relu (c) y = ArgMax <axis = 1> (s) z = Conv (s, V)"
    parameters = {"W": W, "V": np.ones((1, 6, 1, 1))}
    host = load_graph(build(TRUNK + body, parameters, y="int64[] y, float[] z")).meta[HOST]
    assert host.operators == ["ArgMax"] and host.outputs == ("y", "z")


def test_a_quotient_that_is_a_function_stays_in_the_program() -> None:
    """Softsign, as it is exported."""
    body = TRUNK + "a = Abs (c) b = Add (a, one) y = Div (c, b)"
    assert HOST not in load_graph(build(body, {"W": W, "one": np.array(1, np.float32)})).meta


def test_layers_behind_a_softmax() -> None:
    """Five outputs and a window are no mean of few positions: the program computes all of it."""
    for weights, pads in (((5, 6, 1, 1), [0] * 4), ((1, 6, 3, 3), [1] * 4)):
        body = f"s = Softmax <axis = 1> (c) y = Conv <pads = {pads}> (s, V)"
        model = build(TRUNK + body, {"W": W, "V": np.ones(weights, np.float32)})
        program = compile_graph(load_graph(model))
        assert program.host is None
        x = images(model, 8)
        want = run_onnx(model, x)
        assert np.abs(program(x) - want).max() < 2e-3


def test_heads_over_samples_are_refused() -> None:
    with pytest.raises(CompileError, match="Softmax"):
        load_graph(build(FLAT + "y = Softmax <axis = 0> (f)", {"W": W}))


def test_a_fixed_batch_is_filled_up() -> None:
    model = build(FLAT + "y = Softmax (f)", {"W": W}, x="float[2,2,4,4] x")
    x = RNG.uniform(-2, 2, (5, 2, 4, 4)).astype(np.float32)
    loose = build(FLAT + "y = Softmax (f)", {"W": W})
    np.testing.assert_array_equal(program_of(model)(x), program_of(loose)(x))


@pytest.mark.filterwarnings("error")
def test_infinities_of_the_network_are_results_and_no_warnings() -> None:
    """A divisor of 1e-30 before Exp: the float network gives infinity, and so does the host."""
    model = build("d = Div (x, small) y = Exp (d)", {"small": np.float32(1e-30)})
    x = np.array([1.0, -1.0, 0.0, 2.0]).repeat(8).reshape(1, 2, 4, 4)
    expected = np.array([np.inf, 0.0, 1.0, np.inf]).repeat(8).reshape(1, 2, 4, 4)
    np.testing.assert_array_equal(program_of(model)(x), expected)


def test_integers_are_the_programs() -> None:
    program = program_of(exported("softmax"))
    y = run(program, {"x": np.zeros((1, 4, 4, 2), np.int64)})
    assert list(y) == ["p"]


def test_other_operators_of_a_file_do_not_run() -> None:
    loop = onnx.helper.make_node("ConstantOfShape", ["x"], ["y"])
    values = [onnx.helper.make_tensor_value_info(name, 1, None) for name in "xy"]
    graph = onnx.helper.make_graph([loop], "g", values[:1], values[1:])
    with pytest.raises(HostModelError, match="ConstantOfShape"):
        HostModel(onnx.helper.make_model(graph).SerializeToString(), ("y",))


@pytest.mark.parametrize(
    ("body", "t"),
    [
        ("r = Relu (x) [view] v = Reshape (r, t) y = Relu (v)", [0]),
        ("c = Conv (x, W) s = Softmax (c) [view] y = Reshape (s, t)", [0, 7]),
        (
            "c = Conv (x, W) s = Sigmoid (c) [view] v = Reshape (s, t) y = ArgMax <axis = 1> (v)",
            [5, -1],
        ),
        ("c = Conv (x, W) s = Sigmoid (c) [view] y = Reshape (s, t)", [-1]),
    ],
)
def test_nodes_that_do_not_fit_are_refused(body: str, t: list[int]) -> None:
    """Nothing infers a shape that depends on the batch; the nodes are tried on zeros."""
    weight = RNG.uniform(-1, 1, (3, 2, 1, 1))
    with pytest.raises(CompileError, match="view"):
        program_of(build(body, {"t": np.array(t), "W": weight}))


@pytest.mark.parametrize("shape", [[0], [7, -1], [-1]])
def test_a_model_that_does_not_fit_says_so(shape: list[int]) -> None:
    """A saved program may hold such a model."""
    node = onnx.helper.make_node("Reshape", ["x", "t"], ["y"])
    values = [onnx.helper.make_tensor_value_info(name, 11, None) for name in "xy"]
    target = onnx.numpy_helper.from_array(np.array(shape), "t")
    graph = onnx.helper.make_graph([node], "g", values[:1], values[1:], [target])
    opsets = [onnx.helper.make_opsetid("", 17)]
    host = HostModel(
        onnx.helper.make_model(graph, opset_imports=opsets).SerializeToString(), ("y",)
    )
    with pytest.raises(HostModelError, match="behind the outputs"):
        host({"x": np.zeros((2, 3))})


@pytest.mark.parametrize("op", ["LogSoftmax", "Softmax", "Sigmoid"])
@pytest.mark.parametrize("axis", [1, -1])
def test_scores_far_apart(op: str, axis: int) -> None:
    """Raw pixels that nothing scales make scores of thousands."""
    rng = np.random.default_rng(1)
    weight = rng.uniform(-900, 900, (5, 2, 1, 1)).astype(np.float32)
    stated = "" if op == "Sigmoid" else f"<axis = {axis}>"
    model = build(f"r = Relu (x) c = Conv (r, W) y = {op} {stated} (c)", {"W": weight})
    x = rng.uniform(-4, 4, (3, 2, 4, 4)).astype(np.float32)
    with np.errstate(over="ignore"):
        scores = np.einsum("oi,nihw->nohw", weight[:, :, 0, 0].astype(np.float64), np.maximum(x, 0))
        if op == "Sigmoid":
            want = 0.5 * (1 + np.tanh(scores / 2))
        else:
            high = scores.max(axis=axis, keepdims=True)
            want = scores - high - np.log(np.exp(scores - high).sum(axis=axis, keepdims=True))
            want = want if op == "LogSoftmax" else np.exp(want)
    assert np.abs(scores).max() > 1000
    found = program_of(model)(x)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=5e-2)


def test_an_output_that_is_a_constant_is_refused() -> None:
    model = build(TRUNK + "y = ArgMax <axis = 1> (c)", {"W": W}, y="int64[] y, float[6,2,3,3] W")
    with pytest.raises(CompileError, match="'W': it is a constant"):
        load_graph(model)
