"""What a network may be given as: a path, a file's content, or a model in memory."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import onnx
import onnx_ir as ir

from .escape import plain

Source = str | os.PathLike[str] | bytes | onnx.ModelProto | ir.Model
"""Path of an .onnx file, its content, or a model of ``onnx`` or ``onnx_ir``."""

IN_MEMORY = "network"
"""Name of what has no file name."""


def require_source(source: object) -> None:
    """Refuse what is no source.

    Raises:
        TypeError: naming what is taken.
    """
    if not isinstance(source, str | os.PathLike | bytes | onnx.ModelProto | ir.Model):
        raise TypeError(
            "a network is given as the path of a file, its bytes, an onnx.ModelProto or an "
            f"onnx_ir.Model, not as {type(source).__name__}"
        )


def label(source: Source) -> str:
    """Return how messages call a source."""
    if isinstance(source, bytes):
        return "the given bytes"
    return "the given model" if isinstance(source, onnx.ModelProto | ir.Model) else plain(source)


def stem(source: Source) -> str:
    """Return the name of a program that is made of a source: its file's, without the ending."""
    return Path(source).stem if isinstance(source, str | os.PathLike) else IN_MEMORY


def file_name(source: Source) -> str | None:
    """Return the name of a source's file; None for what is in memory."""
    return Path(source).name if isinstance(source, str | os.PathLike) else None


def digest(source: Source) -> str:
    """Return the SHA-256 of a file's content; of a model in memory, as protobuf writes it.

    Raises:
        OSError: the file cannot be read.
    """
    return hashlib.sha256(content(source)).hexdigest()


def content(source: Source) -> bytes:
    """Return a file's content; for a model in memory, what a file of it would hold.

    Raises:
        OSError: the file cannot be read.
    """
    if isinstance(source, bytes):
        return source
    if isinstance(source, ir.Model):
        source = ir.to_proto(source)
    if isinstance(source, onnx.ModelProto):
        return bytes(source.SerializeToString(deterministic=True))
    return Path(source).read_bytes()
