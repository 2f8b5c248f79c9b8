"""Files of users: ordinary ones, and small texts of a bounded size."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

MOST = 64 << 20
"""Bytes of the largest file that is read: a manifest of 5,000 kernels has 2 MiB."""


def open_ordinary(path: Path | str) -> BinaryIO:
    """Open an ordinary file for reading.

    Raises:
        OSError: it cannot be opened, or is a pipe, device or folder.
    """
    # Opening a pipe would wait for its other end; Windows would change the ends of lines.
    flags = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, os.O_RDONLY | flags)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return open(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(0, "it is no ordinary file", str(path))


def read_bounded(path: Path | str) -> bytes:
    """Return the content of an ordinary file.

    Raises:
        OSError: it cannot be read, is a pipe, device or folder, or is larger than ``MOST``.
    """
    with open_ordinary(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MOST:
            raise OSError(0, f"it has {size:,} bytes, at most {MOST:,} are read", str(path))
        return file.read(MOST)
