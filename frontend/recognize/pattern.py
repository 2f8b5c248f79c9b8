"""What a pattern is, what it may change, and how it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from ..constants import Constants
from ..diagnostics import Problem
from ..precision import SINGLE

NOTE = "n2uq.note"
"""Key of a node's metadata_props: why a layer was not recognized as more than it is."""


class Refused(Exception):
    """A pattern was found but cannot be taken; becomes a Problem unless the node disappears.

    Args:
        found: what stands in the way.
        supported: what would be accepted.
        hint: what the user can do.
        covers: nodes of the refused pattern, not to be reported one by one as unsupported.
        fatal: report it even if another pattern disposes of the node.
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
    """Needs a shape that is not known; reported only if nothing else explains why."""

    def __init__(self, value: ir.Value | None) -> None:
        name = value.name if value is not None else "an input"
        super().__init__(
            f"the shape of '{name}' is not known",
            "static sizes but for the batch",
            "export with a fixed image size",
        )


def _unfit(error: Exception) -> Refused:
    return Refused(
        f"parameters that do not fit each other ({error})",
        "shapes, types and sizes as the operator's definition states them",
        "the file is damaged: export it again",
    )


@dataclass(frozen=True)
class Pattern:
    """One export pattern.

    Attributes:
        name: for logs and tests.
        ops: operators of the standard domain the rewrite starts from.
        rewrite: changes the graph around the node, does nothing if the pattern is not there, and
            raises Refused if it is there but cannot be taken.
        backwards: visit the nodes from the output to the input.
        domains: of the operators; the standard one has no name.
    """

    name: str
    ops: frozenset[str]
    rewrite: Callable[[ir.Node, Context], None]
    backwards: bool = False
    domains: frozenset[str] = frozenset({""})


@dataclass(eq=False)
class Context:
    """The graph being rewritten and what is known of it.

    Attributes:
        model: changed in place.
        constants: which values are constant.
        batch: the static batch size, or the one that stands in for a dynamic batch.
        dynamic: whether the batch is dynamic.
        roundoff: of the arithmetic that made folded constants, relative.
        refusals: by node; those of nodes that disappear are dropped unless fatal.
        terms: by value, how many nodes the sum has that it is the root of (`threshold_ladder`).
    """

    model: ir.Model
    constants: Constants
    batch: int
    dynamic: bool
    roundoff: float = SINGLE
    refusals: dict[ir.Node, Refused] = field(default_factory=dict)
    terms: dict[ir.Value, int] = field(default_factory=dict)

    @property
    def graph(self) -> ir.Graph:
        return self.model.graph

    def run(self, pattern: Pattern) -> None:
        """Applies a pattern once to every node there is, then drops what became unused."""
        nodes = [n for n in self.graph if n.op_type in pattern.ops and n.domain in pattern.domains]
        if not nodes:
            return
        for node in reversed(nodes) if pattern.backwards else nodes:
            if node.graph is None:
                continue  # removed by this very sweep
            try:
                # What overflows is infinite, and is clamped or refused as such; a NaN is a fault.
                with np.errstate(over="ignore", divide="ignore"):
                    pattern.rewrite(node, self)
            except Refused as refusal:
                self.refusals.setdefault(node, refusal)
            except (ValueError, IndexError, ArithmeticError, TypeError) as error:
                # What a damaged file puts side by side does not always fit: it is refused by node.
                self.refusals.setdefault(node, _unfit(error))
        self.drop_unused()

    def drop_unused(self) -> None:
        """Removes nodes and parameters nothing reads, and refusals of removed nodes."""
        RemoveUnusedNodesPass()(self.model)
        self.refusals = {
            node: refusal
            for node, refusal in self.refusals.items()
            if refusal.fatal or node.graph is not None
        }

    def problems(self) -> list[Problem]:
        """The refusals as problems, without those that only miss a shape."""
        return [
            Problem(str(node.name), node.op_type, r.found, r.supported, r.hint)
            for node, r in self.refusals.items()
            if not isinstance(r, UnknownShape)
        ]

    def replace(self, old: ir.Value, new: ir.Value) -> None:
        """Lets every reader of `old` read `new`, which takes over the name of `old`.

        A graph input or parameter keeps its own name; it cannot become the graph's output.
        """
        takes_name = new.producer() is not None
        if old.is_graph_output() and not takes_name:
            raise Refused("the network's output is its input or a constant", fatal=True)
        old.replace_all_uses_with(new, replace_graph_outputs=True)
        if new.shape is None:
            new.shape = old.shape
        if takes_name:
            old.name, new.name = f"{old.name}#", old.name

    def insert(self, before: ir.Node, node: ir.Node) -> ir.Value:
        """Places a new node of one output; the output inherits dtype where it has none."""
        self.graph.insert_before(before, node)
        (output,) = node.outputs
        if output.dtype is None:
            output.dtype = ir.DataType.FLOAT
        return output

    def note(self, node: ir.Node, text: str) -> None:
        """Remembers with the node why it stays what it is."""
        node.metadata_props[NOTE] = text
