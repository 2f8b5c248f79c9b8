"""The constant values of a graph: parameters, and what it computes from parameters alone."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from .arithmetic import FOLDED, NodeEvaluator

Array = npt.NDArray[Any]

_SMALL = 4096  # elements; larger intermediates are dropped once their consumer is computed


class GraphConstants:
    """The constant values of a graph, computed when they are asked for.

    A value is constant if it is an initializer, or computed by a deterministic operator from
    constants, or the shape of a tensor whose shape is known. `arithmetic` computes them in the
    dtype written, so thresholds and scales come out as the trained float32 numbers.

    Args:
        model: the graph and its opset versions.
        batch: two sizes that stand in for a dynamic batch, None for a static batch. Shapes hold the
            first; `with_other_batch` computes with the second.
    """

    def __init__(self, model: ir.Model, batch: tuple[int, int] | None) -> None:
        self._arithmetic = NodeEvaluator(dict(model.graph.opset_imports), _parameters(model.graph))
        self._batch = batch
        self._known: dict[ir.Value, bool] = {}
        self._arrays: dict[ir.Value, Array] = {}

    def known(self, value: ir.Value | None) -> bool:
        """Return whether `value` is constant. False for a missing optional input."""
        if value is None:
            return False
        stack = [value]
        while stack:
            top = stack[-1]
            if top in self._known:
                stack.pop()
                continue
            node = top.producer()
            if node is None or top.const_value is not None:
                self._known[top] = top.const_value is not None
            elif _has_static_shape(node):
                self._known[top] = True
            elif node.domain != "" or node.op_type not in FOLDED:
                self._known[top] = False
            else:
                inputs = [x for x in node.inputs if x is not None]
                if pending := [x for x in inputs if x not in self._known]:
                    stack.extend(pending)
                    continue
                self._known[top] = all(self._known[x] for x in inputs)
        return self._known[value]

    def forget(self) -> None:
        """Discard which values are not constant,
        because a pattern has made some of them constant.
        """
        self._known = {value: known for value, known in self._known.items() if known}

    def ask_again(self) -> None:
        """Discard which values are constant,
        because a pattern has replaced constants by a quantizer.
        """
        self._known.clear()

    def array(self, value: ir.Value | None) -> Array | None:
        """Return the constant's array, None if `value` is not constant.

        Raises:
            CompileError: the arithmetic fails or exceeds its budget; the message names the node.
        """
        if value is None or not self.known(value):
            return None
        return self.arrays([value])[0]

    def arrays(self, values: Sequence[ir.Value]) -> list[Array]:
        """Return the arrays of several constant values,
        computed in one pass over the nodes they need.
        """
        computed = self._compute(values, 0, self._arrays)
        for value, array in computed.items():
            if array.size <= _SMALL:
                self._arrays[value] = array
        return [computed[value] for value in values]

    def scalar(self, value: ir.Value | None) -> np.generic | None:
        """Return the one element of a constant of size 1, None for anything else."""
        if value is None or not self.known(value):
            return None
        if value.shape is not None and value.shape.is_static() and prod(static(value.shape)) != 1:
            return None  # a large tensor is not computed only to find that it is no scalar
        array = self.array(value)
        return array.reshape(-1)[0] if array is not None and array.size == 1 else None

    def with_other_batch(self, value: ir.Value) -> Array:
        """Return the array that a constant has with the other batch size."""
        return self._compute([value], 1, {})[value]

    def depends_on_batch(self, value: ir.Value) -> bool:
        """Return whether a constant is computed from the shape of a tensor with a dynamic batch."""
        if self._batch is None:
            return False
        shapes = (node for node in self._cone([value], ()) if _has_static_shape(node))
        return any(not self.known(node.inputs[0]) for node in shapes)

    def _cone(self, values: Iterable[ir.Value], stop: Container[ir.Value]) -> list[ir.Node]:
        """Return the nodes that compute `values` from `stop` and parameters,
        in topological order.
        """
        order: list[ir.Node] = []
        seen: set[ir.Node] = set()
        stack = [(value.producer(), False) for value in values if value.const_value is None]
        while stack:
            node, finished = stack.pop()
            if node is None or (node in seen and not finished):
                continue
            if finished:
                order.append(node)
                continue
            seen.add(node)
            stack.append((node, True))
            if not _has_static_shape(node):
                stack.extend(
                    (x.producer(), False)
                    for x in node.inputs
                    if x is not None and x.const_value is None and x not in stop
                )
        return order

    def _compute(
        self, values: Sequence[ir.Value], batch: int, memory: dict[ir.Value, Array]
    ) -> dict[ir.Value, Array]:
        computed: dict[ir.Value, Array] = {}
        for value in values:
            if value.const_value is not None:
                computed[value] = value.const_value.numpy()
            elif value in memory:
                computed[value] = memory[value]
        cone = self._cone([v for v in values if v not in computed], memory)
        last = {x: node for node in cone for x in node.inputs if x is not None}
        results: dict[ir.Value, Array] = {}
        wanted = set(values)
        for node in cone:
            if _has_static_shape(node):
                outputs = [self._shape(node, batch)]
            else:
                arrays = [self._at(x, results, memory) for x in node.inputs]
                outputs = self._arithmetic.run(node, arrays)
            results.update(zip(node.outputs, outputs, strict=True))
            for output, array in zip(node.outputs, outputs, strict=True):
                if output in wanted or array.size <= _SMALL:
                    computed[output] = array
            for x in node.inputs:
                if x in results and last[x] is node:
                    del results[x]
        return computed

    @staticmethod
    def _at(
        value: ir.Value | None, results: dict[ir.Value, Array], memory: dict[ir.Value, Array]
    ) -> Array | None:
        if value is None:
            return None
        if value.const_value is not None:
            return value.const_value.numpy()
        return results[value] if value in results else memory[value]

    def _shape(self, node: ir.Node, batch: int) -> Array:
        shape = node.inputs[0].shape  # type: ignore[union-attr]
        assert shape is not None
        dims = list(static(shape))
        if batch and self._batch is not None and dims and not self.known(node.inputs[0]):
            dims[0] = self._batch[batch]
        start = node.attributes.get_int("start", 0)
        end = node.attributes.get_int("end", None)
        return np.array(dims[start:end], np.int64)


def _parameters(graph: ir.Graph) -> int:
    """Return the number of elements of all parameters and constants."""
    given = [v.const_value for v in graph.initializers.values()]
    given += [a.as_tensor() for n in graph if n.op_type == "Constant"
              for a in n.attributes.values() if a.type == ir.AttributeType.TENSOR]  # fmt: skip
    return sum(tensor.size for tensor in given if tensor is not None)


def static(shape: ir.Shape) -> tuple[int, ...]:
    """Return the sizes of a shape that is known to be static."""
    return tuple(d for d in shape if isinstance(d, int))


def _has_static_shape(node: ir.Node) -> bool:
    if node.op_type != "Shape" or node.domain != "":
        return False
    shape = node.inputs[0].shape if node.inputs and node.inputs[0] is not None else None
    return shape is not None and shape.is_static()
