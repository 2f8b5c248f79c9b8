"""Evaluation of step functions: thresholds, rules of ties, and levels."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import onnx_ir as ir

from .queries import Array
from .step_evaluate import (
    CHANNELS,
    ELEMENTWISE,
    REDUCTIONS,
    Layout,
    NotAStep,
    aligned,
    cast,
    modulo,
    reduced,
)
from .step_search import COMPARISONS, LAYOUT, TABLES, Kind, Part, Search, sizes

_ENTRIES = 4096  # most entries of a table of levels, and regions of one function
_NODES = 4096  # most nodes of one step function


class Evaluation:
    """Evaluation of the step functions that a search has found."""

    def __init__(self, search: Search) -> None:
        self.search = search

    def thresholds(self, root: ir.Value) -> tuple[Array, list[bool], Array]:
        """Return thresholds (float64 [1,K] or [C,K]), their rules, and levels of a step function.

        Raises:
            NotAStep: levels or rules differ between channels.
        """
        cone = self.cone(root)
        points = self._points(cone)
        for _ in range(8):
            regions = _regions(points)
            values = self._evaluate(cone, regions)
            missing = self._missing(cone, values, points)
            if not missing:
                break
            points = _sorted([*points.T, *missing])
        else:
            raise NotAStep
        y = values[root].reshape(len(regions), -1)
        if not (y == y[:, :1]).all():
            raise NotAStep
        y = y[:, 0]
        columns, rules, levels = [], [], [y[0]]
        for k in range(points.shape[1]):
            for place, strict in ((2 * k, False), (2 * k + 1, True)):
                if y[place] != y[place + 1]:
                    columns.append(points[:, k])
                    rules.append(strict)
                    levels.append(y[place + 1])
        if not columns:
            raise NotAStep
        return np.stack(columns, axis=1), rules, np.array(levels, np.float64)

    def written_steps(self, root: ir.Value) -> int:
        """Return the number of steps written in the graph: comparisons, or levels selected.

        This is more than `thresholds` finds if thresholds are equal; equal comparisons may be one
        node.
        """
        compared, levels = 0, set[float]()
        for node in self.cone(root):
            constants = [v for v in node.inputs if v is not None and self.search.known(v)]
            if node.op_type in COMPARISONS:
                compared += sum(len(self._rows(self._array(v), node)) for v in constants)
            elif node.op_type == "Where":
                levels.update(float(a) for v in constants for a in self._array(v).reshape(-1)[:2])
        return max(compared, len(levels) - 1)

    def cone(self, root: ir.Value) -> list[ir.Node]:
        """Return the nodes from the compared tensor to `root`, in topological order.

        Raises:
            NotAStep: more than a quantizer has.
        """
        x, nodes, stack = self.search.parts[root].x, set[ir.Node](), [root]
        while stack:
            node = stack.pop().producer()
            if node is None or node in nodes:
                continue
            nodes.add(node)
            if len(nodes) > _NODES:
                raise NotAStep
            parts = self.search.parts
            stack += [v for v in node.inputs if v is not None and v in parts and v is not x]
        return sorted(nodes, key=self.search.place.__getitem__)

    def _points(self, cone: list[ir.Node]) -> Array:
        """Return the numbers that x is compared with, float64 [1,m] or [C,m],
        ascending in every row.
        """
        rows: list[Array] = []
        for node, parts in self._operands(cone):
            kinds = [p.kind for p in parts if isinstance(p, Part)]
            constants = [(p, v) for p, v in zip(parts, node.inputs, strict=False)
                         if not isinstance(p, Part)]  # fmt: skip
            if node.op_type in TABLES:
                rows += [np.array([v]) for v in self._array(node.inputs[0]).reshape(-1)]
            elif Kind.TENSOR in kinds and node.op_type in (*COMPARISONS, "Sub"):
                for array, _ in constants:
                    rows += self._rows(np.asarray(array), node)
            elif Kind.TENSOR in kinds and node.op_type == "Sign":
                rows.append(np.zeros(1))
        for node in cone:
            if node.op_type == "ArgMin":
                rows += _midpoints(rows)
                break
        if not rows or len(rows) > _ENTRIES:
            raise NotAStep
        return _sorted(rows)

    def _operands(self, cone: list[ir.Node]) -> Iterator[tuple[ir.Node, list[Part | Array]]]:
        """Return each node with its operands: a constant's array, or how a value depends on the
        compared tensor x.
        """
        x = self.search.parts[cone[-1].outputs[0]].x
        for node in cone:
            yield (
                node,
                [
                    # x may be a difference x' - T itself
                    self._array(v) if self.search.known(v) else self.search.as_part(v, v is x)
                    for v in node.inputs
                    if v is not None
                ],
            )

    def _array(self, value: ir.Value | None) -> Array:
        array = self.search.context.constants.array(value)
        if array is None or (array.dtype.kind == "f" and not np.isfinite(array).all()):
            raise NotAStep
        return array.astype(np.float64) if array.dtype.kind == "f" else array

    def _held(self, array: Array, node: ir.Node) -> Array:
        """Return a constant operand of an elementwise node, reduced."""
        out = self.search.parts[node.outputs[0]].layout
        shape = sizes(node.outputs[0])
        assert shape is not None
        first = len(out) - array.ndim
        return reduced(array, out[first:], shape[first:])

    def _rows(self, array: Array, node: ir.Node) -> list[Array]:
        """Return the thresholds of a comparison, each as a row of one number or one per channel."""
        held, layout = self._held(array, node)[0], self.search.parts[node.outputs[0]].layout
        layout = layout[len(layout) - held.ndim :]
        for axis, runs in enumerate(layout):
            if runs == CHANNELS:
                return list(np.moveaxis(held, axis, -1).reshape(-1, held.shape[axis]))
        return [np.array([v]) for v in held.reshape(-1)]

    def _evaluate(self, cone: list[ir.Node], regions: Array) -> dict[ir.Value, Array]:
        values: dict[ir.Value, Array] = {}
        for node in cone:
            arrays = []
            for value in node.inputs:
                if value is None:
                    continue
                if value in values:
                    arrays.append(values[value])
                elif self.search.known(value):
                    plain = node.op_type in (TABLES | LAYOUT | set(REDUCTIONS))
                    array = self._array(value)
                    arrays.append(array if plain else self._held(array, node))
                else:
                    arrays.append(self._spread(regions, value))
            values[node.outputs[0]] = self._result(node, arrays)
        return values

    @staticmethod
    def _spread(regions: Array, value: ir.Value) -> Array:
        """Return x in every region, along its channel axis."""
        shape = [1] * len(sizes(value) or ())
        if regions.shape[1] > 1:
            shape[1] = regions.shape[1]
        return regions.reshape(len(regions), *shape)

    def _result(self, node: ir.Node, arrays: list[Array]) -> Array:
        op, first = node.op_type, arrays[0]
        layout = self.search.parts[node.outputs[0]].layout
        if op == "Cast":
            return cast(first, ir.DataType(node.attributes.get_int("to")))
        if op in REDUCTIONS:
            return self._reduced(node, first)
        if op in TABLES:
            table, index = arrays
            index = index[..., 0] if op == "GatherND" else index
            if ((index < -len(table)) | (index >= len(table))).any():
                raise NotAStep
            entries: Array = table[index]
            return entries
        if op == "Concat":
            rank = len(layout)
            return np.concatenate(arrays, axis=1 + node.attributes.get_int("axis", 0) % rank)
        if op in LAYOUT:
            return self._laid(node, first, layout)
        if op == "Mod":
            left, right = aligned(arrays)
            return modulo(left, right, bool(node.attributes.get_int("fmod", 0)))
        result: Array = ELEMENTWISE[op](*aligned(arrays))
        return result

    def _reduced(self, node: ir.Node, array: Array) -> Array:
        axes = self.search.axes(node, array.ndim - 1)
        places = tuple(axis + 1 for axis in axes)
        kept = node.attributes.get_int("keepdims", 1) == 1
        where = places[0] if node.op_type.startswith("Arg") else places
        result: Array = REDUCTIONS[node.op_type](array, axis=where, keepdims=kept)
        return result

    def _laid(self, node: ir.Node, array: Array, layout: Layout) -> Array:
        shape = sizes(node.outputs[0])
        assert shape is not None
        channels = max((s for s in array.shape[1:]), default=1)
        if node.op_type == "Expand":
            full = [1 if runs else size for runs, size in zip(layout, shape, strict=True)]
            lead = len(full) + 1 - array.ndim
            array = array.reshape(array.shape[0], *[1] * lead, *array.shape[1:])
            result: Array = np.broadcast_to(array, np.broadcast_shapes(array.shape, (1, *full)))
            return result
        if node.op_type in ("Unsqueeze", "Squeeze"):
            rank = len(shape) if node.op_type == "Unsqueeze" else array.ndim - 1
            axes = self.search.axes(node, rank)
            places = tuple(axis + 1 for axis in axes)
            moved: Array = (
                np.expand_dims(array, places) if node.op_type == "Unsqueeze"
                else np.squeeze(array, places)
            )  # fmt: skip
            return moved
        if array.size != len(array) * channels or (channels > 1 and CHANNELS not in layout):
            raise NotAStep  # flat: one number per region
        return array.reshape(
            len(array), *[channels if runs == CHANNELS and channels > 1 else 1 for runs in layout]
        )

    def _missing(
        self, cone: list[ir.Node], values: dict[ir.Value, Array], points: Array
    ) -> list[Array]:
        """Return computed numbers that x is compared with and that are not yet points."""
        numbers: set[float] = set()
        for node, parts in self._operands(cone):
            kinds = {p.kind for p in parts if isinstance(p, Part)}
            if node.op_type in COMPARISONS and kinds == {Kind.TENSOR, Kind.STEP}:
                for value in node.inputs:
                    if value in values and self.search.parts[value].kind is Kind.STEP:
                        numbers.update(np.unique(values[value]).tolist())
        if numbers and len(points) > 1:
            raise NotAStep
        return [np.array([v]) for v in sorted(numbers - set(points[0].tolist()))]


def _sorted(rows: list[Array]) -> Array:
    width = max(row.size for row in rows)
    if any(row.size not in (1, width) for row in rows):
        raise NotAStep
    stacked = np.stack([np.broadcast_to(row, width) for row in rows], axis=1)
    if width == 1:
        stacked = np.unique(stacked)[None, :]
    return np.sort(stacked, axis=1)


def _midpoints(rows: list[Array]) -> list[Array]:
    """Return the midpoints of adjacent levels, where the nearest level changes."""
    if any(row.size != 1 for row in rows):
        raise NotAStep
    levels = sorted({float(row[0]) for row in rows})
    middles = [(a + b) / 2 for a, b in zip(levels, levels[1:], strict=False)]
    for a, b, middle in zip(levels, levels[1:], middles, strict=False):
        if 2 * Fraction(middle) != Fraction(a) + Fraction(b):
            raise NotAStep
    return [np.array([v]) for v in middles]


def _regions(points: Array) -> Array:
    """Return a number in every region, [2m+1, C]: below the first point, at it, above it, …"""
    below, above = points[:, :1] - 1 - abs(points[:, :1]), points[:, -1:] + 1 + abs(points[:, -1:])
    between = (points[:, 1:] + points[:, :-1]) / 2
    after = np.concatenate([between, above], axis=1)
    pairs = np.stack([points, after], axis=2).reshape(len(points), -1)
    return np.concatenate([below, pairs], axis=1).T
