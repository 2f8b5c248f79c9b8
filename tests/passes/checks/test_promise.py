"""Range is never lost in silence: the format follows, or a warning says what is lost and where."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.load import load_graph
from n2uqc.frontend.reference import evaluate
from n2uqc.passes import Options, compile_graph, load
from n2uqc.passes.checks import promise
from n2uqc.passes.checks.draw import as_images, drawn
from n2uqc.passes.checks.evaluate import reference
from n2uqc.passes.checks.network import Holder, hold
from n2uqc.passes.checks.promise import EXACT, PrecisionWarning, kept_by, measure
from n2uqc.passes.checks.recompile import differences, recompiled
from n2uqc.passes.program import Conv, Program

from ...frontend.networks import build
from ...properties.builder import NetworkBuilder
from ...properties.networks import networks

F32 = np.float32


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    onnx.save(model, folder / "net.onnx")
    return folder / "net.onnx"


def quiet(path: Path) -> Program:
    """Compiled without a word about precision."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", PrecisionWarning)
        return load(path)


def share(path: Path, program: Program) -> float:
    """What the outputs lose on other inputs than the compiler drew."""
    images = as_images(program, drawn(program, 40, 9), 9)
    graph = load_graph(path)
    program_outputs = hold(reference(graph, Options()), program, images).output
    # By an evaluator that shares nothing with the passes as well.
    want = evaluate(graph, images)
    (outputs,) = program(images).values()
    off = np.abs(outputs - want).max()
    assert abs(off - program_outputs.worst) <= 1e-6 * np.abs(want).max()
    return program_outputs.share


def doublings(count: int) -> onnx.ModelProto:
    lines = [f"v{k} = Add (v{k - 1}, v{k - 1})" for k in range(1, count)]
    body = "v0 = Add (x, x) " + " ".join(lines) + f" y = Add (v{count - 1}, v{count - 1})"
    return build(body, x="float[N,2,3,3] x")


@pytest.mark.parametrize("count", [20, 60, 110])
def test_a_chain_of_doublings_keeps_its_bits(count: int, tmp_path: Path) -> None:
    path = saved(doublings(count), tmp_path)
    assert share(path, quiet(path)) < EXACT


def test_a_chain_beyond_every_number_is_refused_by_node(tmp_path: Path) -> None:
    path = saved(doublings(600), tmp_path)
    with pytest.raises(CompileError, match=r"real_add 'v\d+': values that may pass 1e\+150"):
        load(path)


def sized(sizes: list[float], relu: bool) -> onnx.ModelProto:
    """Channels of given sizes, as BatchNorm gives them, brought back by the layer behind."""
    c = len(sizes)
    weight = np.random.default_rng(0).normal(0, 1, (4, c)).astype(F32) / np.array(sizes, F32)
    scale = np.array(sizes, F32).reshape(1, c, 1, 1)
    middle = "b = Relu (a)" if relu else "b = Identity (a)"
    return build(
        f"a = Mul (x, s) {middle} p = GlobalAveragePool (b) f = Flatten (p) y = Gemm (f, w, o)",
        {"s": scale, "w": weight.T.copy(), "o": np.full(4, 0.5, F32)},
        x=f"float[N,{c},2,2] x",
    )


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("far", [10, 1e4, 1e9])
def test_the_format_follows_channels_of_different_size(
    far: float, relu: bool, tmp_path: Path
) -> None:
    path = saved(sized([far, 1.0, 1 / far], relu), tmp_path)
    assert share(path, quiet(path)) < EXACT


def test_a_steep_channel_beside_a_flat_one(tmp_path: Path) -> None:
    """A slope of 1e9 on codes leaves its neighbor's multiplier no bits, in one operation."""
    b = NetworkBuilder(3, 2, 3)
    y = b.conv(b.quantize("x", 4), 2, bits=4, kernel=1)
    y = b.node("Mul", [y, b.array(np.array([1.3, 1e9], F32).reshape(1, 2, 1, 1))], b.shape[y])
    y = b.prelu(b.bias(y))
    weight = b.array(np.array([[0.7, 1e-9], [0.2, 0.0]], F32))
    model = b.model(
        b.node(
            "Gemm",
            [b.node("Flatten", [b.node("GlobalAveragePool", [y], (2, 1, 1))], (2,)), weight],
            (2,),
            transB=1,
        )
    )
    plain = measure(model, compile_graph(model), Options())
    assert not plain.kept and plain.comparison.output.share > EXACT
    program, loss = kept_by(model, Options(), lambda options: compile_graph(model, options))
    assert loss is None and program.metadata["equalize"] == "yes"
    assert not any(differences(program, recompiled(model, program)))
    images = as_images(program, drawn(program, 40, 9), 9)
    found = hold(reference(model, Options()), program, images)
    assert found.output.share < EXACT and not any(row.wrong for row in found.rows)


def test_what_cannot_be_kept_is_said(tmp_path: Path) -> None:
    scale = np.array([1e20, 1.0], F32).reshape(1, 2, 1, 1)
    path = saved(build("a = Mul (x, s) y = Relu (a)", {"s": scale}, x="float[N,2,2,2] x"), tmp_path)
    with pytest.warns(PrecisionWarning) as caught:
        program = load(path)
    [message] = [str(w.message) for w in caught if w.category is PrecisionWarning]
    assert "precision exact cannot keep its 1e-3: outputs may be off by" in message
    assert "It is lost at a (ONNX a), which may be off by" in message and "spread by" in message
    assert "Hint: give images by --calib" in message
    assert share(path, program) > EXACT


def test_the_sign_of_images_with_zeros(tmp_path: Path) -> None:
    """Values between 0 and the last bit were drawn for whole images, and one code in six differed.

    That of an input of 0 is 0 on both sides.
    """
    weight = np.random.default_rng(0).choice(np.array([-1, 1], F32), (4, 3, 3, 3))
    body = "s = Sign (x) c = Conv (s, w) t = Sign (c) y = GlobalAveragePool (t)"
    quiet(saved(build(body, {"w": weight}, x="float[N,3,6,6] x"), tmp_path))


@pytest.mark.filterwarnings("ignore:.*no activation quantizer")
@pytest.mark.parametrize(
    "body",
    [
        "a = Clip (x, e) b = Pow (a, t) c = GlobalAveragePool (b) d = Pow (c, r) y = Conv (d, w)",
        "b = Mul (x, x) c = GlobalAveragePool (b) d = Sqrt (c) y = Conv (d, w)",
        "b = Abs (x) d = Sqrt (b) y = Conv (d, w)",
        "b = Relu (x) c = Add (b, e) d = Sqrt (c) y = Conv (d, w)",
    ],
)
def test_roots_that_reach_0(body: str, tmp_path: Path) -> None:
    """Generalized mean pooling, L2 pooling: they were refused, or lost 0.4 % of the spread."""
    weight = np.random.default_rng(0).normal(0, 1, (4, 3, 1, 1)).astype(F32)
    numbers = {"e": F32(1e-6), "t": F32(3), "r": F32(1 / 3), "w": weight}
    path = saved(build(body, numbers, x="float[N,3,6,6] x"), tmp_path)
    assert share(path, quiet(path)) < EXACT


def test_coarser_precisions_warn_of_a_tenth(tmp_path: Path) -> None:
    path = saved(sized([1e3, 1.0], False), tmp_path)
    with pytest.warns(PrecisionWarning, match="much is lost.*Hint: --precision exact"):
        load(path, Options.preset("small"))
    assert share(path, quiet(path)) < EXACT


@settings(max_examples=15, deadline=None)
@given(networks(far=1e6))
def test_random_networks_keep_the_promise_or_say_so(case) -> None:
    model, _ = case
    try:
        program, loss = kept_by(model, Options(), lambda options: compile_graph(model, options))
    except CompileError as error:  # slopes of 1e9 and offsets of 1e13 in one tensor
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert "too large for integer requantization" in refusal
        return
    holder = Holder(reference(model, Options()), program)
    found = holder.hold(as_images(program, drawn(program, 24, 5), 5))
    assert not any(row.wrong for row in found.rows)
    seen = measure(model, program, Options()).comparison.spreads
    for name, farthest in holder.farthest.items() if loss is None else ():
        # A channel at the end of a clip on all but a few samples spreads otherwise on others.
        here, there = (np.maximum(spread, 1e-9) for spread in (found.spreads[name], seen[name]))
        alike = np.abs(np.log2(here / there)) < 1
        assert (farthest <= 4 * EXACT * found.spreads[name])[alike].all()  # others: some slack


def test_maps_too_large_to_measure_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measuring holds several samples of many tensors: one of 6,000 x 6,000 took gigabytes."""
    monkeypatch.setattr(promise, "VALUES", 15)
    path = tmp_path / "large.onnx"
    onnx.save(build("y = Relu (x)", x="float[N,1,4,4] x"), path)
    with pytest.warns(PrecisionWarning, match="was not measured: a tensor of 16 values"):
        load(path)


def test_the_more_work_a_sample_is_the_fewer_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = load_graph(build("y = Add (x, x)", x="float[N,2,3,3] x"))
    program = compile_graph(graph)
    for products, count in ((0, 32), (1, 32), (10**9, 4), (10**12, 2)):
        monkeypatch.setattr(promise, "_products", lambda _, n=products: n)
        assert measure(graph, program, Options()).samples == count
    monkeypatch.setattr(promise, "_products", lambda _: 1)
    for values, count in ((18 * 6, 6), (18 * 7 - 1, 6), (1, 1)):  # of 18 values each
        monkeypatch.setattr(promise, "VALUES", values)
        assert measure(graph, program, Options()).samples == count


def test_products_of_a_sample() -> None:
    """Each weight once for each pixel of the result."""
    b = NetworkBuilder(4, 2, 5)
    program = compile_graph(b.model(b.conv(b.quantize("x", 2), 3, bits=2)))
    (conv,) = (op for op in program.ops if isinstance(op, Conv))
    height, width, _ = program.types[conv.output].shape
    assert promise._products(program) == height * width * 3 * 2 * 3 * 3


def test_windows_of_pools_are_work(tmp_path: Path) -> None:
    """One of 1501x1501 numbers at 2.25 million places is not measured."""
    body = "y = AveragePool <kernel_shape = [1501, 1501]> (x)"
    path = saved(build(body, {}, x="float[N,1,3000,3000] x"), tmp_path)
    with pytest.warns(UserWarning, match=r"not measured: an image takes 5,\d{3},\d{3},"):
        load(path)


@pytest.mark.parametrize(
    ("bound", "lost"), [(4.0, False), (1e5, False), (1e25, True), (1e30, True)]
)
def test_a_range_in_which_no_threshold_is_told_apart(
    bound: float, lost: bool, tmp_path: Path
) -> None:
    """Nearly all inputs drawn over such a range saturate, whatever is lost between thresholds."""
    weight = np.array([[[[0.5]], [[-1.5]]]], F32)
    body = "a = Conv (x, w) c = Clip (a, zero, three) r = Round (c) "
    body += "y = MaxPool <kernel_shape = [2, 2]> (r)"
    model = build(body, {"w": weight, "zero": F32(0), "three": F32(3)})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load(saved(model, tmp_path), Options(input_range=(-bound, bound)))
    said = [str(each.message) for each in caught if each.category is PrecisionWarning]
    assert any("range is lost: " in text for text in said) == lost, said


def test_a_lost_range_in_front_of_an_integer_head(tmp_path: Path) -> None:
    """The program ends in an index, the network that it is held against in scores."""
    body = "a = Conv (x, w) c = Clip (a, zero, three) r = Round (c) h = Conv (r, v) "
    body += "y = ArgMax <axis = 1, keepdims = 0> (h)"
    weight = np.array([[[[0.5]], [[-1.5]]]], F32)
    given = {"w": weight, "v": np.array([1, -1, 2], F32).reshape(3, 1, 1, 1)}
    given |= {"zero": F32(0), "three": F32(3)}
    model = build(body, given, y="int64[] y")
    with pytest.warns(PrecisionWarning, match="range is lost"):
        load(saved(model, tmp_path), Options(input_range=(-1e30, 1e30)))
