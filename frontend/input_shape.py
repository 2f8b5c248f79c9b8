"""Input sizes given by the user where the file leaves axes of inputs dynamic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx

from .diagnostics import CompileError, Problem

InputShape = Sequence[int] | Mapping[str, Sequence[int]]
"""Sizes of the only input, as (C, H, W) or with the batch; by name where there are several."""


def fix_input_shape(proto: onnx.ModelProto, shape: InputShape) -> None:
    """Write sizes into the dynamic axes of the model's inputs, in place.

    Args:
        proto: a model; without any input it is left to later checks.
        shape: sizes with or without the batch; of all axes where the file states no shape.

    Raises:
        CompileError: there is no input of a name, or several for sizes without one; the number of
            axes differs, a size is below 1, or it contradicts the file.
    """
    parameters = {tensor.name for tensor in proto.graph.initializer}
    images = {value.name: value for value in proto.graph.input if value.name not in parameters}
    if not images:
        return
    if not isinstance(shape, Mapping):
        if len(images) > 1:
            raise CompileError(_unnamed(list(images), shape))
        shape = dict.fromkeys(images, shape)
    for name, sizes in shape.items():
        if name not in images:
            raise CompileError(_unknown(name, list(images)))
        if images[name].type.HasField("tensor_type"):
            _fix(images[name], list(sizes))


def _fix(image: onnx.ValueInfoProto, sizes: list[int]) -> None:
    stated = image.type.tensor_type.shape
    if not image.type.tensor_type.HasField("shape"):
        stated.dim.extend(onnx.TensorShapeProto.Dimension() for _ in sizes)
    dims = list(stated.dim)
    text = _text(dims)
    if len(sizes) == len(dims) - 1:
        dims = dims[1:]
    if len(sizes) != len(dims) or min(sizes, default=0) < 1:
        raise CompileError(_problem(image.name, sizes, text))
    for dim, size in zip(dims, sizes, strict=True):
        if dim.HasField("dim_value") and dim.dim_value > 0 and dim.dim_value != size:
            raise CompileError(_problem(image.name, sizes, text))
        dim.dim_value = size


def _unnamed(names: list[str], sizes: Sequence[int]) -> Problem:
    given = ",".join(map(str, sizes))
    return Problem(
        "", "", f"a shape without a name for a network of {len(names)} inputs",
        f"sizes by name: {', '.join(names)}",
        f"give --input-shape {names[0]}={given}, once for each input that has open axes",
    )  # fmt: skip


def _unknown(name: str, names: list[str]) -> Problem:
    return Problem(
        name, "input", "a shape for it, while the network has no input of this name",
        f"the inputs: {', '.join(names)}", "give --input-shape NAME=C,H,W with one of these names",
    )  # fmt: skip


def _problem(name: str, sizes: list[int], text: str) -> Problem:
    given = ",".join(map(str, sizes))
    return Problem(
        name, "input", f"shape {text}, while the shape given is {given}",
        "sizes of 1 or more for the axes the file leaves open, with or without the batch, and the "
        "file's own for the others",
        "give another --input-shape, or export the network with that input size",
    )  # fmt: skip


def _text(dims: list[onnx.TensorShapeProto.Dimension]) -> str:
    sizes = [d.dim_value if d.HasField("dim_value") else d.dim_param or "?" for d in dims]
    return f"[{','.join(map(str, sizes))}]"
