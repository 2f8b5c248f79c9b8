"""Channels-last operators: MatMul on [N,H,W,C], QONNX's Im2Col and MaxPoolNHWC.

Streamlined FINN and QONNX graphs write a convolution as Im2Col and MatMul between two Transposes.
Each is rewritten as the standard operator between two Transposes, which then cancel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from ..opset import Weight, initializer, make_weight
from .pattern import Context, Pattern, Refused
from .queries import Array, shape_of

DOMAIN = "qonnx.custom_op.general"
OPS = frozenset({"Im2Col", "MaxPoolNHWC"})


@dataclass(frozen=True)
class _Patches:
    """The windows that Im2Col takes from its input; windows of one position without Im2Col."""

    data: ir.Value
    kernel: tuple[int, int]
    attributes: dict[str, tuple[int, ...]]
    pad_value: int = 0


def lowered_shape(node: ir.Node) -> tuple[int, ...]:
    """Return the output shape of Im2Col or MaxPoolNHWC.

    Raises:
        Refused: attributes that do not fit a tensor [N,H,W,C].
    """
    shape, kernel = shape_of(node.inputs[0]), _read(node, "kernel_shape", 2)
    if node.op_type == "Im2Col":
        kernel = _read(node, "kernel_size", 2)
    strides = _read(node, "stride" if node.op_type == "Im2Col" else "strides", 2, (1, 1))
    pads = _read(node, "pad_amount" if node.op_type == "Im2Col" else "pads", 4, (0,) * 4)
    dilations = _read(node, "dilations", 2, (1, 1))
    if len(shape) != 4:
        raise Refused(f"a tensor of shape {shape}", "images [N,H,W,C]")
    size = []
    for axis in (0, 1):
        room = shape[1 + axis] + pads[axis] + pads[2 + axis]
        room -= dilations[axis] * (kernel[axis] - 1) + 1
        up = strides[axis] - 1 if node.attributes.get_int("ceil_mode", 0) == 1 else 0
        size.append((room + up) // strides[axis] + 1)
    if min(size) < 1:
        raise Refused(f"a window {kernel} on a tensor {shape}", "a window that fits")
    depth = kernel[0] * kernel[1] * shape[3] if node.op_type == "Im2Col" else shape[3]
    return (shape[0], *size, depth)


def _read(
    node: ir.Node, name: str, count: int, default: tuple[int, ...] | None = None
) -> tuple[int, ...]:
    values = tuple(int(v) for v in node.attributes.get_ints(name, ()) or ()) or default
    if values is None:
        return (1,) * count
    least = 0 if name.startswith("pad") else 1
    if len(values) != count or min(values) < least:
        raise Refused(f"{name} {values}", f"{count} entries of {least} or more")
    return values


def _patches(product: ir.Node) -> _Patches:
    data = product.inputs[0]
    assert data is not None
    node = data.producer()
    if node is None or node.op_type != "Im2Col" or node.domain != DOMAIN:
        return _Patches(data, (1, 1), {})
    kernel = _read(node, "kernel_size", 2)
    attributes = {
        "strides": _read(node, "stride", 2, (1, 1)),
        "pads": _read(node, "pad_amount", 4, (0,) * 4),
        "dilations": _read(node, "dilations", 2, (1, 1)),
    }
    assert node.inputs[0] is not None
    pad = node.attributes.get_int("pad_value", 0)
    return _Patches(node.inputs[0], (kernel[0], kernel[1]), attributes, pad)


def put_product(node: ir.Node, weight: Array | Weight, context: Context) -> None:
    """Replace a MatMul on [N,H,W,C] or [N,L,C] by a convolution.

    Args:
        node: the MatMul; Im2Col may precede it.
        weight: [I,O] as in the file, or quantized codes [O,I].
        context: holds the graph.

    Raises:
        Refused: Im2Col pads with a value other than 0.
    """
    cut = _patches(node)
    if cut.pad_value and any(cut.attributes.get("pads", ())):
        raise Refused(f"Im2Col with padding value {cut.pad_value}", "padding with 0")
    matrix = weight.codes if isinstance(weight, Weight) else weight.T
    axes, channels = len(shape_of(cut.data)) - 2, shape_of(cut.data)[-1]
    kernel = cut.kernel[2 - axes :]
    full = matrix.reshape(len(matrix), *kernel, channels)
    full = np.moveaxis(full, -1, 1)  # [O, I, …]
    groups = _groups(full)
    if groups > 1:
        full = full[np.arange(len(full)), np.arange(len(full))][:, None]
    if isinstance(weight, Weight):
        held = make_weight(context.graph, replace(weight, codes=full), f"{node.name}.codes")
        values = context.insert(node, held)
        values.name = f"{node.name}.weight_codes"
    else:
        values = initializer(context.graph, f"{node.name}.kernel", full)
        values.dtype = ir.DataType.FLOAT
    values.shape = ir.Shape(full.shape)
    first = _transpose(node, cut.data, "channels_first", context)
    conv = ir.node(
        "Conv", [first, values], {"group": groups, "kernel_shape": kernel, **cut.attributes},
        name=str(node.name),
    )  # fmt: skip
    result = shape_of(node.outputs[0])
    conv.outputs[0].shape = ir.Shape([result[0], result[-1], *result[1:-1]])
    conv.outputs[0].name = f"{node.name}.channels_first_out"
    back = _transpose(node, context.insert(node, conv), "channels_last", context)
    context.replace(node.outputs[0], back)


def _groups(kernel: Array) -> int:
    """Return C for a depthwise kernel [C,C,…], which is 0 off the diagonal; 1 for any other."""
    count = len(kernel)
    if kernel.shape[1] != count or count == 1:
        return 1
    others = kernel[~np.eye(count, dtype=bool)]
    return count if not others.any() else 1


def _transpose(node: ir.Node, x: ir.Value, name: str, context: Context) -> ir.Value:
    rank = len(shape_of(x))
    first = name == "channels_first"
    perm = [0, rank - 1, *range(1, rank - 1)] if first else [0, *range(2, rank), 1]
    return context.transpose(node, x, perm, f"{node.name}.{name}")


def _product(node: ir.Node, context: Context) -> None:
    data, weight = node.inputs
    array = context.constants.array(weight)
    if array is None or array.ndim != 2 or data is None or data.shape is None:
        return
    if len(data.shape) in (3, 4) and context.constants.array(data) is None:
        put_product(node, array, context)


def _pool(node: ir.Node, context: Context) -> None:
    assert node.inputs[0] is not None
    attributes: dict[str, int | tuple[int, ...]] = {
        "kernel_shape": _read(node, "kernel_shape", 2),
        "strides": _read(node, "strides", 2, (1, 1)),
        "pads": _read(node, "pads", 4, (0,) * 4),
        "ceil_mode": int(node.attributes.get_int("ceil_mode", 0) == 1),
    }
    first = _transpose(node, node.inputs[0], "channels_first", context)
    pool = ir.node("MaxPool", [first], attributes, name=str(node.name))
    result = shape_of(node.outputs[0])
    pool.outputs[0].shape = ir.Shape([result[0], result[-1], *result[1:-1]])
    pool.outputs[0].name = f"{node.name}.channels_first_out"
    back = _transpose(node, context.insert(node, pool), "channels_last", context)
    context.replace(node.outputs[0], back)


CHANNELS_LAST_PRODUCT = Pattern("channels-last product", frozenset({"MatMul"}), _product)
CHANNELS_LAST_POOL = Pattern(
    "channels-last pooling", frozenset({"MaxPoolNHWC"}), _pool, domains=frozenset({DOMAIN})
)
