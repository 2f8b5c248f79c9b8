"""Reading of ONNX files that are not trusted: size, external data and protobuf are checked."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir

from .bounded_file import open_ordinary
from .diagnostics import CompileError, Problem
from .escape import plain
from .external_data import SIZE_LIMIT, load_external_data
from .source import Source, label, require_source
from .wellformed import check_tensors, check_wellformed


def read_model(source: Source) -> onnx.ModelProto:
    """Read a model with all its parameters; a model of the caller is not changed.

    Args:
        source: path of an .onnx file, its content, or a model of ``onnx`` or ``onnx_ir``.

    Raises:
        TypeError: it is something else.
        CompileError: the file is missing, a directory, empty, truncated, not ONNX, above 2 GiB, or
            its external data lies outside the model's folder, is missing or too short; or the file
            is not well-formed (`wellformed`).
    """
    require_source(source)
    if isinstance(source, ir.Model):
        return _complete(ir.to_proto(source), _folder_of(source), label(source))
    if isinstance(source, onnx.ModelProto):
        return _complete(_copy(source), None, label(source))
    if isinstance(source, bytes):
        return _complete(_parse(source, label(source)), None, label(source))
    path = Path(source)
    try:
        if path.is_dir():
            raise CompileError(f"{plain(path)} is a directory, not an ONNX file")
        if path.stat().st_size > SIZE_LIMIT:
            raise CompileError(_too_large(str(path), path.stat().st_size))
        with open_ordinary(path) as file:  # a pipe could not be read again for its hash
            content = file.read()
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CompileError(f"cannot read {plain(path)}: {reason or error}") from error
    return _complete(_parse(content, str(path)), path.resolve().parent, str(path))


def _folder_of(model: ir.Model) -> Path | None:
    """Return the folder of a model's external data; None if there is none, or several."""
    values = (value.const_value for value in model.graph.initializers.values())
    folders = {Path(value.base_dir) for value in values if isinstance(value, ir.ExternalTensor)}
    return folders.pop() if len(folders) == 1 else None


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _parse(content: bytes, name: str) -> onnx.ModelProto:
    if not content:
        raise CompileError(f"{plain(name)}: the file is empty")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except Exception as error:  # protobuf's implementations raise different types
        found = "not an ONNX model, or cut off in the middle"
        raise CompileError(Problem(name, "", found, hint="export it again")) from error
    if not model.graph.node or not model.opset_import:
        found = "holds no ONNX graph (no nodes or no opset)"
        raise CompileError(Problem(name, "", found, hint="export it again"))
    return model


def _too_large(name: str, size: int) -> Problem:
    return Problem(
        name, "", f"{size / 1024**3:.2f} GiB of data", f"at most {SIZE_LIMIT // 1024**3} GiB"
    )


def _complete(model: onnx.ModelProto, folder: Path | None, name: str) -> onnx.ModelProto:
    """Check the model and load its external data."""
    check_wellformed(model)
    load_external_data(model, folder, name)
    check_tensors(model)
    return model
