"""Damage of an ONNX graph, as an editor, a broken tool or an attacker makes it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import onnx
from onnx import AttributeProto, TensorProto, helper

from ..hostile import HOSTILE
from .tensor import damaged_tensor

OPS = (
    "Relu Add Sub Mul Div Conv Where Reshape Round Floor Ceil Softmax Gemm Flatten Squeeze "
    "Unsqueeze ReduceMean Expand Shape If Loop Clip PRelu LeakyRelu Greater GreaterOrEqual Less "
    "LessOrEqual Equal Not And Identity Cast MatMul MaxPool AveragePool GlobalAveragePool "
    "GlobalMaxPool Transpose Pad Dropout Resize Sign Abs Neg Max Min Sqrt Pow Concat Slice "
    "Gather BatchNormalization QuantizeLinear DequantizeLinear Sigmoid HardSigmoid HardSwish "
    "Tanh Constant ConstantOfShape Sum Split ReduceSum ConvTranspose LRN Upsample Quant "
    "BipolarQuant Trunc Threshold Weight Codebook "
).split()
DOMAINS = ("", "ai.onnx", "n2uq", "qonnx.custom_op.general", "onnx.brevitas", "other", "é")
INTS = (
    0,
    1,
    2,
    3,
    -1,
    -2,
    4,
    7,
    8,
    16,
    100,
    30_000,
    2**31 - 1,
    2**31,
    2**33,
    2**62,
    2**63 - 1,
    -(2**63),
)
FLOATS = (
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    1e-30,
    1e-45,
    1e20,
    3.4e38,
    float("inf"),
    float("-inf"),
    float("nan"),
)
_NEW = "new_value"


def damaged_model(model: onnx.ModelProto, source: random.Random, other: onnx.ModelProto) -> None:
    """A few changes in place.

    Args:
        model: of the corpus.
        source: of what is drawn.
        other: another one, from which nodes may be taken.
    """
    for _ in range(source.choice((1, 1, 1, 1, 2, 2, 3, 5))):
        source.choice(_CHANGES)(model, source, other)


def names(graph: onnx.GraphProto) -> list[str]:
    """Return names of all tensors, and some of none."""
    found = [name for node in graph.node for name in node.output]
    found += [t.name for t in graph.initializer] + [v.name for v in graph.input]
    return [*found, "", "ghost"]


def _node(model: onnx.ModelProto, source: random.Random) -> onnx.NodeProto:
    return source.choice(list(model.graph.node) or [model.graph.node.add()])


def _input(model: onnx.ModelProto, source: random.Random, other: onnx.ModelProto) -> None:
    node = _node(model, source)
    if node.input:
        node.input[source.randrange(len(node.input))] = source.choice(names(model.graph))


def _swapped(model: onnx.ModelProto, source: random.Random, other: onnx.ModelProto) -> None:
    node = _node(model, source)
    if len(node.input) > 1:
        a, b = source.sample(range(len(node.input)), 2)
        node.input[a], node.input[b] = node.input[b], node.input[a]


def _fewer_inputs(model: onnx.ModelProto, source: random.Random, other: onnx.ModelProto) -> None:
    node = _node(model, source)
    if node.input:
        del node.input[source.randrange(len(node.input))]


def _more_inputs(model: onnx.ModelProto, source: random.Random, other: onnx.ModelProto) -> None:
    _node(model, source).input.append(source.choice(names(model.graph)))


def _op(model: onnx.ModelProto, source: random.Random, other: onnx.ModelProto) -> None:
    node = _node(model, source)
    node.op_type = source.choice(OPS)
    if source.random() < 0.2:
        node.domain = source.choice(DOMAINS)


def _remove(model: onnx.ModelProto, source: random.Random, other: onnx.ModelProto) -> None:
    """A node, most often with what it made replaced by what it read."""
    node = _node(model, source)
    if node.input and node.output and source.random() < 0.7:
        old, new = node.output[0], node.input[0]
        model.graph.node.remove(node)
        for reader in model.graph.node:
            for k, name in enumerate(reader.input):
                if name == old:
                    reader.input[k] = new
        for out in model.graph.output:
            if out.name == old:
                out.name = new
    else:
        model.graph.node.remove(node)


def _between(model: onnx.ModelProto, source: random.Random, other: onnx.ModelProto) -> None:
    """An operator between a node and what it reads; with a constant for a second operand."""
    node = _node(model, source)
    if not node.input:
        return
    k, count = source.randrange(len(node.input)), len(model.graph.node)
    op = source.choice(OPS)
    operands = [node.input[k]]
    if op in ("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Greater", "PRelu", "Clip"):
        name = f"{_NEW}_c{count}"
        value = source.choice((*FLOATS, 0.1, 2.5, 3.1, -0.7))
        model.graph.initializer.append(helper.make_tensor(name, TensorProto.FLOAT, (), [value]))
        operands.insert(source.choice((1, 1, 0)), name)
    new = helper.make_node(op, operands, [f"{_NEW}_{count}"])
    node.input[k] = new.output[0]
    at = list(model.graph.node).index(node)
    model.graph.node.insert(at, new)


def _attribute(model: onnx.ModelProto, source: random.Random, other: onnx.ModelProto) -> None:
    """Another value, another type, or gone."""
    node = _node(model, source)
    if not node.attribute:
        return
    attribute = source.choice(list(node.attribute))
    form = source.random()
    if form < 0.15:
        node.attribute.remove(attribute)
    elif form < 0.3:
        attribute.type = source.choice(range(15))
    elif form < 0.4:
        replacement = helper.make_attribute(attribute.name, source.choice(_VALUES))
        attribute.CopyFrom(replacement)
    elif attribute.ints:
        ints = list(attribute.ints)
        if source.random() < 0.3:
            ints = source.choice((ints[:-1], ints + ints[:1], ints * 2))
        else:
            ints[source.randrange(len(ints))] = source.choice(INTS)
        del attribute.ints[:]
        attribute.ints.extend(ints)
    elif attribute.type == AttributeProto.FLOAT:
        attribute.f = source.choice(FLOATS)
    elif attribute.type == AttributeProto.STRING:
        attribute.s = source.choice((b"", b"SAME_UPPER", b"VALID", b"\xff", b"NOTSET", b"ROUND"))
    elif attribute.HasField("t"):
        damaged_tensor(attribute.t, source)
    else:
        attribute.i = source.choice(INTS)


_VALUES = (1, 0.5, "text", b"\xff\xfe", [1, 2], [0.5], ["a", "b"], [2**40])


def _new_attribute(model: onnx.ModelProto, source: random.Random, other: onnx.ModelProto) -> None:
    name = source.choice(
        "axis axes alpha beta strides pads dilations group kernel_shape auto_pad ceil_mode epsilon "
        "count_include_pad keepdims to transA transB perm mode min max bits storage_order "
        "training_mode then_branch value noop_with_empty_axes allowzero".split()
    )
    value = source.choice((*INTS[:10], *_VALUES, 3))
    node = _node(model, source)
    for attribute in list(node.attribute):
        if attribute.name == name and source.random() < 0.9:
            node.attribute.remove(attribute)
    node.attribute.append(helper.make_attribute(name, value))


def _tensor(model: onnx.ModelProto, source: random.Random, other: onnx.ModelProto) -> None:
    if model.graph.initializer:
        damaged_tensor(source.choice(list(model.graph.initializer)), source)


def _drop_tensor(model: onnx.ModelProto, source: random.Random, other: onnx.ModelProto) -> None:
    if model.graph.initializer:
        del model.graph.initializer[source.randrange(len(model.graph.initializer))]


def _face(model: onnx.ModelProto, source: random.Random, other: onnx.ModelProto) -> None:
    """Types and shapes of inputs and outputs."""
    faces = [*model.graph.input, *model.graph.output, *model.graph.value_info]
    if not faces:
        return
    kind = source.choice(faces).type.tensor_type
    dims = kind.shape.dim
    form = source.random()
    if form < 0.15:
        kind.elem_type = source.choice((0, 1, 2, 3, 6, 7, 9, 10, 11, 16, 99))
    elif form < 0.3 and dims:
        del dims[source.randrange(len(dims))]
    elif form < 0.4:
        dims.add().dim_value = source.choice((0, 1, 3, -1))
    elif form < 0.5 and dims:
        source.choice(list(dims)).dim_param = source.choice(("N", "", "H", "N+1"))
    elif dims:
        source.choice(list(dims)).dim_value = source.choice((*INTS, 1, 2, 3, 5, 224))


def _twice(model: onnx.ModelProto, source: random.Random, other: onnx.ModelProto) -> None:
    """A node twice, with its outputs renamed or not; or one of another model."""
    node = onnx.NodeProto()
    node.CopyFrom(_node(source.choice((model, other)), source))
    if source.random() < 0.7:
        for k in range(len(node.output)):
            node.output[k] += "_2"
        if node.input:
            node.input[0] = source.choice(names(model.graph))
    model.graph.node.insert(source.randrange(len(model.graph.node) + 1), node)


def _order(model: onnx.ModelProto, source: random.Random, other: onnx.ModelProto) -> None:
    nodes = list(model.graph.node)
    source.shuffle(nodes)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _versions(model: onnx.ModelProto, source: random.Random, other: onnx.ModelProto) -> None:
    entry = source.choice(list(model.opset_import) or [model.opset_import.add()])
    if source.random() < 0.7:
        entry.version = source.choice((*range(1, 27), 0, -1, 2**40))
    else:
        entry.domain = source.choice(DOMAINS)
    if source.random() < 0.2:
        model.ir_version = source.choice((0, 1, 3, 7, 8, 10, 12, 99, 2**40))


def _rename(model: onnx.ModelProto, source: random.Random, other: onnx.ModelProto) -> None:
    """A hostile name, everywhere where the old one stood."""
    old = source.choice(names(model.graph))
    rename(model.graph, old, source.choice((*HOSTILE, "a" * 66_000, old.upper(), f"{old}.0")))


def rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Give a tensor, and a node of its name, another name."""
    for node in graph.node:
        node.name = new if node.name == old else node.name
        for field in (node.input, node.output):
            for k, name in enumerate(field):
                if name == old and old:
                    field[k] = new
    for value in (*graph.initializer, *graph.input, *graph.output, *graph.value_info):
        value.name = new if value.name == old else value.name


def _output(model: onnx.ModelProto, source: random.Random, other: onnx.ModelProto) -> None:
    """Another tensor is the result, or one more."""
    faces = model.graph.output
    if faces and source.random() < 0.8:
        face = source.choice(list(faces))
        face.name = source.choice(names(model.graph))
        face.type.tensor_type.ClearField("shape")
    else:
        faces.add().name = source.choice(names(model.graph))


_Change = Callable[[onnx.ModelProto, random.Random, onnx.ModelProto], None]
_CHANGES: Sequence[_Change] = (
    *(
        _input,
        _swapped,
        _fewer_inputs,
        _more_inputs,
        _op,
        _op,
        _remove,
        _remove,
        _between,
        _between,
    ),
    *(_attribute, _attribute, _attribute, _new_attribute, _tensor, _tensor, _tensor, _drop_tensor),
    *(_face, _twice, _order, _versions, _rename, _output),
)
