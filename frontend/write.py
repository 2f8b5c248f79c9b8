"""Atomic writing of files: a file is written completely or not at all,
and replaces only ordinary files.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STREAMS = re.compile(r"/dev/(fd/)?[^/]+|/proc/.*")
"""Paths of open files of a process, such as /dev/stdout and /dev/fd/1."""


def is_stream(path: Path) -> bool:
    """Return whether a path is a stream (a pipe, a terminal, /dev/null)
    and not a file that keeps what is written.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    named = _STREAMS.fullmatch(os.path.abspath(path))
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or (named is not None and stat.S_ISREG(mode))


def obstacle(path: Path) -> str:
    """Return what exists at a path that a file must not replace; "" if there is no obstacle."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return ""
    kinds = {stat.S_ISDIR: "a folder", stat.S_ISBLK: "a device", stat.S_ISSOCK: "a socket"}
    return next((name for test, name in kinds.items() if test(mode)), "")


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Name a path in errors of the system that name none, such as a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a whole file or nothing.

    A symbolic link is kept and its target is written; an existing file's permissions are kept. To a
    stream the bytes are written directly.

    Raises:
        OSError: it cannot be written, is protected against that, or a folder, device or socket lies
            there.
    """
    path = Path(path)
    if blocking := obstacle(path):
        raise FileExistsError(errno.EEXIST, f"it is {blocking}, a file is wanted", str(path))
    if is_stream(path):
        _pour(path, data)
        return
    path = Path(os.path.realpath(path))
    if path.exists() and not _mode(path) & 0o222:
        raise PermissionError(errno.EACCES, "it is protected against writing", str(path))
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:60]}.")
    except OSError as error:  # it names the temporary file
        raise type(error)(error.errno, error.strerror, str(path)) from None
    try:
        with naming(path), os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, _mode(path))
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _pour(path: Path, data: bytes) -> None:
    """Write to a stream; to an open file of this process at its current position."""
    handle = next((fd for fd in (1, 2) if _same(path, fd)), None)
    if sys.stdout is not None:
        sys.stdout.flush()
    opened = os.open(path, os.O_WRONLY) if handle is None else os.dup(handle)
    with os.fdopen(opened, "wb") as stream:
        stream.write(data)


def _same(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except OSError:
        return False


def _mode(path: Path) -> int:
    """Return the permissions of the existing file, else those of a new file."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask
