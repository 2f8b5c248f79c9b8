"""One refusal for each kind of network that no program computes, whatever wrote it."""

from __future__ import annotations

import io
import warnings

import numpy as np
import onnx
import pytest
from onnx import helper

from n2uqc.frontend.load import load_graph
from tests.frontend.integer_operators.networks import model_of
from tests.frontend.networks import ops, refused

ROW, TOKENS = "float[3,12] x", "float[2,6,8] x"
VALUES = {
    "s": np.float32(0.1), "g": np.ones(8, np.float32), "w": np.ones((8, 8), np.float32),
    "wi": np.ones((1, 16, 8), np.float32), "ri": np.ones((1, 16, 4), np.float32),
    "m": np.ones((12, 4), np.int8), "bits": np.float32(4), "fw": np.ones((12, 4), np.float32),
}  # fmt: skip
CODES = {"z": (0, "UINT8"), "zm": (0, "INT8")}
SDPA = """k = Transpose <perm = [0,2,1]> (x) [scores] a = MatMul (x, k)
    p = Softmax <axis = -1> (a) [mix] y = MatMul (p, x)"""

CASES = {
    "attention": (SDPA, TOKENS, "MatMul 'scores'", ["attention", "as 1 more nodes do"]),
    "attention as an operator": ("[a] y = Attention (x, x, x)", "float[1,2,6,8] x",
                                 "Attention 'a'", ["attention"]),
    "attention of onnxruntime": ("[a] y = M.MultiHeadAttention <num_heads = 2> (x, x, x)", TOKENS,
                                 "MultiHeadAttention 'a'", ["attention"]),
    "attention in codes": ("""q = QuantizeLinear (x, s, z) k = Transpose <perm = [0,2,1]> (q)
        [a] r = QLinearMatMul (q, s, z, k, s, z, s, z) y = DequantizeLinear (r, s, z)""",
                           TOKENS, "QLinearMatMul 'a'", ["attention"]),
    "attention by einsum": ('[a] y = Einsum <equation = "bic,bjc->bij"> (x, x)', TOKENS,
                            "Einsum 'a'", ["attention"]),
    "recurrence": ("[a] y, h, c = LSTM <hidden_size = 4> (x, wi, ri)", TOKENS, "LSTM 'a'",
                   ["recurrence", "convolutions over the sequence"]),
    "normalization": ("[a] y = LpNormalization (x)", TOKENS, "LpNormalization 'a'",
                      ["its own statistics", "BatchNorm"]),
    "scales of each image": ("""[a] q, t, u = DynamicQuantizeLinear (x)
        c = MatMulInteger (q, m, u) d = Cast <to = 1> (c) y = Mul (d, t)""", ROW,
                             "DynamicQuantizeLinear 'a'", ["each image", "quantize_static"]),
    "and product": ("[a] y = M.DynamicQuantizeMatMul (x, m, s, zm)", ROW,
                    "DynamicQuantizeMatMul 'a'", ["each image", "quantize_static"]),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(CASES))
def test_one_refusal(case: str) -> None:
    body, shape, node, words = CASES[case]
    opset = 23 if case == "attention as an operator" else 17
    model = model_of(body, VALUES, CODES, shape, opset)
    (problem,) = refused(model, node, *words)
    assert problem.hint


def test_both_kinds_are_named() -> None:
    body = SDPA.replace("y = ", "t = ") + "\n[norm] y = LpNormalization (t)"
    problems = refused(model_of(body, VALUES, {}, TOKENS), "attention", "its own statistics")
    assert [p.node for p in problems] == ["scores", "norm"]


@pytest.mark.parametrize(
    ("domain", "op", "words"),
    [
        ("qonnx.custom_op.general", "FloatQuant", ["floating-point format", "Brevitas"]),
        ("finn.custom_op.fpgadataflow", "MVAU", ["hardware layer", "convert_to_hw_layers"]),
    ],
)
def test_other_domains(domain: str, op: str, words: list[str]) -> None:
    model = model_of("[a] y = Relu (x)", {}, {})
    model.graph.node[0].op_type, model.graph.node[0].domain = op, domain
    model.opset_import.append(helper.make_opsetid(domain, 1))
    refused(model, f"{op} 'a'", *words)


def test_weights_computed_from_constants_are_no_attention() -> None:
    """Nor are those that depend on the input's size alone."""
    body = """n = Shape (x) f = Cast <to = 1> (n) t = ReduceMax (f) d = Div (t, t)
        v = Mul (fw, d) y = MatMul (x, v)"""
    assert ops(load_graph(model_of(body, VALUES, {}, ROW))) == ["Gemm"]


@pytest.mark.parametrize(
    ("kind", "dynamo"),
    [
        ("LSTM", False), ("LSTM", True), ("GRU", False), ("GRU", True), ("RNN", False),
        ("MultiheadAttention", False), ("MultiheadAttention", True),
    ],
)  # fmt: skip
def test_pytorch(kind: str, dynamo: bool) -> None:
    """Both exporters; the newer one writes an RNN as its steps, which are no recurrence."""
    torch = pytest.importorskip("torch")

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            attention = kind == "MultiheadAttention"
            build = getattr(torch.nn, kind)
            self.part = build(8, 2 if attention else 4, batch_first=True)
            self.inputs = 3 if attention else 1

        def forward(self, x):  # type: ignore[no-untyped-def]
            return self.part(*[x] * self.inputs)[0]

    target = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.onnx.export(
            Network().eval(), (torch.randn(1, 6, 8),), None if dynamo else target, dynamo=dynamo,
            **({} if dynamo else {"opset_version": 17}),
        )  # fmt: skip
    model = exported.model_proto if dynamo else onnx.load_from_string(target.getvalue())
    problems = refused(model, "attention" if kind.startswith("M") else "recurrence")
    assert len(problems) == 1
