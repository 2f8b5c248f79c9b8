"""Small networks of integer operators, and how far their outputs may be from ONNX Runtime's."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from n2uqc.frontend.load import load_graph
from n2uqc.frontend.reference import evaluate
from n2uqc.passes import compile_graph
from n2uqc.passes.program.interpreter import run_real
from tests.frontend.networks import build, images, run_onnx

Array = npt.NDArray[Any]
MICROSOFT = "com.microsoft"
FLIPS = 0.01
"""Share of codes that ONNX Runtime, whose ratios of scales are float32, may round otherwise."""


def integers(name: str, values: Any, kind: str) -> onnx.TensorProto:
    """Return a parameter of an integer type, 4-bit types too."""
    array = np.asarray(values)
    return helper.make_tensor(name, getattr(TensorProto, kind), array.shape, array.ravel().tolist())


def model_of(
    body: str, parameters: dict[str, Any], codes: dict[str, tuple[Any, str]],
    x: str = "float[2,3,6,6] x", opset: int = 17, y: str = "float[] y",
) -> onnx.ModelProto:  # fmt: skip
    """Build a model; operators after `M.` in the body are ONNX Runtime's."""
    marked = {line.split("=")[1].split()[0][2:] for line in body.split("\n") if "= M." in line}
    model = build(body.replace("M.", ""), parameters, x=x, y=y, opset=opset)
    for node in model.graph.node:
        node.domain = MICROSOFT if node.op_type in marked else ""
    if marked:
        model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
    model.graph.initializer.extend(integers(name, *value) for name, value in codes.items())
    return model


def check(model: onnx.ModelProto, step: float, spread: float = 1.0, flips: float = FLIPS) -> Array:
    """Hold graph and program against ONNX Runtime: equal, but for a few codes by one step."""
    x = (images(model) * spread).astype(np.float32)
    graph = load_graph(model)
    got, want = evaluate(graph, x), run_onnx(model, x)
    assert got.shape == want.shape
    off = np.abs(got - want) / step
    assert np.abs(off - np.round(off)).max() < 1e-3, "no whole number of steps"
    assert off.max() < 1.001
    assert (off > 0.5).mean() <= flips
    assert np.ptp(want) > 4 * step, "the test has to see more than a few codes"
    program = run_real(compile_graph(graph), x)
    np.testing.assert_allclose(program, got, atol=1e-4 * max(step, 1e-3))
    return got
