"""Means that a Softmax weighs: the distances of a box, the coordinates of a keypoint.

A detector that predicts a distribution over R bins takes its mean by a 1x1 convolution, or a
matrix, of few outputs, often with the constants 0, 1, ..., R - 1 (Li et al., Generalized Focal
Loss, NeurIPS 2020). It is no layer: it follows a Softmax, which runs on the host. As products and
sums over the bins it runs there, too.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..host_model import HOST_OPS
from ..opset import initializer
from .pattern import Context, Pattern
from .queries import Array, is_standard

_SUMS = ("Conv", "MatMul", "Gemm")
_MOST = 4
"""Means of one distribution; what gives more is a layer."""


def _search(softmax: ir.Node, context: Context) -> None:
    """Rewrite each Conv, MatMul or Gemm that the host's operators lead to from a Softmax."""
    stack, seen = [softmax.outputs[0]], set[ir.Value]()
    while stack:
        value = stack.pop()
        if value in seen:
            continue
        seen.add(value)
        for node, index in [(use.node, use.idx) for use in value.uses()]:
            if index == 0 and is_standard(node, *_SUMS):
                stack.extend(_rewritten(node, context))
            elif is_standard(node, *HOST_OPS):
                stack.extend(node.outputs)


def _rewritten(node: ir.Node, context: Context) -> list[ir.Value]:
    """Replace a sum weighed by constants by Mul and ReduceSum; return its result, if it is one."""
    data = node.inputs[0]
    if data is None or data.shape is None:
        return []
    rows = _rows(node, context, len(data.shape))
    if rows is None or len(rows) > _MOST:
        return []
    axis, name = (1 if node.op_type == "Conv" else len(data.shape) - 1), str(node.name)
    axes = initializer(context.graph, f"{name}.axis", np.array([axis], np.int64))
    means = []
    for row in rows:
        bins = row.reshape([-1 if k == axis else 1 for k in range(len(data.shape))])
        weights = initializer(context.graph, f"{name}.bins", bins)
        weighed = context.insert(node, ir.node("Mul", [data, weights], name=name))
        weighed.shape = data.shape
        sum_ = ir.node("ReduceSum", [weighed, axes], {"keepdims": 1}, name=name)
        means.append(context.insert(node, sum_))
        means[-1].shape = ir.Shape([1 if k == axis else d for k, d in enumerate(data.shape)])
    result = means[0]
    if len(means) > 1:
        result = context.insert(node, ir.node("Concat", means, {"axis": axis}, name=name))
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is not None:
        offset = context.constants.arrays([bias])[0]
        if node.op_type == "Conv":
            offset = offset.reshape(-1, *[1] * (len(data.shape) - 2))
        added = initializer(context.graph, f"{name}.offset", offset)
        result.shape = node.outputs[0].shape
        result = context.insert(node, ir.node("Add", [result, added], name=name))
    context.replace(node.outputs[0], result)
    return [result]


def _rows(node: ir.Node, context: Context, rank: int) -> Array | None:
    """Return the weights [outputs, bins] of a node; None if it is no sum over one axis alone."""
    weights = context.constants.array(node.inputs[1])
    if weights is None or any(
        value is not None and not context.constants.known(value) for value in node.inputs[2:]
    ):
        return None
    get = node.attributes
    if node.op_type == "MatMul":
        return weights.T if weights.ndim == 2 and rank > 1 else None
    if node.op_type == "Gemm":
        plain = get.get_float("alpha", 1.0) == get.get_float("beta", 1.0) == 1.0
        plain &= not get.get_int("transA", 0)
        return (weights if get.get_int("transB", 0) else weights.T) if plain else None
    plain = all(size == 1 for size in weights.shape[2:]) and get.get_int("group", 1) == 1
    plain &= get.get_string("auto_pad", "NOTSET") in ("NOTSET", "VALID")
    plain &= not any(get.get_ints("pads") or ()) and set(get.get_ints("strides") or (1,)) == {1}
    return weights.reshape(weights.shape[:2]) if plain and weights.ndim == rank else None


EXPECTATION = Pattern("mean over a distribution", frozenset({"Softmax"}), _search)
