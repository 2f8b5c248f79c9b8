"""Kinds of networks that crashed, were refused or came out wrong at some time: for the corpus.

Small models in ONNX's text form; the drawn ones of `network.py` have their kinds in passing, these
have nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import onnx

from tests.frontend.networks import build

_X = "float[N,2,4,4] x"


def _weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).choice([-0.5, 0.5, 1.5], shape).astype(np.float32)


def _model(body: str, x: str = _X, opset: int = 17, **parameters: Any) -> onnx.ModelProto:
    return build(body, parameters, x=x, opset=opset)


def _doublings(count: int) -> onnx.ModelProto:
    """Return a chain of x + x: its range leaves every format."""
    lines = [f"a{k + 1} = Add (a{k}, a{k})" for k in range(count)]
    return _model(
        "a0 = Conv (x, W)\n" + "\n".join(lines) + f"\ny = Relu (a{count})", W=_weights(2, 2, 1, 1)
    )


def _uneven() -> onnx.ModelProto:
    """Return one channel a billion times as large as the other."""
    w = _weights(2, 2, 1, 1)
    w[1] *= np.float32(1e9)
    return _model("y = Conv (x, W)", W=w)


def _huge_weight() -> onnx.ModelProto:
    w = _weights(2, 2, 3, 3)
    w[0, 0, 1, 1] = 1e20
    return _model("y = Conv <pads = [1, 1, 1, 1]> (x, W)", W=w)


def _functions(depth: int) -> onnx.ModelProto:
    """Functions that call each other twice: 2 ** depth nodes when unfolded."""
    model = _model("y = Relu (x)")
    model.opset_import.append(onnx.helper.make_opsetid("f", 1))
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("f", 1)]
    for k in range(depth):
        inner, domain = (f"f{k - 1}", "f") if k else ("Relu", "")
        nodes = [
            onnx.helper.make_node(inner, ["a"], ["b"], domain=domain),
            onnx.helper.make_node(inner, ["b"], ["c"], domain=domain),
        ]
        model.functions.append(onnx.helper.make_function("f", f"f{k}", ["a"], ["c"], nodes, opsets))
    model.graph.node[0].op_type, model.graph.node[0].domain = f"f{depth - 1}", "f"
    return model


def _branch() -> onnx.ModelProto:
    """Return an If whose constant branch reads a value from outside."""
    one = "g () => (float[] a) { a = Relu (x) }"
    other = "h () => (float[] b) { b = Neg (x) }"
    body = f"y = If (c) <then_branch = {one}, else_branch = {other}>"
    return _model(body, c=np.array(True))


def _rounded(body: str, alpha: float, levels: int, x: str = _X) -> onnx.ModelProto:
    """Return a quantizer of a trained bound before a convolution; ``body`` makes q of x."""
    step = np.float32(alpha) / np.float32(levels)
    numbers = {"zero": 0, "one": 1, "alpha": alpha, "top": levels, "s": step, "r": 1 / step}
    parameters = {name: np.float32(v) for name, v in numbers.items()}
    return _model(f"{body}\ny = Conv (q, W)", x=x, W=_weights(2, 2, 1, 1), **parameters)


_PACT = "a = Clip (x, zero, alpha)\nb = Mul (a, r)\nc = Round (b)\nq = Div (c, r)"
_LSQ = "a = Div ({x}, s)\nb = Round (a)\nc = Clip (b, zero, top)\nq = Mul (c, s)"
_LAST = "t = Transpose <perm = [0, 3, 1, 2]> (x)\n"


def _with_weights(body: str, **shapes: tuple[int, ...]) -> onnx.ModelProto:
    numbers = {"third": np.float32(0.37), "one": np.float32(1), "minus": np.float32(-1)}
    numbers["three"] = np.float32(3)
    return _model(body, **numbers, **{name: _weights(*shape) for name, shape in shapes.items()})


def _grouped() -> onnx.ModelProto:
    """Return a grouped convolution of what a Reshape made of a flattened map."""
    shape = np.array([0, 32, 1, 1], np.int64)
    body = "a = Flatten (x)\nb = Reshape (a, r)\ny = Conv <group = 2> (b, W)"
    return _model(body, r=shape, W=_weights(4, 16, 1, 1))


def _pool(count: int) -> onnx.ModelProto:
    options = f"kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = {count}"
    return _model(f"y = AveragePool <{options}> (x)")


_SMALL = (2, 2, 1, 1)

KNOWN: tuple[Callable[[], onnx.ModelProto], ...] = (
    *(partial(_with_weights, f"a = {op} (x, third)\ny = Conv (a, W)", W=_SMALL)
      for op in ("Mul", "Add", "Div", "Sub")),
    partial(_with_weights, "a = Flatten (x)\nb = Relu (x)\nc = Flatten (b)\n"
            "d = Concat <axis = 1> (a, c)\ny = MatMul (d, W)", W=(64, 3)),
    _grouped,
    *(partial(_rounded, _PACT, alpha, 3) for alpha in (1.0, 2.5, 3.1)),
    *(partial(_rounded, _LSQ.format(x="x"), alpha, 7) for alpha in (1.0, 3.1)),
    partial(_rounded, _LAST + _LSQ.format(x="t"), 0.9, 3, "float[1,4,4,2] x"),
    partial(_with_weights, "a = Conv (x, W)\nb = Conv (x, V)\ny = Sub (a, b)", W=_SMALL, V=_SMALL),
    partial(_with_weights, "s = Sign (x)\ny = Conv (s, W)", W=(2, 2, 3, 3)),
    partial(_with_weights, "a = Clip (x, minus, one)\nb = Sub (a, three)\nc = Relu (b)\n"
            "y = Add (c, one)"),
    partial(_with_weights, "a = Mul (x, third)\nb = Conv (x, W)\nc = Add (b, a)\n"
            "d = Add (c, x)\ny = Relu (d)", W=_SMALL),
    *(partial(_pool, count) for count in (0, 1, 3)),
    *(partial(_doublings, count) for count in (5, 55)),
    _uneven,
    _huge_weight,
    partial(_functions, 6),
    _branch,
)  # fmt: skip
