"""Reading of small text files of users: ordinary files of a bounded size, nothing else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

MOST = 64 << 20
"""Bytes of the largest file that is read: a manifest of 5,000 kernels has 2 MiB."""


def read_bounded(path: Path | str) -> bytes:
    """Return the content of an ordinary file.

    Raises:
        OSError: it cannot be read, is a pipe, device or folder, or is larger than ``MOST``.
    """
    # Opening a pipe would wait for its other end.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is no ordinary file", str(path))
        if status.st_size > MOST:
            found = f"it has {status.st_size:,} bytes, at most {MOST:,} are read"
            raise OSError(0, found, str(path))
        return file.read(MOST)
