"""Pooling: explicit windows, and every way of writing a global average."""

from __future__ import annotations

import onnx_ir as ir

from .base import Context, Pattern, Refused, shape_of
from .windows import explicit_window

_SPATIAL = (2, 3)


def _pool(node: ir.Node, context: Context) -> None:
    """MaxPool and AveragePool with explicit attributes and rounding down of sizes."""
    if any(output.uses() for output in node.outputs[1:]):
        raise Refused("its index output is read", "the pooled values only")
    data = shape_of(node.inputs[0])
    window = explicit_window(node, data)
    result = shape_of(node.outputs[0])
    average = node.op_type == "AveragePool"
    if window.dilations != (1, 1):
        raise Refused(f"dilations {window.dilations}", "dilation 1")
    if node.attributes.get_int("storage_order", 0):
        raise Refused("storage_order 1", "storage_order 0")
    if window.starts_outside(data, result):
        raise Refused(
            "ceil_mode=1 with last windows that hold nothing but padding",
            "windows that begin inside the image: PyTorch and onnxruntime drop the others, "
            "ONNX before opset 22 counts them",
            "set ceil_mode=0, or export with opset 22",
        )
    extra = window.overhang(data, result)
    if any(extra):
        if average:
            raise Refused("ceil_mode=1 with windows that reach over the edge", "ceil_mode=0")
        window = window.padded(extra)  # a maximum never comes from the padding
    if average and window.kernel == data[2:] and not any(window.pads):
        pool = ir.node("GlobalAveragePool", [node.inputs[0]], name=str(node.name))
        context.replace(node.outputs[0], context.insert(node, pool))
        return
    counted = node.attributes.get_int("count_include_pad", 0)
    node.attributes.clear()
    for name, values in window.attributes().items():
        if name != "dilations" or not average:  # AveragePool has dilations from opset 19 on
            node.attributes.add(ir.AttrInt64s(name, values))
    if average:
        node.attributes.add(ir.AttrInt64("count_include_pad", counted if any(window.pads) else 0))


def _mean(node: ir.Node, context: Context) -> None:
    """ReduceMean over height and width is GlobalAveragePool, and Flatten if it drops the axes."""
    shape = shape_of(node.inputs[0])
    axes = node.attributes.get_ints("axes")
    if axes is None and len(node.inputs) > 1:
        array = context.constants.array(node.inputs[1])
        if array is None:
            raise Refused("computed axes", "constant axes")
        axes = [int(a) for a in array.reshape(-1)]
    found = sorted(a % len(shape) for a in axes) if axes else None
    if len(shape) != 4 or found != list(_SPATIAL):
        raise Refused(
            f"a mean over axes {found} of a tensor of shape {shape}",
            "a mean over height and width, axes 2 and 3",
        )
    kept = bool(node.attributes.get_int("keepdims", 1))
    pool = ir.node("GlobalAveragePool", [node.inputs[0]], name=str(node.name))
    pool.outputs[0].name = f"{node.outputs[0].name}.pooled"
    pool.outputs[0].shape = ir.Shape([*shape[:2], 1, 1])
    result = context.insert(node, pool)
    if not kept:
        flatten = ir.node("Flatten", [result], {"axis": 1}, name=str(node.name))
        result = context.insert(node, flatten)
    context.replace(node.outputs[0], result)


def _global_max(node: ir.Node, context: Context) -> None:
    """GlobalMaxPool is a MaxPool over the whole map."""
    shape = shape_of(node.inputs[0])
    window = {"kernel_shape": shape[2:], "strides": (1, 1), "pads": (0,) * 4, "dilations": (1, 1)}
    pool = ir.node("MaxPool", [node.inputs[0]], window, name=str(node.name))
    context.replace(node.outputs[0], context.insert(node, pool))


POOL = Pattern("pooling window", frozenset({"MaxPool", "AveragePool"}), _pool)
MEAN = Pattern("mean over positions", frozenset({"ReduceMean"}), _mean)
GLOBAL_MAX = Pattern("global maximum", frozenset({"GlobalMaxPool"}), _global_max)
