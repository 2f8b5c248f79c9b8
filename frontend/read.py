"""Reading of ONNX files that are not trusted: size, external data and protobuf are checked."""

from __future__ import annotations

import os
from pathlib import Path

import onnx

from .diagnostics import CompileError, Problem
from .escape import plain
from .external_data import SIZE_LIMIT, load_external_data
from .wellformed import check_tensors, check_wellformed

Source = str | os.PathLike[str] | bytes | onnx.ModelProto


def read_model(source: Source) -> onnx.ModelProto:
    """Read a model with all its parameters; a ModelProto of the caller is not changed.

    Args:
        source: path of an .onnx file, its content, or a parsed model.

    Raises:
        CompileError: the file is missing, a directory, empty, truncated, not ONNX, above 2 GiB, or
            its external data lies outside the model's folder, is missing or too short; or the file
            is not well-formed (`wellformed`).
    """
    if isinstance(source, onnx.ModelProto):
        return _complete(_copy(source), folder=None, label="the given model")
    if isinstance(source, bytes):
        return _complete(_parse(source, "the given bytes"), None, "the given bytes")
    path = Path(source)
    try:
        if path.is_dir():
            raise CompileError(f"{plain(path)} is a directory, not an ONNX file")
        if path.stat().st_size > SIZE_LIMIT:
            raise CompileError(_too_large(str(path), path.stat().st_size))
        if path.exists() and not path.is_file():  # the file is read again for its hash
            raise CompileError(f"{plain(path)} is a pipe or a device; give an ONNX file")
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CompileError(f"cannot read {plain(path)}: {reason or error}") from error
    return _complete(_parse(content, str(path)), path.resolve().parent, str(path))


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
        raise CompileError(Problem(label, "", found, hint="export it again")) from error
    if not model.graph.node or not model.opset_import:
        found = "holds no ONNX graph (no nodes or no opset)"
        raise CompileError(Problem(label, "", found, hint="export it again"))
    return model


def _too_large(label: str, size: int) -> Problem:
    return Problem(
        label, "", f"{size / 1024**3:.2f} GiB of data", f"at most {SIZE_LIMIT // 1024**3} GiB"
    )


def _complete(model: onnx.ModelProto, folder: Path | None, label: str) -> onnx.ModelProto:
    """Check the model and load its external data."""
    check_wellformed(model)
    load_external_data(model, folder, label)
    check_tensors(model)
    return model
