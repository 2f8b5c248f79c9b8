"""Raw images as inputs: those that the file takes as uint8, against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.load import load_graph
from n2uqc.passes import Options, compile_graph
from n2uqc.passes.pixels import Pixels
from n2uqc.passes.program import (
    InputError,
    Program,
    dump,
    parse,
    quantize_inputs,
    real_outputs,
    run,
)
from tests.frontend.networks import build

RNG = np.random.default_rng(2)
PARAMETERS = {
    "W": RNG.normal(0, 0.3, (4, 3, 3, 3)), "size": np.float32(255),
    "mean": np.float32([0.5, 0.4, 0.3]).reshape(3, 1, 1),
    "std": np.float32([0.2, 0.3, 0.2]).reshape(1, 3, 1, 1),
    "three": np.float32([120, 110, 100]), "sum": RNG.normal(0, 0.3, (4, 5, 1, 1)),
}  # fmt: skip
NORMAL = "n = Div (f, size) u = Sub (n, mean) v = Div (u, std) y = Conv <pads = [1,1,1,1]> (v, W)"
FIRST = "<perm = [0, 3, 1, 2]>"
GRAPHS = {
    "images": ("uint8[N,3,8,6] x", "f = Cast <to = 1> (x) " + NORMAL),
    "channels last": (
        "uint8[N,8,6,3] x",
        f"c = Cast <to = 1> (x) s = Sub (c, three) f = Transpose {FIRST} (s) " + NORMAL,
    ),
    "turned as bytes": (
        "uint8[2,8,6,3] x",
        f"t = Transpose {FIRST} (x) f = Cast <to = 1> (t) " + NORMAL,
    ),
    "read twice": (
        "uint8[N,3,8,6] x",
        "f = Cast <to = 1> (x) g = Cast <to = 1> (x) h = Add (f, g) "
        + NORMAL.replace("(f,", "(h,"),
    ),
    "beside a real input": (
        "uint8[N,3,8,6] x, float[N,2,8,6] z",
        "c = Cast <to = 1> (x) f = Div (c, size) j = Concat <axis = 1> (f, z) y = Conv (j, sum)",
    ),
}  # fmt: skip


def model(name: str) -> onnx.ModelProto:
    inputs, body = GRAPHS[name]
    used = {k: v for k, v in PARAMETERS.items() if f", {k})" in body}
    return build(body, used, x=inputs)


def images(program: Program) -> dict[str, np.ndarray]:
    return {
        port.name: RNG.integers(0, 256, (2, *port.shape)).astype(np.uint8)
        if port.pixels
        else RNG.normal(0, 1, (2, *port.shape)).astype(np.float32)
        for port in program.interface.inputs
    }


@pytest.mark.parametrize("name", GRAPHS)
def test_bytes_as_the_file_has_them(name: str) -> None:
    network = model(name)
    program = compile_graph(load_graph(network))
    assert program.interface.inputs[0].pixels and dump(parse(dump(program))) == dump(program)
    x = images(program)
    want = onnxruntime.InferenceSession(network.SerializeToString()).run(None, x)[0]
    got = real_outputs(program, run(program, quantize_inputs(program, x)))["y"]
    np.testing.assert_allclose(got, want, atol=1e-4 * want.std())


def test_calibrated_on_bytes_and_real_images() -> None:
    network = model("beside a real input")
    x = images(compile_graph(load_graph(network)))
    program = compile_graph(load_graph(network), Options(calibration=x))
    want = onnxruntime.InferenceSession(network.SerializeToString()).run(None, x)[0]
    got = real_outputs(program, run(program, quantize_inputs(program, x)))["y"]
    np.testing.assert_allclose(got, want, atol=1e-4 * want.std())
    with pytest.raises(CompileError, match="'z', which takes real images"):
        compile_graph(load_graph(network), Options(calibration=x | {"z": np.uint8(x["z"] > 0)}))


def test_other_images_are_refused() -> None:
    program = compile_graph(load_graph(model("images")))
    with pytest.raises(InputError, match="raw pixels"):
        quantize_inputs(program, np.zeros((1, 3, 8, 6), np.float32))
    with pytest.raises(CompileError, match="'x' is uint8 already"):
        compile_graph(load_graph(model("images")), Options(pixels=Pixels(1 / 255)))


TWO = "f = Conv (x, W) g = Conv <pads = [1, 1, 1, 1]> (z, V) y = Concat <axis = 1> (f, g)"


def two_real() -> onnx.ModelProto:
    parameters = {"W": RNG.normal(0, 0.3, (4, 3, 1, 1)), "V": RNG.normal(0, 0.3, (2, 2, 3, 3))}
    return build(TWO, parameters, x="float[N,3,8,6] x, float[N,2,8,6] z")


@pytest.mark.parametrize("raw", [("x",), ("z",), ("z", "x")])
def test_raw_images_by_name(raw: tuple[str, ...]) -> None:
    """Each input that is raw has its own normalization; the others stay real."""
    rows = {"x": ((0.5, 0.25, 0.125), (0.5,)), "z": ((0.0,), (0.25, 2.0))}
    chosen = {name: Pixels(1 / 16, *rows[name]) for name in raw}
    network = two_real()
    options = Options(pixels=chosen)
    program = compile_graph(load_graph(network), options)
    assert [port.name for port in program.interface.inputs if port.pixels] == [
        name for name in ("x", "z") if name in raw
    ]
    given, real = images(program), {}
    for name, array in given.items():
        real[name] = array
        if name in raw:
            mean, std = (np.float64(row).reshape(1, -1, 1, 1) for row in rows[name])
            real[name] = ((array / 16 - mean) / std).astype(np.float32)
    want = onnxruntime.InferenceSession(network.SerializeToString()).run(None, real)[0]
    got = real_outputs(program, run(program, quantize_inputs(program, given)))["y"]
    np.testing.assert_allclose(got, want, atol=1e-4 * want.std())
    assert Options.from_facts(program.metadata) == options
    assert dump(parse(dump(program))) == dump(program)


def test_images_for_names_that_are_none() -> None:
    with pytest.raises(CompileError, match="(?s)2 inputs.*x, z.*--pixels x=SCALE"):
        compile_graph(load_graph(two_real()), Options(pixels=Pixels(1 / 255)))
    with pytest.raises(CompileError, match="(?s)'w', which is no input.*x, z"):
        compile_graph(load_graph(two_real()), Options(pixels={"w": Pixels(1 / 255)}))


@pytest.mark.parametrize(
    "text", ["{", "[1]", '{"x": 3}', '{"x": "scale 1"}', '{"x": "scale -1 mean 0 std 1"}', "scale"]
)
def test_metadata_that_states_no_images(text: str) -> None:
    facts = Options(pixels={"x": Pixels()}).facts()
    with pytest.raises(CompileError):
        Options.from_facts(facts | {"pixels": text})


def test_calibration_of_raw_images_by_name() -> None:
    options = Options(pixels={"x": Pixels(1 / 16)})
    x = images(compile_graph(load_graph(two_real()), options))
    compile_graph(load_graph(two_real()), Options(pixels=options.pixels, calibration=x))
    with pytest.raises(CompileError, match="it takes uint8 images"):
        Options(pixels=options.pixels, calibration=x | {"x": x["x"].astype(np.float32)})
