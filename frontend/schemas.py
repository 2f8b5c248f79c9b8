"""Schemas of the `n2uq` operator domain, and the list of operators of a canonical graph."""

from __future__ import annotations

import onnx
from onnx.defs import OpSchema

DOMAIN = "n2uq"
VERSION = 1
QUANTIZERS = ("Threshold", "Codebook")
"""The operators of activations' quantizers."""
STANDARD_VERSION = 18
"""Opset of the standard domain in a canonical graph, whatever the file had: in canonical form the
operators mean the same in every supported opset, and have no training mode.
"""


def _attribute(name: str, doc: str, default: int | None = None) -> OpSchema.Attribute:
    if default is None:
        return OpSchema.Attribute(name, OpSchema.AttrType.INT, doc, required=True)
    return OpSchema.Attribute(name, onnx.helper.make_attribute(name, default), doc)


_COMPARED = (
    OpSchema.FormalParameter("X", "tensor(float)", "[N,C,H,W] or [N,C]"),
    OpSchema.FormalParameter(
        "thresholds", "R", "[1,K] or [C,K], ascending; float64 where float32 would round them"
    ),
    OpSchema.FormalParameter("input_scale", "tensor(float)", "scalar, not 0"),
)
_TIES = OpSchema.FormalParameter(
    "ties",
    "tensor(int8)",
    "[K] or [C,K], 1 for > and 0 for >=; replaces strict",
    param_option=OpSchema.FormalParameterOption.Optional,
)
_QUANTIZED = OpSchema.FormalParameter("Y", "tensor(float)", "shape of X")
_DIVISOR = _attribute("divisor", "one code is worth step/divisor")
_RULES = (
    _attribute("strict", "1: a tie gives the lower code (>), 0: the higher (>=)"),
    _attribute("bits", "bits of a code 0..K"),
)
_REAL = ("R", ["tensor(float)", "tensor(double)"], "numbers taken as exact")


SCHEMAS: tuple[OpSchema, ...] = (
    OpSchema(
        "Threshold",
        DOMAIN,
        VERSION,
        doc="Y = step/divisor * sum_k [input_scale*X > thresholds[k]] in real arithmetic; "
        "`>=` when strict is 0; threshold k by its own rule, ties[k], where ties is given (rounding"
        " half to even alternates). N2UQ, Liu et al., CVPR 2022, section 3.1.",
        type_constraints=[_REAL],
        inputs=[
            *_COMPARED,
            OpSchema.FormalParameter("step", "tensor(double)", "scalar"),
            _TIES,
        ],
        outputs=[_QUANTIZED],
        attributes=[_DIVISOR, *_RULES],
    ),
    OpSchema(
        "Weight",
        DOMAIN,
        VERSION,
        doc="W[o] = codes[o] * step[o]/divisor in real arithmetic; codes are odd integers in "
        "±(2**bits - 1), or any in two's complement of that width where odd is 0. N2UQ, Liu et "
        "al., CVPR 2022, section 3.3. Where levels is given, W[o] = levels[o, codes[o]] * "
        "step[o]/divisor, codes counting from 0: LCQ, Yamamoto, CVPR 2021.",
        type_constraints=[("Code", ["tensor(int8)", "tensor(int16)"], "codes")],
        inputs=[
            OpSchema.FormalParameter("codes", "Code", "[O,I,kh,kw] of a Conv, [O,I] of a Gemm"),
            OpSchema.FormalParameter("step", "tensor(double)", "[O], 0 or positive"),
            OpSchema.FormalParameter(
                "levels",
                "tensor(double)",
                "[1,K], or [O,K] where they differ by output channel",
                param_option=OpSchema.FormalParameterOption.Optional,
            ),
        ],
        outputs=[OpSchema.FormalParameter("W", "tensor(float)", "shape of codes")],
        attributes=[
            _DIVISOR,
            _attribute("bits", "bits of a code"),
            _attribute("odd", "1: codes are odd, 0: ordinary signed integers", default=1),
        ],
    ),
    OpSchema(
        "Codebook",
        DOMAIN,
        VERSION,
        doc="Y = levels[sum_k [input_scale*X > thresholds[k]]] in real arithmetic; `>=` when strict"
        " is 0. Nonuniform output levels: LQ-Nets, Zhang et al., ECCV 2018; APoT, Li et al., ICLR "
        "2020; LCQ, Yamamoto, CVPR 2021.",
        type_constraints=[_REAL],
        inputs=[
            *_COMPARED,
            OpSchema.FormalParameter("levels", "tensor(double)", "[K+1], of any order"),
            _TIES,
        ],
        outputs=[_QUANTIZED],
        attributes=[*_RULES],
    ),
    OpSchema(
        "Function",
        DOMAIN,
        VERSION,
        doc="Y = f(X) in real arithmetic, for each value by itself. f is an expression over x and "
        "p0, p1, …, the numbers of a channel, in prefix notation: mul(x,sigmoid(mul(p0,x))).",
        type_constraints=[_REAL],
        inputs=[
            OpSchema.FormalParameter("X", "tensor(float)", "[N,C,H,W] or [N,C]"),
            OpSchema.FormalParameter(
                "parameters",
                "R",
                "[C]",
                param_option=OpSchema.FormalParameterOption.Variadic,
                min_arity=0,
            ),
        ],
        outputs=[OpSchema.FormalParameter("Y", "tensor(float)", "shape of X")],
        attributes=[
            OpSchema.Attribute(
                "expression", OpSchema.AttrType.STRING, "the function f", required=True
            )
        ],
    ),
    OpSchema(
        "Rearrange",
        DOMAIN,
        VERSION,
        doc="Y[n,c,i,j] = X[n] in the order (H, W, C) at the place rows[i] + columns[j] + "
        "channels[c]; 0 where one of the three is -1. Reshape, Transpose, Slice, Gather, Pad, "
        "nearest Resize and others, and chains of them.",
        type_constraints=[_REAL],
        inputs=[
            OpSchema.FormalParameter("X", "tensor(float)", "[N,C,H,W], [N,C,L] or [N,F]"),
            OpSchema.FormalParameter("rows", "tensor(int64)", "[H] of the result"),
            OpSchema.FormalParameter("columns", "tensor(int64)", "[W] of the result"),
            OpSchema.FormalParameter("channels", "tensor(int64)", "[C] of the result"),
        ],
        outputs=[OpSchema.FormalParameter("Y", "tensor(float)", "[N,C,H,W], [N,C,L] or [N,F]")],
        attributes=[_attribute("rank", "axes of Y, the batch included")],
    ),
)

CANONICAL_OPS: dict[str, frozenset[str]] = {
    "": frozenset(
        "Conv BatchNormalization Concat Add Sub Mul Div PRelu Relu LeakyRelu Clip MaxPool "
        "AveragePool GlobalAveragePool Flatten Gemm Reshape Transpose".split()
    ),
    DOMAIN: frozenset(schema.name for schema in SCHEMAS),
}
