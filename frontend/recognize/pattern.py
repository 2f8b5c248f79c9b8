"""Patterns of exporters: the graph they rewrite, and how they refuse what they cannot rewrite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from ..constants import GraphConstants
from ..diagnostics import Problem, reason
from ..opset import initializer
from ..precision import SINGLE

NOTE = "n2uq.note"
"""Key of a node's metadata_props: why a layer was not recognized as a quantized layer."""


class Refused(Exception):
    """A pattern that was found but cannot be rewritten; a Problem unless the node disappears.

    Args:
        found: why it cannot be rewritten.
        supported: what would be accepted.
        hint: what the user can do.
        covers: nodes of the refused pattern, which are not reported as unsupported operators.
        fatal: report it even if another pattern removes the node.
    """

    def __init__(
        self,
        found: str,
        supported: str = "",
        hint: str = "",
        *,
        covers: Iterable[ir.Node] = (),
        fatal: bool = False,
    ) -> None:
        super().__init__(found)
        self.found, self.supported, self.hint = found, supported, hint
        self.covers = tuple(covers)
        self.fatal = fatal


class UnknownShape(Refused):
    """A pattern needs a shape that is not known; reported only if there is no other problem."""

    def __init__(self, value: ir.Value | None) -> None:
        name = value.name if value is not None else "an input"
        super().__init__(
            f"the shape of '{name}' is not known",
            "static sizes but for the batch",
            "export with a fixed image size",
        )


def _unfit(error: Exception) -> Refused:
    return Refused(
        f"parameters that do not fit each other ({reason(error)})",
        "shapes, types and sizes as the operator's definition states them",
        "the file is damaged: export it again",
    )


@dataclass(frozen=True)
class Pattern:
    """A pattern of exporters.

    Attributes:
        name: shown as progress.
        ops: types of the nodes that the rewrite is called on.
        rewrite: changes the graph around the node, does nothing if the pattern is not there, and
            raises Refused if it is there but cannot be taken.
        backwards: visit the nodes from the output to the input.
        domains: domains of these operators; "" is the standard domain.
    """

    name: str
    ops: frozenset[str]
    rewrite: Callable[[ir.Node, Context], None]
    backwards: bool = False
    domains: frozenset[str] = frozenset({""})


@dataclass(eq=False)
class Context:
    """The graph being rewritten, with facts about it.

    Attributes:
        model: changed in place.
        constants: the constant values.
        batch: the static batch size, or the size that replaces a dynamic batch.
        dynamic: whether the batch is dynamic.
        roundoff: relative error of the arithmetic that computed folded constants.
        refusals: by node; dropped with the node unless fatal.
        terms: by value that is a sum, the number of nodes of the sum (`threshold_ladder`).
        finite: nodes that compute with finite constants (`straight_through`).
        moves: Transposes inserted so far, by name.
    """

    model: ir.Model
    constants: GraphConstants
    batch: int
    dynamic: bool
    roundoff: float = SINGLE
    refusals: dict[ir.Node, Refused] = field(default_factory=dict)
    terms: dict[ir.Value, int] = field(default_factory=dict)
    finite: set[ir.Node] = field(default_factory=set)
    moves: Counter[str] = field(default_factory=Counter)

    @property
    def graph(self) -> ir.Graph:
        return self.model.graph

    def run(self, pattern: Pattern) -> None:
        """Apply a pattern once to every node, then remove unused nodes."""
        nodes = [n for n in self.graph if n.op_type in pattern.ops and n.domain in pattern.domains]
        if not nodes:
            return
        for node in reversed(nodes) if pattern.backwards else nodes:
            if node.graph is None:
                continue  # removed by an earlier rewrite of this loop
            try:
                # Overflows give infinity, which is clamped or refused; a NaN is still an error.
                with np.errstate(over="ignore", divide="ignore"):
                    pattern.rewrite(node, self)
            except Refused as refusal:
                self.refusals.setdefault(node, refusal)
            except (ValueError, IndexError, ArithmeticError, TypeError) as error:
                # Parameters of a damaged file may not fit each other: the node is refused.
                self.refusals.setdefault(node, _unfit(error))
        self.drop_unused()

    def drop_unused(self) -> None:
        """Remove unused nodes and parameters, and the refusals of removed nodes."""
        RemoveUnusedNodesPass()(self.model)
        self.refusals = {
            node: refusal
            for node, refusal in self.refusals.items()
            if refusal.fatal or node.graph is not None
        }

    def problems(self) -> list[Problem]:
        """Return the refusals as problems, except those where only a shape is unknown.

        A node that an earlier refusal covers is explained by that one.
        """
        problems, covered = [], set[ir.Node]()
        for node, r in self.refusals.items():
            if isinstance(r, UnknownShape):
                continue
            if node not in covered:
                problems.append(Problem(str(node.name), node.op_type, r.found, r.supported, r.hint))
            covered.update(r.covers)
        return problems

    def replace(self, old: ir.Value, new: ir.Value) -> None:
        """Replace `old` by `new` in all nodes and outputs; `new` gets the name of `old`.

        A graph input, a parameter or another output keeps its own name; the first two cannot become
        the graph's output.
        """
        takes_name, kept = new.producer() is not None, new.is_graph_output()
        if old.is_graph_output() and not takes_name:
            raise Refused("the network's output is its input or a constant", fatal=True)
        old.replace_all_uses_with(new, replace_graph_outputs=True)
        if new.shape is None:
            new.shape = old.shape
        if takes_name and not kept:
            old.name, new.name = f"{old.name}#", old.name

    def insert(self, before: ir.Node, node: ir.Node) -> ir.Value:
        """Insert a new node of one output, float32 if it has no dtype; return the output."""
        self.graph.insert_before(before, node)
        (output,) = node.outputs
        if output.dtype is None:
            output.dtype = ir.DataType.FLOAT
        return output

    def transpose(
        self, before: ir.Node, value: ir.Value, perm: Sequence[int], name: str
    ) -> ir.Value:
        """Insert a Transpose of a value of known shape; return its output.

        Raises:
            UnknownShape: the value's shape is not known.
        """
        if value.shape is None or not value.shape.is_static():
            raise UnknownShape(value)
        turn = ir.node("Transpose", [value], {"perm": list(perm)}, name=name)
        (output,) = turn.outputs
        count = self.moves[name]
        self.moves[name] += 1
        output.name = f"{name}_moved{count or ''}"
        output.shape = ir.Shape([value.shape[axis] for axis in perm])
        return self.insert(before, turn)

    def reshape(
        self, before: ir.Node, value: ir.Value, shape: tuple[int, ...], name: str
    ) -> ir.Value:
        """Insert a Reshape of a value, of the same number of images; return its output."""
        batch = 0 if self.dynamic else self.batch
        target = np.array([batch, *shape[1:]], np.int64)
        held = initializer(self.graph, f"{value.name}.shape", target)
        result = self.insert(before, ir.node("Reshape", [value, held], name=name))
        result.shape = ir.Shape(shape)
        return result

    def with_number(
        self, before: ir.Node, op: str, value: ir.Value, number: float, name: str
    ) -> ir.Value:
        """Insert the sum (Add) or product (Mul) of a value and a number; return its output."""
        constant, result = {"Add": ("shift", "shifted"), "Mul": ("factor", "scaled")}[op]
        held = initializer(self.graph, f"{name}.{constant}", np.array(number, np.float32))
        held.dtype, held.shape = ir.DataType.FLOAT, ir.Shape(())
        node = ir.node(op, [value, held], name=name)
        node.outputs[0].name, node.outputs[0].shape = f"{value.name}.{result}", value.shape
        return self.insert(before, node)

    def note(self, node: ir.Node, text: str) -> None:
        """Note at a node why it was not recognized; see `NOTE`."""
        node.metadata_props[NOTE] = text
