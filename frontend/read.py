"""Reading an ONNX file without trusting it: size, external data, well-formed protobuf."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx.checker import ValidationError
from onnx.external_data_helper import (
    ExternalDataInfo,
    load_external_data_for_tensor,
    uses_external_data,
)

from .diagnostics import CompileError, Problem
from .escape import plain

SIZE_LIMIT = 2 * 1024**3  # protobuf's own limit of one message; also of all external data together

Source = str | os.PathLike[str] | bytes | onnx.ModelProto


def read_model(source: Source) -> onnx.ModelProto:
    """Reads a model with all its parameters in memory; the caller's object is never changed.

    Args:
        source: path of an .onnx file, its content, or a parsed model.

    Raises:
        CompileError: the file is missing, a directory, empty, truncated, not ONNX, above 2 GiB, or
            its external data lies outside the model's folder, is missing or too short.
    """
    if isinstance(source, onnx.ModelProto):
        return _with_external_data(_copy(source), folder=None, label="the given model")
    if isinstance(source, bytes):
        return _with_external_data(_parse(source, "the given bytes"), None, "the given bytes")
    path = Path(source)
    try:
        if path.is_dir():
            raise CompileError(f"{plain(path)} is a directory, not an ONNX file")
        if path.stat().st_size > SIZE_LIMIT:
            raise CompileError(_too_large(str(path), path.stat().st_size))
        if path.exists() and not path.is_file():  # it is read more than once, for its hash
            raise CompileError(f"{plain(path)} is a pipe or a device; give an ONNX file")
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CompileError(f"cannot read {plain(path)}: {reason or error}") from error
    return _with_external_data(_parse(content, str(path)), path.resolve().parent, str(path))


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _parse(content: bytes, label: str) -> onnx.ModelProto:
    if not content:
        raise CompileError(f"{plain(label)}: the file is empty")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except Exception as error:  # protobuf's implementations raise different types
        found = "not an ONNX model, or cut off in the middle"
        raise CompileError(Problem(label, "", found, mend="export it again")) from error
    if not model.graph.node or not model.opset_import:
        found = "holds no ONNX graph (no nodes or no opset)"
        raise CompileError(Problem(label, "", found, mend="export it again"))
    return model


def _too_large(label: str, size: int) -> Problem:
    return Problem(
        label, "", f"{size / 1024**3:.2f} GiB of data", f"at most {SIZE_LIMIT // 1024**3} GiB"
    )


def _with_external_data(model: onnx.ModelProto, folder: Path | None, label: str) -> onnx.ModelProto:
    """Loads external parameters; `onnx` refuses paths that leave the folder and short files."""
    outside = [tensor for tensor in _tensors(model) if uses_external_data(tensor)]
    if outside and folder is None:
        found = f"its parameter '{outside[0].name}' is in an external file"
        mend = "pass the path of the .onnx file, with its data file beside it"
        raise CompileError(Problem(label, "", found, mend=mend))
    problems, total = [], 0
    for tensor in outside:
        assert folder is not None
        try:
            info = ExternalDataInfo(tensor)
            size = (folder / info.location).stat().st_size
            total += size if info.length is None else info.length
            if total > SIZE_LIMIT:
                problems.append(_too_large(label, total))
                break
            load_external_data_for_tensor(tensor, str(folder))
        except (OSError, ValueError, TypeError, RuntimeError, ValidationError) as error:
            found = f"external data cannot be read: {error}"
            supported = "a data file beside the model, or in a folder below it, of full length"
            mend = "keep the .onnx file and its data file together"
            problems.append(Problem(tensor.name, "initializer", found, supported, mend))
    if problems:
        raise CompileError(problems)
    return model


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
