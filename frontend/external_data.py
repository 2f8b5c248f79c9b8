"""Parameters in external data files, loaded without trusting what the model says about them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from stat import S_ISREG

import onnx
from onnx.checker import ValidationError
from onnx.external_data_helper import (
    ExternalDataInfo,
    load_external_data_for_tensor,
    uses_external_data,
)

from .diagnostics import CompileError, Problem, Unfit
from .wellformed import data_bytes, tensors

SIZE_LIMIT = 2 * 1024**3  # bytes of all external data, the same as protobuf's limit for a message

_SMALL = 64 * 1024**2  # bytes that are read without the checks below
_SHARED = 2  # times that the same data may be read: embeddings and heads may share weights
_HOLLOW = 16  # bytes of a file per byte on disk; file system compression saves less on weights


def load_external_data(model: onnx.ModelProto, folder: Path | None, label: str) -> None:
    """Load external parameters into the model; `onnx` refuses paths outside the folder.

    Args:
        model: a well-formed model.
        folder: folder of the model file; None for a model that was not read from a file.

    Raises:
        label: name of the model in messages.

    Raises:
        CompileError: data is outside the folder, missing, not as long as the tensor's shape needs,
            more than 2 GiB in all, or much larger than the files on disk (a sparse file, or one
            that many tensors share).
    """
    outside = [tensor for tensor, _, _ in tensors(model) if uses_external_data(tensor)]
    if not outside:
        return
    if folder is None:
        found = f"its parameter '{outside[0].name}' is in an external file"
        hint = "pass the path of the .onnx file, with its data file beside it"
        raise CompileError(Problem(label, "", found, hint=hint))
    _check_total(outside, folder, label)
    problems = []
    for tensor in outside:
        try:
            _check_length(tensor)
            load_external_data_for_tensor(tensor, str(folder))
        except (OSError, ValueError, TypeError, RuntimeError, ValidationError) as error:
            problems.append(_unreadable(tensor, error))
    if problems:
        raise CompileError(problems)


def _unreadable(tensor: onnx.TensorProto, error: Exception) -> Problem:
    found = f"external data cannot be read: {error}"
    supported = "a data file beside the model, or in a folder below it, of full length"
    hint = "keep the .onnx file and its data file together"
    return Problem(tensor.name, "initializer", found, supported, hint)


def _check_length(tensor: onnx.TensorProto) -> None:
    wanted, length = data_bytes(tensor), ExternalDataInfo(tensor).length
    if None not in (wanted, length) and wanted != length:
        raise Unfit(f"{length} bytes where the shape {list(tensor.dims)[:8]} takes {wanted}")


def _check_total(outside: Sequence[onnx.TensorProto], folder: Path, label: str) -> None:
    """Check the total size before any data is read: a small file may claim gigabytes."""
    total, there, solid = 0, 0, 0
    seen: set[str] = set()
    for tensor in outside:
        try:
            info = ExternalDataInfo(tensor)
            status = os.stat(folder / info.location)
            if not S_ISREG(status.st_mode):
                raise Unfit(f"'{info.location}' is not a file")
        except (OSError, ValueError, TypeError) as error:
            raise CompileError(_unreadable(tensor, error)) from error
        total += status.st_size if info.length is None else info.length
        if info.location not in seen:
            seen.add(info.location)
            there += status.st_size
            solid += getattr(status, "st_blocks", status.st_size) * 512
    most = f"at most {SIZE_LIMIT // 1024**3} GiB"
    if total > SIZE_LIMIT:
        found = f"{min(total, 2**64) / 1024**3:.2f} GiB of data"
        raise CompileError(Problem(label, "", found, most))
    for size, what in ((_SHARED * there, "in all its data files"), (_HOLLOW * solid, "on disk")):
        if total > max(_SMALL, size):
            found = f"{total:,} bytes of external data, of which few are {what}"
            supported = "data files that are as large as the parameters in them"
            raise CompileError(Problem(label, "", found, supported, "export it again"))
