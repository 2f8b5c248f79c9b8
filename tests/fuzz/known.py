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
    """A chain of x + x: its range leaves every format."""
    lines = [f"a{k + 1} = Add (a{k}, a{k})" for k in range(count)]
    return _model("a0 = Conv (x, W)\n" + "\n".join(lines) + f"\ny = Relu (a{count})", W=_weights(2, 2, 1, 1))


def _uneven() -> onnx.ModelProto:
    """One channel a billion times as large as the other."""
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
    """An If whose constant branch reads a value from outside."""
    body = "y = If (c) <then_branch = g () => (float[] a) { a = Relu (x) }, else_branch = h () => (float[] b) { b = Neg (x) }>"
    return _model(body, c=np.array(True))


_ROUND = "q0 = Clip (x, zero, alpha)\nq1 = Mul (q0, s)\nq2 = Round (q1)\nq3 = Div (q2, s)\ny = Conv (q3, W)"

KNOWN: tuple[Callable[[], onnx.ModelProto], ...] = (
    partial(_model, "a = Mul (x, s)\ny = Conv (a, W)", s=np.float32([[[0.3]], [[0.7]]]), W=_weights(3, 2, 1, 1)),
    partial(_model, "a = Flatten (x)\nb = Relu (x)\nc = Flatten (b)\nd = Concat <axis = 1> (a, c)\n"
            "y = Gemm <transB = 1> (d, W, h)", W=_weights(3, 64), h=np.float32([1, 2, 3])),
    partial(_model, "a = Flatten (x)\nb = Reshape (a, r)\ny = Conv <group = 2> (b, W)",
            r=np.int64([0, 32, 1, 1]), W=_weights(4, 16, 1, 1)),
    partial(_model, "t = Transpose <perm = [0, 3, 1, 2]> (x)\nq = Div (t, s)\nr = Round (q)\n"
            "c = Clip (r, zero, top)\nm = Mul (c, s)\ny = Conv (m, W)", x="float[1,4,4,2] x",
            s=np.float32(0.3), zero=np.float32(0), top=np.float32(3), W=_weights(2, 2, 1, 1)),
    partial(_model, _ROUND, zero=np.float32(0), alpha=np.float32(3.1), s=np.float32(3 / 3.1), W=_weights(2, 2, 1, 1)),
    partial(_model, "a = Conv (x, W)\nb = Conv (x, V)\ny = Sub (a, b)", W=_weights(2, 2, 1, 1), V=_weights(2, 2, 1, 1)[::-1]),
    partial(_model, "s = Sign (x)\ny = Conv (s, W)", W=_weights(2, 2, 3, 3)),
    partial(_model, "a = Clip (x, l, h)\nb = Sub (a, t)\nc = Relu (b)\ny = Add (c, one)", l=np.float32(-1),
            h=np.float32(1), t=np.float32(3), one=np.float32(1)),
    partial(_model, "a = Mul (x, s)\nb = Conv (x, W)\nc = Add (b, a)\nd = Add (c, x)\ny = Relu (d)",
            s=np.float32(0.37), W=_weights(2, 2, 1, 1)),
    partial(_model, "y = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1> (x)"),
    partial(_model, "a = Relu (x)\nb = Sub (x, a)\nc = Add (a, b)\ny = Conv (c, W)", W=_weights(2, 2, 1, 1)),
    *(partial(_doublings, count) for count in (5, 55)),
    _uneven,
    _huge_weight,
    partial(_functions, 6),
    _branch,
)  # fmt: skip
