"""The classifier head: every flattening becomes Flatten; MatMul and Add become Gemm."""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_ir as ir

from ..opset import constant, initializer, is_op, read_weight
from .pattern import Context, Pattern, Refused
from .queries import channel_values, only_reader, operands, producer, shape_of


def _flatten(node: ir.Node, context: Context) -> None:
    """Rewrite Reshape, Squeeze, Unsqueeze and Flatten as Flatten to [N, C·H·W] or as Reshape."""
    data = node.inputs[0]
    assert data is not None
    before, after = shape_of(data), shape_of(node.outputs[0])
    batch = before[:1]
    if after[:1] != batch:
        raise Refused(
            f"reshapes {before} to {after}: images mix with the batch",
            "the batch stays the first axis",
            "flatten with torch.flatten(x, 1), and export with the network's own image size",
        )
    if before == after:
        context.replace(node.outputs[0], data)
        return
    if prod(before) != prod(after):
        raise Refused(f"reshapes {before} to {after}", "flattening to [N, C·H·W]")
    if context.dynamic and node.op_type == "Reshape" and _fixes_batch(node, context):
        raise Refused(
            f"fixes the batch at {batch[0]} while the input's batch is dynamic",
            "a batch size read from the input, or -1",
            "flatten with torch.flatten(x, 1)",
        )
    if len(after) != 2:
        _reshape(node, data, after, context)
        return
    if node.op_type == "Flatten":
        node.attributes.add(ir.AttrInt64("axis", 1))
        return
    flatten = ir.node("Flatten", [data], {"axis": 1}, name=str(node.name))
    context.replace(node.outputs[0], context.insert(node, flatten))


def _reshape(node: ir.Node, data: ir.Value, shape: tuple[int, ...], context: Context) -> None:
    """Replace a node by a Reshape that keeps the batch; `canonical` checks that no value moves."""
    target = initializer(context.graph, f"{node.name}.shape", np.array([0, *shape[1:]], np.int64))
    reshape = ir.node("Reshape", [data, target], name=str(node.name))
    reshape.outputs[0].shape = node.outputs[0].shape
    context.replace(node.outputs[0], context.insert(node, reshape))


def _fixes_batch(node: ir.Node, context: Context) -> bool:
    target = context.constants.array(node.inputs[1])
    if target is None:
        return False
    if target.ndim != 1 or not target.size:
        raise Refused(f"a target of shape {target.shape}", "a vector of sizes")
    return int(target[0]) == context.batch and not node.meta.get(_DYNAMIC)


_DYNAMIC = "n2uq.batch_from_shape"


def _mark_dynamic(node: ir.Node, context: Context) -> None:
    """Note, before constants are folded, whether a Reshape's target depends on the batch size."""
    target = node.inputs[1]
    if target is None or not context.constants.known(target):
        return
    if context.constants.depends_on_batch(target):
        now, other = context.constants.array(target), context.constants.with_other_batch(target)
        assert now is not None
        node.meta[_DYNAMIC] = now.shape == other.shape and bool((now != other).ravel()[:1].any())


def _matmul(node: ir.Node, context: Context) -> None:
    """Rewrite MatMul(x, W) as Gemm, with an Add of a constant after it as its bias."""
    data, weight = node.inputs
    array, turned = constant(weight), _turned(weight)
    if len(shape_of(data)) != 2 or ((array is None or array.ndim != 2) and turned is None):
        raise Refused(
            "a product of computed or higher-dimensional tensors",
            "[N,I] times a constant [I,O], after Flatten",
        )
    assert weight is not None
    if turned is None:
        assert array is not None
        turned = initializer(context.graph, str(weight.name), array.T)
    inputs, outputs = [data, turned], shape_of(weight)[1]
    output = node.outputs[0]
    add = only_reader(output, "Add")
    name = str(node.name)
    if add is not None:
        for product, other in operands(add):
            bias = constant(other)
            if product is not output or bias is None:
                continue
            values = channel_values(bias, (shape_of(data)[0], outputs))
            if values is None:
                continue  # its own pattern refuses it
            full = np.ascontiguousarray(np.broadcast_to(values, outputs))
            inputs.append(initializer(context.graph, str(other.name), full))
            output, name = add.outputs[0], str(add.name)
    gemm = ir.node("Gemm", inputs, _GEMM, name=name)
    gemm.outputs[0].shape = output.shape
    gemm.metadata_props.update(node.metadata_props)
    before = add if len(inputs) == 3 and add is not None else node
    context.replace(output, context.insert(before, gemm))


_GEMM = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 1}


def _turned(value: ir.Value | None) -> ir.Value | None:
    """Return the quantized weights [O,I] that a value is the transpose of."""
    node = producer(value, "Transpose")
    if node is None or len(shape_of(value)) != 2 or node.inputs[0] is None:
        return None
    swaps = tuple(node.attributes.get_ints("perm") or (1, 0)) == (1, 0)
    return node.inputs[0] if swaps and is_op(node.inputs[0].producer(), "Weight") else None


def _gemm(node: ir.Node, context: Context) -> None:
    """Bring Gemm to weights [O,I] (transB=1) and a bias [O]; alpha and beta are kept exactly."""
    get = node.attributes
    if get.get_int("transA", 0):
        above = producer(node.inputs[0], "Transpose")
        if above is None or len(shape_of(node.inputs[0])) != 2:
            raise Refused("transA=1", "transA=0", "keep the batch as the first axis")
        node.replace_input_with(0, above.inputs[0])
    alpha, beta = get.get_float("alpha", 1.0), get.get_float("beta", 1.0)
    if not (np.isfinite([alpha, beta]).all() and alpha != 0):
        raise Refused(f"alpha {alpha:g} and beta {beta:g}", "finite numbers, alpha other than 0")
    if (turned := _turned(node.inputs[1])) is not None and not get.get_int("transB", 0):
        node.replace_input_with(1, turned)
        node.attributes.add(ir.AttrInt64("transB", 1))
    maker = node.inputs[1].producer() if node.inputs[1] is not None else None
    array = constant(node.inputs[1])
    if maker is not None and is_op(maker, "Weight"):
        array = read_weight(maker).codes
    if array is None or array.ndim != 2:
        raise Refused("computed weights", "constant weights")
    if not get.get_int("transB", 0):
        name = str(node.inputs[1].name)  # type: ignore[union-attr]
        array = array.T
        node.replace_input_with(1, initializer(context.graph, name, array))
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        bias = constant(node.inputs[2])
        if (
            bias is None
            or bias.size != (bias.shape or (1,))[-1]
            or bias.size not in (1, len(array))
        ):
            raise Refused("a bias that is computed or differs by image", "one value per output")
        if bias.shape != (len(array),):
            full = np.ascontiguousarray(np.broadcast_to(bias.reshape(-1), len(array)))
            name = str(node.inputs[2].name)
            node.replace_input_with(2, initializer(context.graph, name, full))
    node.attributes.clear()
    for key, value in {**_GEMM, "alpha": alpha, "beta": beta}.items():
        node.attributes.add(ir.convenience.convert_attribute(key, value))


RESHAPE_TARGET = Pattern("reshape target", frozenset({"Reshape"}), _mark_dynamic)
FLATTEN = Pattern("flatten", frozenset({"Flatten", "Reshape", "Squeeze", "Unsqueeze"}), _flatten)
MATMUL = Pattern("matrix product", frozenset({"MatMul"}), _matmul)
GEMM = Pattern("gemm", frozenset({"Gemm"}), _gemm)
