"""Pooling: canonical windows, and the ways to write global pooling."""

from __future__ import annotations

import onnx_ir as ir

from .pattern import Context, Pattern, Refused
from .queries import shape_of, stated_axes
from .windows import as_map, explicit_window

_NAMES = {"ReduceMean": "a mean", "ReduceMax": "a maximum"}


def _pool(node: ir.Node, context: Context) -> None:
    """Make the attributes of a pool explicit; ceil_mode becomes padding where possible.

    It is not possible where padding counts in the mean: elements that ceil_mode adds do not count.
    """
    if any(output.uses() for output in node.outputs[1:]):
        raise Refused("its index output is read", "the pooled values only")
    rank = len(shape_of(node.inputs[0]))
    if (mode := node.attributes.get_int("ceil_mode", 0)) not in (0, 1):
        raise Refused(f"ceil_mode {mode}", "0 or 1")
    window = explicit_window(node, shape_of(node.inputs[0]))
    data, result = as_map(shape_of(node.inputs[0])), as_map(shape_of(node.outputs[0]))
    average = node.op_type == "AveragePool"
    if window.dilations != (1, 1):
        raise Refused(f"dilations {window.dilations}", "dilation 1")
    if node.attributes.get_int("storage_order", 0):
        raise Refused("storage_order 1", "storage_order 0")
    if any(p >= k for p, k in zip(window.pads, window.kernel * 2, strict=True)):
        raise Refused(f"pads {window.pads} of a window {window.kernel}", "pads below its size")
    if window.starts_outside(data, result):
        raise Refused(
            "ceil_mode=1 with last windows that hold nothing but padding",
            "windows that begin inside the image: PyTorch and onnxruntime drop the others, "
            "ONNX before opset 22 counts them",
            "set ceil_mode=0, or export with opset 22",
        )
    extra = window.overhang(data, result)
    counted = average and any(window.pads) and bool(node.attributes.get_int("count_include_pad", 0))
    if not counted:
        window = window.padded(extra)  # padding never changes a maximum
    if average and window.kernel == data[2:] and not any(window.pads):
        pool = ir.node("GlobalAveragePool", [node.inputs[0]], name=str(node.name))
        context.replace(node.outputs[0], context.insert(node, pool))
        return
    node.attributes.clear()
    for name, values in window.attributes(rank).items():
        if name != "dilations" or not average:  # AveragePool has dilations from opset 19 on
            node.attributes.add(ir.AttrInt64s(name, values))
    if average:
        node.attributes.add(ir.AttrInt64("count_include_pad", int(counted)))
        if counted and any(extra):
            node.attributes.add(ir.AttrInt64("ceil_mode", 1))


def _mean(node: ir.Node, context: Context) -> None:
    """Rewrite ReduceMean over height and width as GlobalAveragePool, and Flatten if it drops axes.

    ReduceMax becomes a MaxPool over the whole map.
    """
    data, shape = node.inputs[0], shape_of(node.inputs[0])
    axes, kept = reduced_axes(node, context), node.attributes.get_int("keepdims", 1) == 1
    if len(shape) not in (3, 4) or axes != list(range(2, len(shape))):
        raise Refused(
            f"{_NAMES[node.op_type]} over axes {axes} of a tensor of shape {shape}",
            f"{_NAMES[node.op_type]} over height and width, axes 2 and 3 (over the length, axis 2)",
        )
    if node.op_type == "ReduceMax":
        pool = ir.node("MaxPool", [data], _whole(shape), name=str(node.name))
    else:
        pool = ir.node("GlobalAveragePool", [data], name=str(node.name))
    pool.outputs[0].name = f"{node.outputs[0].name}.pooled"
    pool.outputs[0].shape = ir.Shape([*shape[:2], *[1] * (len(shape) - 2)])
    result = context.insert(node, pool)
    if not kept:
        flatten = ir.node("Flatten", [result], {"axis": 1}, name=str(node.name))
        result = context.insert(node, flatten)
    context.replace(node.outputs[0], result)


def reduced_axes(node: ir.Node, context: Context) -> list[int] | None:
    """Return the axes of a reduction, ascending; None if it states none."""
    rank = len(shape_of(node.inputs[0]))
    axes = stated_axes(node, context)
    if axes is None and len(node.inputs) > 1 and node.inputs[1] is not None:
        raise Refused("computed axes", "constant axes")
    if axes is not None and len({a % rank for a in axes}) < len(axes):
        raise Refused(f"axes {axes}, which name one twice", "each axis once")
    return sorted(a % rank for a in axes) if axes else None


def _whole(shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Return the attributes of a window over the whole map."""
    axes = len(shape) - 2
    ones = (1,) * axes
    return {"kernel_shape": shape[2:], "strides": ones, "pads": (0,) * 2 * axes, "dilations": ones}


def _global_max(node: ir.Node, context: Context) -> None:
    """Rewrite GlobalMaxPool as a MaxPool over the whole map."""
    shape = shape_of(node.inputs[0])
    if len(shape) not in (3, 4):
        raise Refused(f"a tensor of shape {shape}", "images [N,C,H,W] or sequences [N,C,L]")
    pool = ir.node("MaxPool", [node.inputs[0]], _whole(shape), name=str(node.name))
    context.replace(node.outputs[0], context.insert(node, pool))


POOL = Pattern("pooling window", frozenset({"MaxPool", "AveragePool"}), _pool)
MEAN = Pattern("mean over positions", frozenset(_NAMES), _mean)
GLOBAL_MAX = Pattern("global maximum", frozenset({"GlobalMaxPool"}), _global_max)
