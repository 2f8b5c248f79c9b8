"""Input sizes given by the user where the file leaves axes of the input dynamic."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from .diagnostics import CompileError, Problem


def fix_input_shape(proto: onnx.ModelProto, shape: Sequence[int]) -> None:
    """Write sizes into the dynamic axes of the model's input, in place.

    Args:
        proto: a model with one input besides its parameters; other models are left to later checks.
        shape: sizes with or without the batch; of all axes where the file states no shape.

    Raises:
        CompileError: the number of axes differs, a size is below 1, or it contradicts the file.
    """
    parameters = {tensor.name for tensor in proto.graph.initializer}
    images = [value for value in proto.graph.input if value.name not in parameters]
    if len(images) != 1 or not images[0].type.HasField("tensor_type"):
        return
    (image,), sizes = images, list(shape)
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
