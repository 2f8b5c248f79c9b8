"""Exceptions of Python's reader of ZIP archives on damaged ones."""

from __future__ import annotations

import zipfile
import zlib

try:
    from lzma import LZMAError
except ImportError:  # an optional part of Python
    LZMAError = zlib.error  # type: ignore[misc,assignment]

DAMAGED_ARCHIVE: tuple[type[Exception], ...] = (
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
    NotImplementedError,  # a method of compression that Python does not know
    RuntimeError,  # an encrypted member, or a method that this Python was built without
    EOFError,
    OSError,  # bzip2
)
"""What opening an archive and reading its members may raise."""
