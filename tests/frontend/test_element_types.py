"""Parameters of element types that are no real numbers are refused, wherever they are read."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.load import load_graph
from n2uqc.passes import compile_graph

from .networks import build

PARAMETERS = {
    "Add (x, c)": (2, 1, 1),
    "Mul (x, c)": (2, 1, 1),
    "Pow (x, c)": (),
    "Clip (x, c)": (),
    "PRelu (x, c)": (2, 1, 1),
    "Conv (x, c)": (3, 2, 1, 1),
    "ConvTranspose (x, c)": (2, 3, 1, 1),
    "MatMul (x, c)": (4, 3),
    "BatchNormalization (x, c, c, c, c)": (2,),
    "Gather <axis = 1> (x, c)": (1,),
    "Reshape (x, c)": (2,),
    "Max (x, c)": (2, 1, 1),
    "QuantizeLinear (x, c)": (),
    "Slice (x, c, c, c)": (1,),
}


@pytest.mark.parametrize("node", PARAMETERS)
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128, object])
@pytest.mark.parametrize("way", ["initializer", "constant", "shape"])
@pytest.mark.filterwarnings("error")
def test_parameters_that_are_no_real_numbers(node: str, dtype: type, way: str) -> None:
    """Numpy drops imaginary parts with no more than a warning, wherever they are read."""
    array = np.ones(PARAMETERS[node]).astype(str if dtype is object else dtype).astype(dtype)
    model, tensor = build(f"y = {node}"), onnx.numpy_helper.from_array(array, "c")
    if way == "initializer":
        model.graph.initializer.append(tensor)
    else:
        before = [helper.make_node("Constant", [], ["c"], value=tensor)]
        if way == "shape":
            before[0].output[0] = "index"
            before += [
                helper.make_node("Shape", ["x"], ["sizes"]),
                helper.make_node("Gather", ["sizes", "index"], ["c"]),
            ]
        for at, each in enumerate(before):
            model.graph.node.insert(at, each)
    with pytest.raises(CompileError, match="numbers|text|type|constant"):
        compile_graph(load_graph(model))
