"""The `n2uq` operator domain: schemas as data, constructors and readers of its two nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from onnx.defs import OpSchema

DOMAIN = "n2uq"
VERSION = 1
STANDARD_VERSION = 18
"""Opset of the standard domain in a canonical graph, whatever the file had: its operators, in
canonical form, mean the same in every opset that is read, and have no training mode."""
MAX_BITS = 8

Array = npt.NDArray[Any]


def _attribute(name: str, doc: str) -> OpSchema.Attribute:
    return OpSchema.Attribute(name, OpSchema.AttrType.INT, doc, required=True)


SCHEMAS: tuple[OpSchema, ...] = (
    OpSchema(
        "Threshold",
        DOMAIN,
        VERSION,
        doc="Y = step/divisor * sum_k [input_scale*X > thresholds[k]] in real arithmetic; "
        "`>=` when strict is 0. N2UQ, Liu et al., CVPR 2022, section 3.1.",
        inputs=[
            OpSchema.FormalParameter("X", "tensor(float)", "[N,C,H,W] or [N,C]"),
            OpSchema.FormalParameter("thresholds", "tensor(float)", "[1,K] or [C,K], ascending"),
            OpSchema.FormalParameter("input_scale", "tensor(float)", "scalar, not 0"),
            OpSchema.FormalParameter("step", "tensor(double)", "scalar"),
        ],
        outputs=[OpSchema.FormalParameter("Y", "tensor(float)", "shape of X")],
        attributes=[
            _attribute("divisor", "one code is worth step/divisor"),
            _attribute("strict", "1: a tie gives the lower code (>), 0: the higher (>=)"),
            _attribute("bits", "bits of a code 0..K"),
        ],
    ),
    OpSchema(
        "Weight",
        DOMAIN,
        VERSION,
        doc="W[o] = codes[o] * step[o]/divisor in real arithmetic; codes are odd integers in "
        "±(2**bits - 1). N2UQ, Liu et al., CVPR 2022, section 3.3.",
        inputs=[
            OpSchema.FormalParameter("codes", "tensor(int8)", "[O,I,kh,kw]"),
            OpSchema.FormalParameter("step", "tensor(double)", "[O], positive"),
        ],
        outputs=[OpSchema.FormalParameter("W", "tensor(float)", "shape of codes")],
        attributes=[
            _attribute("divisor", "one code is worth step/divisor"),
            _attribute("bits", "bits of a code"),
        ],
    ),
)

CANONICAL_OPS: dict[str, frozenset[str]] = {
    "": frozenset(
        "Conv BatchNormalization Add Sub Mul Div PRelu Relu LeakyRelu Clip MaxPool AveragePool "
        "GlobalAveragePool Flatten Gemm".split()
    ),
    DOMAIN: frozenset(schema.name for schema in SCHEMAS),
}


@dataclass(frozen=True, eq=False)
class Threshold:
    """What one `n2uq.Threshold` node computes.

    Attributes:
        thresholds: float32 [1,K] (per tensor) or [C,K] (per channel), ascending.
        input_scale: float32 scalar multiplying X before the comparison.
        step: value of code `divisor`; code k is worth step*k/divisor.
        divisor: see `step`; 2**bits - 1 for a trained N2UQ quantizer.
        strict: True for `>`, False for `>=`.
        bits: bits of a code.
    """

    thresholds: Array
    input_scale: np.float32
    step: float
    divisor: int
    strict: bool
    bits: int

    @property
    def levels(self) -> int:
        """Number of thresholds K; codes are 0..K."""
        return int(self.thresholds.shape[1])


@dataclass(frozen=True, eq=False)
class Weight:
    """What one `n2uq.Weight` node holds.

    Attributes:
        codes: int8 [O,I,kh,kw], odd integers in ±(2**bits - 1).
        step: float64 [O]; output channel o is worth codes[o]*step[o]/divisor.
        divisor: see `step`.
        bits: bits of a code.
    """

    codes: Array
    step: Array
    divisor: int
    bits: int

    def values(self) -> Array:
        """The weights as float64 [O,I,kh,kw], rounded once from the real values."""
        return self.codes * (self.step / self.divisor).reshape(-1, *[1] * (self.codes.ndim - 1))


def initializer(graph: ir.Graph, name: str, array: Array) -> ir.Value:
    """Registers a constant in `graph` under `name`, made unique if it is taken."""
    unique, tries = name, 1
    while unique in graph.initializers:
        unique, tries = f"{name}_{tries}", tries + 1
    tensor = ir.tensor(np.ascontiguousarray(array).reshape(np.shape(array)), name=unique)
    value = ir.val(unique, const_value=tensor)
    graph.register_initializer(value)
    return value


def make_threshold(graph: ir.Graph, x: ir.Value, params: Threshold, name: str) -> ir.Node:
    """Builds a Threshold node on `x`; its constants are registered, the node is not yet placed.

    Args:
        graph: receives the initializers `<name>.thresholds`, `.input_scale`, `.step`.
        x: float32 [N,C,H,W] or [N,C].
        params: the quantizer.
        name: of the node; its output is `<name>_out` until a caller renames it.
    """
    node = ir.node(
        "Threshold",
        [
            x,
            initializer(graph, f"{name}.thresholds", np.asarray(params.thresholds, np.float32)),
            initializer(graph, f"{name}.input_scale", np.array(params.input_scale, np.float32)),
            initializer(graph, f"{name}.step", np.array(params.step, np.float64)),
        ],
        {"divisor": params.divisor, "strict": int(params.strict), "bits": params.bits},
        domain=DOMAIN,
        name=name,
        outputs=[ir.val(f"{name}_out", ir.DataType.FLOAT)],
    )
    node.outputs[0].shape = x.shape.copy() if x.shape is not None else None
    return node


def make_weight(graph: ir.Graph, params: Weight, name: str) -> ir.Node:
    """Builds a Weight node; its constants are registered, the node is not yet placed."""
    return ir.node(
        "Weight",
        [
            initializer(graph, f"{name}.codes", np.asarray(params.codes, np.int8)),
            initializer(graph, f"{name}.step", np.asarray(params.step, np.float64)),
        ],
        {"divisor": params.divisor, "bits": params.bits},
        domain=DOMAIN,
        name=name,
        outputs=[ir.val(f"{name}_out", ir.DataType.FLOAT, params.codes.shape)],
    )


def constant(value: ir.Value | None) -> Array | None:
    """The array of an initializer, None for anything else."""
    if value is None or value.const_value is None:
        return None
    return value.const_value.numpy()


def _input(node: ir.Node, index: int) -> Array:
    array = constant(node.inputs[index])
    if array is None:
        raise ValueError(f"{node.op_type} '{node.name}': input {index} is not an initializer")
    return array


def is_op(node: ir.Node | None, op_type: str) -> bool:
    """Whether `node` is the n2uq operator `op_type`."""
    return node is not None and node.domain == DOMAIN and node.op_type == op_type


def read_threshold(node: ir.Node) -> Threshold:
    """The parameters of a Threshold node.

    Raises:
        ValueError: a parameter is not an initializer.
    """
    return Threshold(
        thresholds=_input(node, 1),
        input_scale=np.float32(_input(node, 2)),
        step=float(_input(node, 3)),
        divisor=node.attributes.get_int("divisor"),
        strict=bool(node.attributes.get_int("strict")),
        bits=node.attributes.get_int("bits"),
    )


def read_weight(node: ir.Node) -> Weight:
    """The parameters of a Weight node.

    Raises:
        ValueError: a parameter is not an initializer.
    """
    return Weight(
        codes=_input(node, 0),
        step=_input(node, 1),
        divisor=node.attributes.get_int("divisor"),
        bits=node.attributes.get_int("bits"),
    )
