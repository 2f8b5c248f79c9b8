"""Raw images as inputs: those that the file takes as uint8, against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.load import load_graph
from n2uqc.passes import Options, compile_graph
from n2uqc.passes.options import Pixels
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
