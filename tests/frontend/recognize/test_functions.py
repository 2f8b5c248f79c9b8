"""Functions of one tensor, as exporters write them: one node, named, of the same values."""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.frontend.expression_forms import title
from n2uqc.frontend.opset import is_op, read_function
from n2uqc.frontend.summary import summarize
from tests.frontend.networks import build, check_same, node, ops, refused

OPERATORS = [  # opset, nodes, parameters, name
    (17, "y = Sigmoid (x)", {}, "Sigmoid"),
    (17, "y = Tanh (x)", {}, "Tanh"),
    (17, "y = Sin (x)", {}, "Sin"),
    (17, "y = Cos (x)", {}, "Cos"),
    (17, "y = Atan (x)", {}, "Atan"),
    (17, "a = Sin (x) b = Cos (x) y = Mul (a, b)", {}, "mul(cos(x),sin(x))"),
    (17, "y = Softplus (x)", {}, "Softplus"),
    (17, "y = HardSwish (x)", {}, "HardSwish"),
    (17, "y = Elu (x)", {}, "ELU"),
    (17, "y = Elu <alpha = 0.5> (x)", {}, "add(max(0,x),mul(0.5,expm1(min(0,x))))"),
    (17, "y = Selu (x)", {}, "mul(1.0507,add(max(0,x),mul(1.67326,expm1(min(0,x)))))"),
    (17, "y = Celu <alpha = 2.0> (x)", {}, "add(max(0,x),mul(2,expm1(mul(0.5,min(0,x)))))"),
    (18, "y = Mish (x)", {}, "Mish"),
    (17, "y = Shrink <lambd = 0.5, bias = 0.5> (x)", {},
     "add(max(0,add(-0.5,x)),min(0,add(0.5,x)))"),
    (17, "y = Shrink <lambd = 1.0> (x)", {}, "above(-1,x,x,above(x,1,x,0))"),
    (17, "y = ThresholdedRelu <alpha = 0.5> (x)", {}, "above(x,0.5,x,0)"),
    (20, "y = Gelu (x)", {}, "GELU"),
    (20, 'y = Gelu <approximate = "tanh"> (x)', {}, "GELU"),
    (17, "s = Sigmoid (x) y = Mul (s, x)", {}, "SiLU"),
    (17, "b = Mul (x, k) s = Sigmoid (b) y = Mul (x, s)", {"k": 1.702}, "QuickGELU"),
    (17, "a = Add (x, c) b = Clip (a, z, s) m = Mul (x, b) y = Div (m, s)",
     {"c": 3.0, "z": 0.0, "s": 6.0}, "HardSwish"),
    (17, "h = HardSigmoid <alpha = 0.16666667, beta = 0.5> (x) y = Mul (x, h)", {}, "HardSwish"),
    (17, "d = Div (x, r) e = Erf (d) o = Add (e, one) m = Mul (x, o) y = Mul (m, h)",
     {"r": np.sqrt(2), "one": 1.0, "h": 0.5}, "GELU"),
    (17, "c = Pow (x, p) m = Mul (c, k) a = Add (x, m) s = Mul (a, r) t = Tanh (s) "
     "o = Add (t, one) g = Mul (x, h) y = Mul (g, o)",
     {"p": 3.0, "k": 0.044715, "r": np.sqrt(2 / np.pi), "one": 1.0, "h": 0.5}, "GELU"),
    (17, "e = Exp (x) a = Add (e, one) y = Log (a)", {"one": 1.0}, "Softplus"),
    (17, "n = Neg (x) e = Exp (n) a = Add (e, one) y = Div (x, a)", {"one": 1.0}, "SiLU"),
    (17, "s = Softplus (x) t = Tanh (s) y = Mul (x, t)", {}, "Mish"),
    (17, "q = Mul (x, x) a = Add (q, one) r = Sqrt (a) y = Div (x, r)", {"one": 1.0},
     "div(x,sqrt(add(1,pow(x,2))))"),
    (17, "a = Abs (x) b = Add (a, one) y = Reciprocal (b)", {"one": 1.0},
     "div(1,add(1,abs(x)))"),
    (17, "t = Tanh (x) y = Add (x, t)", {}, "add(x,tanh(x))"),
    (17, "s = Softplus (x) g = Greater (x, far) y = Where (g, x, s)", {"far": 20.0}, "Softplus"),
    (17, "s = Sigmoid (x) y = Log (s)", {}, "LogSigmoid"),
    (17, "b = Mul (x, k) s = Sigmoid (b) y = Mul (x, s)",
     {"k": np.array([[[[0.5]], [[2.0]]]])}, "mul(x,sigmoid(mul(x,p0)))"),
]  # fmt: skip


@pytest.mark.parametrize(("opset", "body", "parameters", "name"), OPERATORS)
def test_one_node(opset: int, body: str, parameters: dict[str, object], name: str) -> None:
    """The values are those of onnxruntime; what exporters decompose is one function again."""
    graph = check_same(build(body, parameters, opset=opset))
    (function,) = (n for n in graph.graph if is_op(n, "Function"))
    assert len(graph.graph) == 1
    assert title(read_function(function)[0]) == name
    assert [layer.op for layer in summarize(graph).layers] == [name]


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("y = Abs (x)", ["PRelu"]),
        ("y = HardSigmoid (x)", ["Mul", "Add", "Clip"]),
        ("s = Softsign (x) y = Add (s, k)", ["Function", "Add"]),
        ("b = Mul (x, k) s = Sigmoid (b) y = Conv (s, w)", ["Mul", "Function", "Conv"]),
        ("a = Abs (x) b = Relu (x) y = Add (a, b)", ["Function"]),
        (
            "a = Sigmoid (x) b = Sigmoid (a) c = Relu (b) y = Mul (c, k)",
            ["Function", "Relu", "Mul"],
        ),
    ],
)
def test_what_stays_apart(body: str, left: list[str]) -> None:
    """Scales around a function, and what is linear by pieces, are operators by themselves."""
    made = {"k": 3.0, "w": np.eye(2).reshape(2, 2, 1, 1)} if "Conv" in body else {"k": 3.0}
    assert ops(check_same(build(body, made))) == left


def test_skip_connections_stay() -> None:
    """A sum with another tensor, or with a clamp of the same one, is no function."""
    graph = check_same(build("r = Relu (x) y = Add (x, r)"))
    assert ops(graph) == ["Relu", "Add"]


def test_two_tensors_are_no_function() -> None:
    """A gate that a convolution computes is a function, its product with the map is none."""
    weight = np.eye(2).reshape(2, 2, 1, 1)
    graph = check_same(build("c = Conv (x, w) s = Sigmoid (c) y = Mul (x, s)", {"w": weight}))
    assert ops(graph) == ["Conv", "Function", "Mul"]


def test_division_by_zero_is_refused() -> None:
    (problem,) = refused(build("t = Tanh (x) d = Div (t, z) [e] y = Exp (d)", {"z": 0.0}))
    assert "division by 0" in problem.found


@pytest.mark.parametrize(
    "body",
    [
        "g = Greater (x, t) h = Less (x, k) y = Where (g, x, h)",
        "g = Greater (x, t) h = Less (x, k) i = Where (g, h, x) y = Tanh (i)",
        "g = Greater (x, t) s = Sigmoid (g) y = Mul (x, s)",
        "s = Sigmoid (x) y = Where (s, x, s)",
    ],
)
def test_comparisons_are_no_numbers(body: str) -> None:
    """What ONNX's types forbid is refused, and no part of a function."""
    assert refused(build(body, {"t": 1.0, "k": 2.0}))


def test_a_function_of_a_gate_and_alone() -> None:
    """Both values that others read are functions of their own."""
    graph = check_same(build("s = Sigmoid (x) m = Mul (x, s) y = Concat <axis = 1> (s, m)"))
    assert ops(graph) == ["Function", "Function", "Concat"]
    assert node(graph, "Concat").name


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("a = Add (x, c) b = Clip (a, z, s) f = Mul (x, b)", "mul(x,min(6,max(0,add(3,x))))"),
        ("f = Tanh (x)", "Tanh"),
        ("e = Exp (x) o = Add (e, one) f = Log (o)", "Softplus"),
    ],
)
def test_a_rounded_function_is_no_companding_quantizer(body: str, name: str) -> None:
    """Its quantizer stays uniform, and the function exact."""
    rounding = "d = Div (f, h) k = Clip (d, z, top) r = Round (k) y = Mul (r, h)"
    made = {"c": 3.0, "z": 0.0, "s": 6.0, "one": 1.0, "h": 0.25, "top": 15.0}
    graph = check_same(build(f"{body} {rounding}", made))
    assert ops(graph) == ["Function", "Threshold"]
    assert title(read_function(node(graph, "Function"))[0]) == name
