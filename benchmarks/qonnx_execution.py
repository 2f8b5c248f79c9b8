"""The datapath simulator against QONNX's execution of one layer, in the same run.

    pip install 'n2uqc' qonnx && python benchmarks/qonnx_execution.py

A 3x3 convolution of 64 to 64 channels on a 32x32 map with per-channel thresholds (QONNX's
MultiThreshold; x >= t is x > t - 1 for integers). Outputs must be equal. The minimum time of
several runs counts: of one image for QONNX; for the simulator, of one image alone and per image of
a batch.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from n2uqc.backends.fpga import Simulator
from n2uqc.passes.program import (
    Constant,
    Conv,
    Interface,
    IntType,
    Program,
    Thresholds,
    verify,
)

from .needs import end, need

CHANNELS, SIZE, KERNEL, BATCH = 64, 32, 3, 16
TARGET = 20.0


def layer(bits: int, rng: np.random.Generator) -> tuple[np.ndarray[Any, Any], ...]:
    """Return odd weights (O, KH, KW, I) and bounds (O, K)
    of a layer with codes of ``bits`` bits.
    """
    top = (1 << bits) - 1
    weight = 2 * rng.integers(0, top + 1, (CHANNELS, KERNEL, KERNEL, CHANNELS)) - top
    spread = int(np.sqrt(CHANNELS * KERNEL**2) * top * top)
    bounds = np.sort(rng.integers(-spread, spread, (CHANNELS, top)), axis=1)
    return weight, bounds


def our_program(bits: int, weight: Any, bounds: Any) -> Program:
    """Return the layer as an integer program."""
    top = (1 << bits) - 1
    constants = {
        "w": Constant.odd(weight, bits),
        "t": Constant.narrow(bounds),
        "s": Constant.odd(np.ones_like(bounds), 1),
        "b": Constant.narrow(np.zeros(CHANNELS, np.int64)),
    }
    types: dict[str, Any] = {"x": IntType((SIZE, SIZE, CHANNELS), bits, False, 0, top)}
    conv = Conv(output="acc", inputs=("x",), weight="w", pads=(1, 1, 1, 1))
    types["acc"] = conv.infer(types, constants)
    table = Thresholds(output="y", inputs=("acc",), bounds="t", signs="s", base="b", bits=bits)
    types["y"] = table.infer(types, constants)
    shape = (CHANNELS, SIZE, SIZE)
    types = {
        n: IntType(t.shape, t.bits, t.signed, t.lo, t.hi, Fraction(1)) for n, t in types.items()
    }
    program = Program(
        "layer",
        Interface.single("x", shape, "y", shape),
        ("x",),
        ("y",),
        types,
        (conv, table),
        constants,
    )
    verify(program)
    return program


def qonnx_model(weight: Any, bounds: Any) -> Any:
    """Return the layer as a QONNX model."""
    from qonnx.core.datatype import DataType
    from qonnx.core.modelwrapper import ModelWrapper

    kernel = weight.transpose(0, 3, 1, 2).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["acc"], kernel_shape=[KERNEL] * 2, pads=[1] * 4),
        helper.make_node(
            "MultiThreshold",
            ["acc", "t"],
            ["y"],
            domain="qonnx.custom_op.general",
            out_dtype="UINT4",
        ),
    ]
    shape = [1, CHANNELS, SIZE, SIZE]
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [
            numpy_helper.from_array(kernel, "w"),
            numpy_helper.from_array((bounds + 1).astype(np.float32), "t"),
        ],
        value_info=[helper.make_tensor_value_info("acc", TensorProto.FLOAT, shape)],
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("qonnx.custom_op.general", 1)]
    model = ModelWrapper(helper.make_model(graph, opset_imports=opsets, ir_version=8))
    model.set_tensor_datatype("y", DataType["UINT4"])
    onnx.checker.check_model(model.model)
    return model


def least_seconds(function: Callable[[], Any], runs: int) -> float:
    """Return the shortest time of several runs."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> int:
    """Print the comparison; return 1 if an output differs or a ratio misses the target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    need("qonnx")
    from qonnx.core.onnx_exec import execute_onnx

    rng, short = np.random.default_rng(0), False
    print(f"{'thresholds':>10} {'QONNX ms':>9} {'alone ms':>9} {'ratio':>6} {'batch ms':>9} ratio")
    for bits in (2, 3, 4):
        weight, bounds = layer(bits, rng)
        x = rng.integers(0, 1 << bits, (BATCH, SIZE, SIZE, CHANNELS))
        simulator = Simulator(our_program(bits, weight, bounds))
        model = qonnx_model(weight, bounds)
        feed = {"x": x[:1].transpose(0, 3, 1, 2).astype(np.float32)}
        theirs = execute_onnx(model, feed)["y"].transpose(0, 2, 3, 1)
        ours = simulator.run(x)
        if not np.array_equal(ours.output[:1], theirs) or ours.overflows:
            print(f"{bounds.shape[1]:10} outputs differ")
            return 1
        simulator.timing  # noqa: B018 - users wait for the cycles too, once per layer
        qonnx = least_seconds(lambda m=model, f=feed: execute_onnx(m, f), options.runs)
        alone = least_seconds(lambda s=simulator, v=x[:1]: s.run(v), options.runs)
        batch = least_seconds(lambda s=simulator, v=x: s.run(v), options.runs) / BATCH
        short |= qonnx / alone < TARGET
        print(
            f"{bounds.shape[1]:10} {1e3 * qonnx:9.2f} {1e3 * alone:9.2f} {qonnx / alone:5.1f}x "
            f"{1e3 * batch:9.2f} {qonnx / batch:4.1f}x",
            flush=True,
        )
    print(f"target: {TARGET:g}x; {'missed' if short else 'met'} by single images")
    return int(short)


if __name__ == "__main__":
    end(main)
