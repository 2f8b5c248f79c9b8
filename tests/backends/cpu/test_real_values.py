"""Real values, Softmax, LogSoftmax and Sigmoid in C behind the library, against ONNX Runtime."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from n2uqc.backends import compile as compile_program
from n2uqc.backends.cpu.real_values import HostFunction, real_functions
from n2uqc.frontend.load import load_graph
from n2uqc.passes import compile_graph
from n2uqc.passes.program import Program, quantize_inputs

from ...frontend.networks import build
from .test_user_builds import WARNINGS, compiler

RNG = np.random.default_rng(4)
W = RNG.normal(0, 0.5, (6, 2, 3, 3)).astype(np.float32)
TRUNK = "c = Conv <pads = [1,1,1,1]> (x, W) p = GlobalAveragePool (c) f = Flatten (p) "
BODY = """y = Softmax (f) a = ArgMax <axis = 1> (f) z = LogSoftmax <axis = 1> (c)
 b = Conv <strides = [2,2]> (x, W) s = Sigmoid (b)"""
EMULATORS = {
    "host": [], "aarch64": ["qemu-aarch64", "-cpu", "max"], "armv7": ["qemu-arm", "-cpu", "max"],
}  # fmt: skip


def program_of(body: str, y: str) -> Program:
    return compile_graph(load_graph(build(TRUNK + body, {"W": W}, y=y)))


@pytest.mark.parametrize("target", EMULATORS)
def test_the_driver_writes_what_the_network_gives(target: str, tmp_path: Path) -> None:
    """The functions are those of each machine's own C library, in the driver for it."""
    emulator = EMULATORS[target]
    if emulator and not shutil.which(emulator[0]):
        pytest.skip(f"needs {emulator[0]}")
    outputs = "float[] y, int64[] a, float[] z, float[] s"
    model = build(TRUNK + BODY, {"W": W}, y=outputs)
    program = program_of(BODY, outputs)
    place = compile_program(program, target).save(tmp_path / "net")
    manifest = json.loads((place / "manifest.json").read_text())
    x = RNG.uniform(-2, 2, (5, 2, 4, 4)).astype(np.float32)
    (integers,) = quantize_inputs(program, x).values()
    np.save(tmp_path / "x.npy", integers.astype(program.int_type(program.input).container))
    files = {port.name: tmp_path / f"{port.name}.npy" for port in program.interface.outputs}
    command = [*emulator, place / manifest["driver"], tmp_path / "x.npy", *files.values(), "--real"]
    subprocess.run(command, check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    y, a, z, s = session.run(None, {"x": x})
    got = {name: np.load(path) for name, path in files.items()}
    assert got["p"].dtype == got["c"].dtype == np.float32 and got["a"].dtype.kind == "u"
    np.testing.assert_allclose(got["p"].reshape(y.shape), y, atol=1e-5)
    np.testing.assert_array_equal(got["a"].reshape(a.shape), a)
    np.testing.assert_allclose(got["c"].transpose(0, 3, 1, 2), z, atol=1e-4)
    np.testing.assert_allclose(got["b"].transpose(0, 3, 1, 2), s, atol=1e-4)
    facts = {output["name"]: output for output in manifest["outputs"]}
    assert facts["a"]["indices"] and facts["p"]["real"][0]["op"] == "Softmax"
    header = place / manifest["header"]
    real = header.with_name(f"{header.stem}_real.h")
    assert f"{real.name} computes y, z, s." in header.read_text()
    for language in ("c", "c++"):
        check = [*compiler(language), "-fsyntax-only", "-std=c++11", *WARNINGS, str(real)]
        check = [part.replace("c++11", "c11" if language == "c" else "c++11") for part in check]
        subprocess.run(check, check=True)


def test_which_functions_have_the_order_of_the_integers() -> None:
    """Functions along channels, or over elements side by side; others are the caller's."""
    body = "s = Softmax <axis = 1> (c) t = Sigmoid (c) u = Softmax <axis = 3> (c) e = Exp (f)"
    outputs = "float[] s, float[] t, float[] u, float[] e"
    functions = list(real_functions(program_of(body, outputs)))
    assert functions == [HostFunction("s", "c", "Softmax", 6), HostFunction("t", "c", "Sigmoid", 1)]
    assert list(real_functions(program_of("y = ArgMax <axis = 1> (f)", "int64[] y"))) == []
