"""Search for the values of a graph that are elementwise functions of one tensor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
import onnx_ir as ir

from ..constants import static
from .pattern import Context
from .queries import is_standard
from .step_evaluate import REDUCTIONS, Layout, NotAStep, broadcast_layout, reshape_layout

FLOATS = (ir.DataType.FLOAT, ir.DataType.DOUBLE)
COMPARISONS = frozenset("Greater GreaterOrEqual Less LessOrEqual Equal".split())
LAYOUT = frozenset("Unsqueeze Squeeze Reshape Flatten Expand".split())
TABLES = frozenset({"Gather", "GatherND"})
_ARITHMETIC = frozenset(
    "Not And Or Xor Where Add Sub Mul Div Neg Sum Mod Min Max Floor Abs Sign Identity "
    "Concat".split()
)


class Kind(Enum):
    """How a value depends on the compared tensor x."""

    TENSOR = "x itself"
    DIFFERENCE = "x - T or T - x"
    DISTANCE = "|x - T|"
    STEP = "constant between thresholds"
    CURVE = "any function of x"


@dataclass(frozen=True)
class Part:
    """A value that is an elementwise function of one tensor `x`."""

    x: ir.Value
    kind: Kind
    layout: Layout


class Search:
    """The search for step functions in one graph.

    Attributes:
        parts: the values found that depend on one tensor alone.
        place: position of every visited node in the graph.
        through_reshapes: whether a Reshape of x counts as x and not as another tensor.
    """

    def __init__(self, context: Context, through_reshapes: bool = True) -> None:
        self.through_reshapes = through_reshapes
        self.context, self.known = context, context.constants.known
        self.parts: dict[ir.Value, Part] = {}
        self.place: dict[ir.Node, int] = {}

    def visit(self, node: ir.Node) -> None:
        """Classify a node's output; call it for the nodes in topological order."""
        self.place[node] = len(self.place)
        if node.domain != "" or len(node.outputs) < 1 or self.known(node.outputs[0]):
            return
        computed = [v for v in node.inputs if v is not None and not self.known(v)]
        if not computed or sizes(node.outputs[0]) is None:
            return
        for whole in (False, True):  # as a function of an earlier tensor, or of this node's input
            try:
                part = self._part(node, [self.as_part(v, whole) for v in computed])
            except NotAStep:
                continue
            self.parts[node.outputs[0]] = part
            return

    def as_part(self, value: ir.Value, whole: bool) -> Part:
        if value in self.parts and not (whole and self.parts[value].kind is not Kind.STEP):
            return self.parts[value]
        shape = sizes(value)
        if shape is None or value.dtype not in FLOATS:
            raise NotAStep
        return Part(value, Kind.TENSOR, tuple((axis,) for axis in range(len(shape))))

    def _part(self, node: ir.Node, parts: list[Part]) -> Part:
        x, op = parts[0].x, node.op_type
        if any(part.x is not x for part in parts):
            raise NotAStep
        kind = self._kind(node, op, {part.kind for part in parts})
        if op in ("Add", "Sum") and all(_is_ladder(v) for v in node.inputs if v is not None):
            raise NotAStep  # a sum of two quantizers
        return Part(x, kind, self._layout(node, parts))

    def _kind(self, node: ir.Node, op: str, kinds: set[Kind]) -> Kind:
        only = next(iter(kinds)) if len(kinds) == 1 else None
        if op in LAYOUT or (op == "Cast" and (only is Kind.STEP or _widens(node))):
            if only is None:
                raise NotAStep
            return only
        if op in COMPARISONS and kinds <= {Kind.TENSOR, Kind.STEP}:
            return Kind.STEP
        if only is Kind.STEP and op in (_ARITHMETIC | set(REDUCTIONS) | TABLES):
            return only
        if only is Kind.TENSOR and op == "Sign":
            return Kind.STEP  # Sign compares with 0
        if only is Kind.TENSOR and op == "Sub":
            return Kind.DIFFERENCE
        if only is Kind.DIFFERENCE:
            if op == "Abs":
                return Kind.DISTANCE
            zero = [self.context.constants.scalar(v) for v in node.inputs if self.known(v)]
            if op == "Sign" or (op in COMPARISONS and zero and zero[0] == 0):
                return Kind.STEP
        if only is Kind.DISTANCE and op == "ArgMin":
            return Kind.STEP
        raise NotAStep

    def _layout(self, node: ir.Node, parts: list[Part]) -> Layout:
        op, first, base = node.op_type, parts[0].layout, sizes(parts[0].x)
        shape = sizes(node.outputs[0])
        assert shape is not None and base is not None
        if op in ("Reshape", "Flatten"):
            if not self.through_reshapes:
                raise NotAStep
            return reshape_layout(first, shape, base)
        if op in ("Unsqueeze", "Squeeze", "Expand") or op in REDUCTIONS:
            return self._moved(node, first, shape)
        if op == "GatherND":
            if first[-1:] != ((),):
                raise NotAStep
            return first[:-1]
        if op == "Concat":
            axis = node.attributes.get_int("axis", 0) % len(first)
            same = len(parts) == len(node.inputs) and all(part.layout == first for part in parts)
            if first[axis] or not same:
                raise NotAStep
            return first
        if op == "Gather":
            return first
        layout = first
        for part in parts[1:]:
            layout = broadcast_layout(layout, part.layout)
        layout = ((),) * (len(shape) - len(layout)) + layout
        if len(layout) != len(shape):
            raise NotAStep
        for runs, size in zip(layout, shape, strict=True):
            if runs and size != int(np.prod([base[axis] for axis in runs])):
                raise NotAStep  # a constant would enlarge an axis of the tensor
        return layout

    def _moved(self, node: ir.Node, layout: Layout, shape: tuple[int, ...]) -> Layout:
        """Return the layout after an operator that adds or removes axes."""
        if node.op_type == "Expand":
            return ((),) * (len(shape) - len(layout)) + layout
        axes = self.axes(node, len(shape) if node.op_type == "Unsqueeze" else len(layout))
        if node.op_type == "Unsqueeze":
            rest = iter(layout)
            return tuple(() if axis in axes else next(rest) for axis in range(len(shape)))
        if any(layout[axis] for axis in axes):
            raise NotAStep
        kept = node.attributes.get_int("keepdims", 1) == 1 and node.op_type in REDUCTIONS
        return layout if kept else tuple(r for k, r in enumerate(layout) if k not in axes)

    def axes(self, node: ir.Node, rank: int) -> list[int]:
        if node.op_type in ("ArgMin", "ArgMax"):
            if node.attributes.get_int("select_last_index", 0):
                raise NotAStep
            return [node.attributes.get_int("axis", 0) % rank]
        axes = node.attributes.get_ints("axes")
        if axes is None:
            array = self.context.constants.array(node.inputs[1] if len(node.inputs) > 1 else None)
            if array is None:
                raise NotAStep
            axes = [int(a) for a in array.reshape(-1)]
        return [axis % rank for axis in axes]


def _is_ladder(value: ir.Value) -> bool:
    """Return whether a value looks like a quantizer's output:
    nested selections or a table lookup.
    """
    node = value.producer()
    while is_standard(node, "Cast", "Mul", "Identity") and node is not None:
        inner = [v for v in node.inputs if v is not None and v.producer() is not None]
        node = inner[0].producer() if inner else None
    if is_standard(node, "Where") and node is not None:
        return any(is_standard(v.producer(), "Where") for v in node.inputs[1:] if v is not None)
    return is_standard(node, "ReduceSum", *TABLES)


def _widens(node: ir.Node) -> bool:
    source = node.inputs[0]
    return (
        source is not None
        and source.dtype == ir.DataType.FLOAT
        and node.attributes.get_int("to") in (ir.DataType.FLOAT, ir.DataType.DOUBLE)
    )


def sizes(value: ir.Value) -> tuple[int, ...] | None:
    """Return the static shape of a value, None if it is not known."""
    shape = value.shape
    return static(shape) if shape is not None and shape.is_static() else None


def search_once(
    recognize: Callable[[Context], None], done: str, node: ir.Node, context: Context
) -> None:
    """Rewrite the whole graph when a pattern visits its first node.

    Args:
        recognize: searches and rewrites the graph.
        done: key of the nodes' metadata, the pattern's own, that marks what was searched.
        node: visited by the pattern.
        context: the graph.
    """
    if not node.meta.get(done):
        for other in context.graph:
            other.meta[done] = True
        recognize(context)
