"""Transposed convolutions as ordinary ones on the same input.

A transposed convolution of stride s gives, at the positions of one remainder modulo s, an ordinary
convolution by every s-th weight of each axis (Shi et al., "Is the deconvolution layer the same as a
convolutional layer?", 2016).  These are computed side by side as channels, and `Rearrange` puts
them in their places: exact, with no zeros inserted, which odd weight codes could not express.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import gcd

import numpy as np
import onnx_ir as ir

from ..opset import Weight, constant, initializer, is_op, make_rearrange, make_weight, read_weight
from .pattern import Context, Pattern, Refused
from .queries import Array, shape_of
from .weight_grid import find_codes
from .windows import as_map


@dataclass(frozen=True)
class _Phase:
    """The positions of one remainder along an axis: ``y[q] = sum_t x[q + start + t * dilation] *
    w[taps[t]]``.
    """

    taps: tuple[int, ...]
    start: int
    count: int


@dataclass(frozen=True)
class _Axis:
    """An axis of a transposed convolution."""

    size: int
    result: int
    kernel: int
    stride: int
    dilation: int
    begin: int

    @property
    def step(self) -> int:
        """Distance in the input of two taps of a phase."""
        return self.dilation // gcd(self.stride, self.dilation)

    def phases(self) -> list[_Phase]:
        found = []
        for rest in range(self.stride):
            at = [
                (rest + self.begin - k * self.dilation, k)
                for k in range(self.kernel)
                if (rest + self.begin - k * self.dilation) % self.stride == 0
            ]
            at.sort()  # ascending places in the input: descending taps
            start = at[0][0] // self.stride if at else 0
            count = max(0, -(-(self.result - rest) // self.stride))
            found.append(_Phase(tuple(k for _, k in at), start, count))
        return found


@dataclass(frozen=True)
class _Plan:
    """An axis with all its phases on one map: its begin is padded by ``before``, and it has
    ``length`` positions.
    """

    axis: _Axis
    phases: list[_Phase]
    before: int
    length: int

    @classmethod
    def of(cls, axis: _Axis) -> _Plan:
        phases = axis.phases()
        used = [p for p in phases if p.taps and p.count] or phases[:1]
        before = max(0, -min(p.start for p in used))
        length = max(p.count + p.start + before for p in used)
        length = max(
            length,
            *(axis.size + before - axis.step * (len(p.taps) - 1) for p in used),
        )
        return cls(axis, phases, before, length)

    def after(self, taps: int) -> int:
        """Return the padding at the end for a window of so many taps."""
        return self.length + self.axis.step * (taps - 1) - self.axis.size - self.before

    @property
    def even(self) -> bool:
        """Whether all phases have equally many taps."""
        return len({len(p.taps) for p in self.phases}) == 1


def _rewrite(node: ir.Node, context: Context) -> None:
    data, weight = node.inputs[0], _values(node)
    shape, result = shape_of(data), as_map(shape_of(node.outputs[0]))
    if weight is None or len(shape) not in (3, 4) or weight.ndim != len(shape):
        raise Refused(
            f"weights of {node.inputs[1].name if node.inputs[1] else '?'} on a tensor {shape}",
            "constant weights on images [N,C,H,W] or sequences [N,C,L]",
        )
    bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    if len(node.inputs) > 2 and node.inputs[2] is not None and bias is None:
        raise Refused("a computed bias", "a constant bias")
    groups = node.attributes.get_int("group", 1)
    if len(shape) == 3:
        weight = weight[:, :, None]
    inputs, each = weight.shape[:2]
    if groups < 1 or inputs % groups or inputs != shape[1] or result[1] != each * groups:
        raise Refused(
            f"{shape[1]} input channels, weights {weight.shape}, {groups} groups",
            "weights [I, O/groups, kh, kw] with I the input's channels and divisible",
        )
    rows, columns = (_Plan.of(axis) for axis in _axes(node, as_map(shape), result, weight))
    # [O, I / groups, kh, kw], as of an ordinary convolution
    split = weight.reshape(groups, inputs // groups, each, *weight.shape[2:])
    turned = np.ascontiguousarray(split.swapaxes(1, 2)).reshape(
        groups * each, -1, *weight.shape[2:]
    )
    held = find_codes(data, turned, context) or turned
    name, pair = str(node.name), len(shape) == 3

    present = [
        (i, j)
        for i, p in enumerate(rows.phases)
        for j, q in enumerate(columns.phases)
        if p.taps and q.taps
    ]
    every = len(present) == len(rows.phases) * len(columns.phases)

    def conv(parts: list[tuple[int, int]], label: str) -> ir.Value:
        """Emit the convolution of some phases, which have equally many taps."""
        taps = len(rows.phases[parts[0][0]].taps), len(columns.phases[parts[0][1]].taps)
        pads = (rows.before, columns.before, rows.after(taps[0]), columns.after(taps[1]))
        order = [
            (g * each + o, *part) for g in range(groups) for part in parts for o in range(each)
        ]
        chosen = [
            np.ix_([o], range(turned.shape[1]), rows.phases[i].taps, columns.phases[j].taps)
            for o, i, j in order
        ]
        value = _weight(node, held, chosen, [o for o, *_ in order], label, pair, context)
        attributes: dict[str, int | tuple[int, ...]] = {
            "kernel_shape": taps[pair:],
            "strides": (1, 1)[pair:],
            "dilations": (rows.axis.step, columns.axis.step)[pair:],
            "pads": pads[1::2] if pair else pads,
            "group": groups,
        }
        given = [data, value]
        if bias is not None and every:
            given.append(initializer(context.graph, f"{label}.bias", bias[[o for o, *_ in order]]))
        made = ir.node("Conv", given, attributes, name=label)
        made.outputs[0].name = f"{label}_out"
        size = (rows.length, columns.length)[pair:]
        made.outputs[0].shape = ir.Shape([shape[0], len(order), *size])
        made.metadata_props.update(node.metadata_props)
        return context.insert(node, made)

    if every and rows.even and columns.even:
        joined, together = conv(present, f"{name}.phases"), len(present)
    else:
        parts = [conv([part], f"{name}.phase{part[0]}{part[1]}") for part in present]
        joined, together = _joined(node, parts, context), 1
    deep = shape_of(joined)[1]
    block = each * (1 if together > 1 else groups)  # distance of two phases in the channels
    lines = [sorted({part[axis] for part in present}) for axis in (0, 1)]
    first = {i: k * len(lines[1]) * block for k, i in enumerate(lines[0])}
    then = {j: k * block for k, j in enumerate(lines[1])}
    table_rows = _table(rows, columns.length * deep, first)
    table_columns = _table(columns, deep, then)
    stride = len(present) * each if together > 1 else each
    channels = (np.arange(groups)[:, None] * stride + np.arange(each)).reshape(-1)
    made = make_rearrange(
        context.graph, joined, (table_rows, table_columns, channels), shape_of(node.outputs[0]),
        name,
    )  # fmt: skip
    made.meta[PHASES] = True
    moved = context.insert(node, made)
    if bias is not None and not every:  # positions that no weight reaches hold the bias
        values = bias.reshape(1, -1, *[1] * (len(shape) - 2))
        add = ir.node(
            "Add", [moved, initializer(context.graph, f"{name}.bias", values)], name=f"{name}.bias"
        )
        add.outputs[0].shape = node.outputs[0].shape
        moved.name = f"{name}.moved"
        moved = context.insert(node, add)
    context.replace(node.outputs[0], moved)


def _table(plan: _Plan, pixel: int, offsets: dict[int, int]) -> Array:
    """Return the part of each place that an axis gives, -1 where no weight reaches."""
    table = np.full(plan.axis.result, -1, np.int64)
    for rest, p in enumerate(plan.phases):
        if rest in offsets and p.count:
            at = np.arange(p.count) + p.start + plan.before
            table[rest :: plan.axis.stride] = at * pixel + offsets[rest]
    return table


def _axes(
    node: ir.Node, shape: tuple[int, ...], result: tuple[int, ...], weight: Array
) -> list[_Axis]:
    rank = len(shape_of(node.inputs[0])) - 2

    def read(name: str, count: int, default: int) -> list[int]:
        values = list(node.attributes.get_ints(name, ()) or ()) or [default] * count
        if len(values) != count:
            raise Refused(f"{name} {values}", f"{count} entries")
        return values

    strides, dilations, extra = (
        [default] * (2 - rank) + read(name, rank, default)
        for name, default in (("strides", 1), ("dilations", 1), ("output_padding", 0))
    )
    pads = read("pads", 2 * rank, 0)
    begins = [0] * (2 - rank) + pads[:rank]
    mode = node.attributes.get_string("auto_pad", "NOTSET")
    stated = mode in ("SAME_UPPER", "SAME_LOWER") or node.attributes.get_ints("output_shape")
    found = []
    for k in (0, 1):
        size, kernel, end = shape[2 + k], weight.shape[2 + k], result[2 + k]
        begin = begins[k]
        if stated:
            reach = strides[k] * (size - 1) + extra[k] + (kernel - 1) * dilations[k] + 1
            total = reach - end
            begin = total // 2 if mode == "SAME_UPPER" else total - total // 2
        found.append(_Axis(size, end, kernel, strides[k], dilations[k], begin))
    return found


def _values(node: ir.Node) -> Array | None:
    """Return the weights [I, O/groups, ...] in float32."""
    value = node.inputs[1]
    maker = value.producer() if value is not None else None
    if maker is not None and is_op(maker, "Weight"):
        values: Array = read_weight(maker).values().astype(np.float32)
        return values
    return constant(value)


def _weight(
    node: ir.Node,
    held: Weight | Array,
    chosen: list[tuple[Array, ...]],
    outputs: list[int],
    label: str,
    row: bool,
    context: Context,
) -> ir.Value:
    """Return the weights of a convolution of phases, codes where there are some."""

    def taken(array: Array) -> Array:
        values = np.concatenate([array[index] for index in chosen])
        return np.ascontiguousarray(values[:, :, 0] if row else values)

    if isinstance(held, Weight):
        levels = held.levels
        if levels is not None and len(levels) > 1:
            levels = levels[outputs]
        codes = taken(held.codes)
        step = np.broadcast_to(held.step, len(held.codes))[outputs]
        part = replace(held, codes=codes, step=step, levels=levels)
        made = context.insert(node, make_weight(context.graph, part, f"{label}.weight"))
        made.name = f"{label}.codes"
        return made
    values = taken(held)
    value = initializer(context.graph, f"{label}.kernel", values)
    value.shape, value.dtype = ir.Shape(values.shape), ir.DataType.FLOAT
    return value


def _joined(node: ir.Node, parts: list[ir.Value], context: Context) -> ir.Value:
    if len(parts) == 1:
        return parts[0]
    join = ir.node("Concat", parts, {"axis": 1}, name=f"{node.name}.phases")
    join.outputs[0].name = f"{node.name}.phases_out"
    shape = list(shape_of(parts[0]))
    shape[1] = sum(shape_of(part)[1] for part in parts)
    join.outputs[0].shape = ir.Shape(shape)
    join.meta[PHASES] = True
    return context.insert(node, join)


PHASES = "n2uq.phases"
"""Key of the meta of the Concat and the Rearrange that put phases together: what follows moves
before them.
"""

TRANSPOSED_CONVOLUTION = Pattern("transposed convolution", frozenset({"ConvTranspose"}), _rewrite)
