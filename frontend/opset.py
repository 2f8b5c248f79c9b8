"""Nodes of the `n2uq` domain: their parameters, how to make them, and how to read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from .expression import Expression, parse
from .schemas import DOMAIN

MAX_BITS = 8

Array = npt.NDArray[Any]
Rules = tuple[tuple[bool, ...], ...]

OUTPUTS = "n2uq.outputs"
"""Key of a model's ``meta``: the names of its outputs in the file."""


def output_names(model: ir.Model) -> list[str]:
    """Return the names of a graph's outputs in the file; the graph may rename and join them."""
    return list(model.meta.get(OUTPUTS) or [str(value.name) for value in model.graph.outputs])


@dataclass(frozen=True, eq=False)
class Threshold:
    """The parameters of an `n2uq.Threshold` node.

    Attributes:
        thresholds: float32 or float64 [1,K] (per tensor) or [C,K] (per channel), ascending.
        input_scale: float32 scalar multiplying X before the comparison.
        step: value of code `divisor`; code k has the value step*k/divisor.
        divisor: see `step`; 2**bits - 1 for a trained N2UQ quantizer.
        strict: True for `>`, False for `>=`.
        bits: bits of a code.
        ties: bool [K] or [C,K], the rule of each threshold where they differ; None if all follow
            `strict`.
    """

    thresholds: Array
    input_scale: np.float32
    step: float
    divisor: int
    strict: bool
    bits: int
    ties: Array | None = None

    @property
    def levels(self) -> int:
        """Number of thresholds K; codes are 0..K."""
        return int(self.thresholds.shape[1])

    @property
    def rules(self) -> Rules:
        """Rules of the thresholds, True for `>`, False for `>=`: one row, or one per channel."""
        return _rules(self.ties, self.strict, self.levels)


@dataclass(frozen=True, eq=False)
class Weight:
    """The parameters of an `n2uq.Weight` node.

    Attributes:
        codes: int8 or int16 [O,I,kh,kw] or [O,I], odd integers in ±(2**bits - 1), or any in
            -2**(bits - 1) .. 2**(bits - 1) - 1.
        step: float64 [O]; the weights of output channel o are codes[o]*step[o]/divisor.
        divisor: see `step`.
        bits: bits of a code.
        odd: whether codes are odd; N2UQ's are.
        levels: float64 [1,K] or [O,K] where codes 0..K-1 stand for uneven levels, which take the
            place of codes in the product; None where codes are the numbers themselves.
    """

    codes: Array
    step: Array
    divisor: int
    bits: int
    odd: bool = True
    levels: Array | None = None

    def values(self) -> Array:
        """The weights as float64 [O,I,kh,kw], rounded once from the real values."""
        numbers = self.codes
        if self.levels is not None:
            rows = np.broadcast_to(self.levels, (len(numbers), self.levels.shape[1]))
            flat = numbers.reshape(len(numbers), -1).astype(np.int64)
            numbers = np.take_along_axis(rows, flat, axis=1).reshape(numbers.shape)
        return numbers * (self.step / self.divisor).reshape(-1, *[1] * (self.codes.ndim - 1))


@dataclass(frozen=True, eq=False)
class Codebook:
    """The parameters of an `n2uq.Codebook` node.

    Attributes:
        thresholds: float32 or float64 [1,K] (per tensor) or [C,K] (per channel), ascending.
        input_scale: float32 scalar multiplying X before the comparison.
        levels: float64 [K+1], the value of every code, in any order.
        strict: True for `>`, False for `>=`.
        bits: bits of a code.
        ties: bool [K] or [C,K], the rule of each threshold where they differ; None if all follow
            `strict`.
    """

    thresholds: Array
    input_scale: np.float32
    levels: Array
    strict: bool
    bits: int
    ties: Array | None = None

    @property
    def rules(self) -> Rules:
        """Rules of the thresholds, True for `>`, False for `>=`: one row, or one per channel."""
        return _rules(self.ties, self.strict, int(self.thresholds.shape[1]))


def _rules(ties: Array | None, strict: bool, count: int) -> Rules:
    if ties is None:
        return ((strict,) * count,)
    return tuple(tuple(bool(t) for t in row) for row in np.atleast_2d(ties))


def initializer(graph: ir.Graph, name: str, array: Array) -> ir.Value:
    """Register a constant in `graph` under `name`, made unique if it is taken."""
    unique, tries = name, 1
    while unique in graph.initializers:
        unique, tries = f"{name}_{tries}", tries + 1
    tensor = ir.tensor(np.ascontiguousarray(array).reshape(np.shape(array)), name=unique)
    value = ir.val(unique, const_value=tensor)
    graph.register_initializer(value)
    return value


def make_threshold(graph: ir.Graph, x: ir.Value, params: Threshold, name: str) -> ir.Node:
    """Build a Threshold node on `x`; its constants are registered, the node is not yet placed.

    Args:
        graph: receives the initializers `<name>.thresholds`, `.input_scale`, `.step`.
        x: float32 [N,C,H,W] or [N,C].
        params: the quantizer.
        name: of the node; its output is `<name>_out` until a caller renames it.
    """
    inputs = [
        x,
        *_comparisons(graph, params, name),
        initializer(graph, f"{name}.step", np.array(params.step, np.float64)),
        *_ties(graph, params, name),
    ]
    attributes = {"divisor": params.divisor, "strict": int(params.strict), "bits": params.bits}
    return _elementwise("Threshold", inputs, attributes, name)


def make_rearrange(
    graph: ir.Graph, x: ir.Value, tables: Sequence[Array], shape: Sequence[int], name: str
) -> ir.Node:
    """Build a Rearrange node on `x`; its constants are registered, the node is not yet placed.

    Args:
        graph: receives the initializers `<name>.rows`, `.columns`, `.channels`.
        x: float32 [N,C,H,W], [N,C,L] or [N,F].
        tables: of rows, columns and channels of the result, int64; see `places`.
        shape: of the result, the batch included.
        name: of the node; its output is `<name>_out` until a caller renames it.
    """
    inputs = [
        x,
        *(
            initializer(graph, f"{name}.{axis}", np.asarray(table, np.int64))
            for axis, table in zip(("rows", "columns", "channels"), tables, strict=True)
        ),
    ]
    node = _elementwise("Rearrange", inputs, {"rank": len(shape)}, name)
    node.outputs[0].shape = ir.Shape(shape)
    return node


def read_rearrange(node: ir.Node) -> tuple[Array, Array, Array]:
    """Return the tables of a Rearrange node.

    Raises:
        ValueError: one is not an initializer.
    """
    return _input(node, 1), _input(node, 2), _input(node, 3)


def make_codebook(graph: ir.Graph, x: ir.Value, params: Codebook, name: str) -> ir.Node:
    """Build a Codebook node on `x`, as `make_threshold` does a Threshold."""
    inputs = [
        x,
        *_comparisons(graph, params, name),
        initializer(graph, f"{name}.levels", np.asarray(params.levels, np.float64)),
        *_ties(graph, params, name),
    ]
    attributes = {"strict": int(params.strict), "bits": params.bits}
    return _elementwise("Codebook", inputs, attributes, name)


def _comparisons(graph: ir.Graph, params: Threshold | Codebook, name: str) -> list[ir.Value]:
    """Register thresholds and input scale;
    thresholds are float64 only where float32 would round them.
    """
    thresholds = np.asarray(params.thresholds)
    with np.errstate(over="ignore"):  # infinity then shows that float32 is not exact
        single = thresholds.astype(np.float32)
    exact = np.array_equal(single, thresholds)
    return [
        initializer(graph, f"{name}.thresholds", single if exact else thresholds),
        initializer(graph, f"{name}.input_scale", np.array(params.input_scale, np.float32)),
    ]


def _ties(graph: ir.Graph, params: Threshold | Codebook, name: str) -> list[ir.Value]:
    if params.ties is None:
        return []
    return [initializer(graph, f"{name}.ties", np.asarray(params.ties, np.int8))]


def _elementwise(
    op_type: str, inputs: list[ir.Value], attributes: dict[str, int], name: str
) -> ir.Node:
    output = ir.val(f"{name}_out", ir.DataType.FLOAT)
    output.shape = inputs[0].shape.copy() if inputs[0].shape is not None else None
    return ir.node(op_type, inputs, attributes, domain=DOMAIN, name=name, outputs=[output])


def make_weight(graph: ir.Graph, params: Weight, name: str) -> ir.Node:
    """Build a Weight node; its constants are registered, the node is not yet placed."""
    narrow = np.int8 if np.abs(params.codes.astype(np.int64) + 0.5).max() < 128 else np.int16
    levels = (
        []
        if params.levels is None
        else [initializer(graph, f"{name}.levels", np.asarray(params.levels, np.float64))]
    )
    return ir.node(
        "Weight",
        [
            initializer(graph, f"{name}.codes", params.codes.astype(narrow)),
            initializer(graph, f"{name}.step", np.asarray(params.step, np.float64)),
            *levels,
        ],
        {"divisor": params.divisor, "bits": params.bits, "odd": int(params.odd)},
        domain=DOMAIN,
        name=name,
        outputs=[ir.val(f"{name}_out", ir.DataType.FLOAT, params.codes.shape)],
    )


def make_function(
    graph: ir.Graph, x: ir.Value, term: Expression, rows: list[Array], after: ir.Node
) -> ir.Node:
    """Build a Function node on `x` in the place of a node; the node is not yet placed.

    Args:
        graph: receives the initializers `<name>.p0`, …
        x: float32 [N,C,H,W] or [N,C].
        term: the function.
        rows: its parameters, each [C].
        after: gives its name and that of its output.
    """
    name = str(after.name)
    inputs = [x, *(initializer(graph, f"{name}.p{k}", row) for k, row in enumerate(rows))]
    output = ir.val(f"{after.outputs[0].name}.function", ir.DataType.FLOAT)
    attributes = {"expression": str(term)}
    return ir.node("Function", inputs, attributes, domain=DOMAIN, name=name, outputs=[output])


def read_function(node: ir.Node) -> tuple[Expression, list[Array]]:
    """Return the function of a Function node, and its parameters.

    Raises:
        ValueError: a parameter is not an initializer, or the expression cannot be read.
    """
    rows = [_input(node, k) for k in range(1, len(node.inputs))]
    return parse(node.attributes.get_string("expression", "")), rows


def constant(value: ir.Value | None) -> Array | None:
    """Return the array of an initializer, None for anything else."""
    if value is None or value.const_value is None:
        return None
    return value.const_value.numpy()


def _input(node: ir.Node, index: int) -> Array:
    array = constant(node.inputs[index])
    if array is None:
        raise ValueError(f"{node.op_type} '{node.name}': input {index} is not an initializer")
    return array


def is_op(node: ir.Node | None, op_type: str) -> bool:
    """Return whether `node` is the n2uq operator `op_type`."""
    return node is not None and node.domain == DOMAIN and node.op_type == op_type


def integer(node: ir.Node, name: str) -> int:
    """An attribute that a node of the domain must have.

    Raises:
        ValueError: it is missing.
    """
    value = node.attributes.get_int(name)
    if value is None:
        raise ValueError(f"{node.op_type} '{node.name}' has no attribute {name}")
    return value


def read_threshold(node: ir.Node) -> Threshold:
    """Return the parameters of a Threshold node.

    Raises:
        ValueError: a parameter is not an initializer.
    """
    return Threshold(
        thresholds=_input(node, 1),
        input_scale=np.float32(_input(node, 2)),
        step=float(_input(node, 3)),
        divisor=integer(node, "divisor"),
        strict=bool(integer(node, "strict")),
        bits=integer(node, "bits"),
        ties=_read_ties(node),
    )


def _read_ties(node: ir.Node) -> Array | None:
    return _input(node, 4).astype(bool) if len(node.inputs) > 4 and node.inputs[4] else None


def read_codebook(node: ir.Node) -> Codebook:
    """Return the parameters of a Codebook node.

    Raises:
        ValueError: a parameter is not an initializer.
    """
    return Codebook(
        thresholds=_input(node, 1),
        input_scale=np.float32(_input(node, 2)),
        levels=_input(node, 3),
        strict=bool(integer(node, "strict")),
        bits=integer(node, "bits"),
        ties=_read_ties(node),
    )


def read_weight(node: ir.Node) -> Weight:
    """Return the parameters of a Weight node.

    Raises:
        ValueError: a parameter is not an initializer.
    """
    return Weight(
        codes=_input(node, 0),
        step=_input(node, 1),
        divisor=integer(node, "divisor"),
        bits=integer(node, "bits"),
        odd=bool(node.attributes.get_int("odd", 1)),
        levels=_input(node, 2) if len(node.inputs) > 2 and node.inputs[2] else None,
    )
